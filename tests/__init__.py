"""The tests.

torchvision is imported here first, in the way that always works; timm, which imports it too, may follow anywhere.
"""

from companion import _torchvision  # noqa: F401
