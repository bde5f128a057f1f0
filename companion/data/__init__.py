"""Data: labelled pictures, photographs, point sets in the plane, and the checked history behind the timelines."""

from companion.data.history import ilsvrc, milestones
from companion.data.images import CLASSES, LabelledImages, load
from companion.data.photos import PHOTOS, photo
from companion.data.toy import circles, gaussians, two_moons, two_spirals, xor

__all__ = [
    "CLASSES",
    "PHOTOS",
    "LabelledImages",
    "circles",
    "gaussians",
    "ilsvrc",
    "load",
    "milestones",
    "photo",
    "two_moons",
    "two_spirals",
    "xor",
]
