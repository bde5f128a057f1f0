import numpy as np
import pytest
import torch
from matplotlib import cbook, image
from sklearn.datasets import load_sample_image

from companion.data import PHOTOS, photo

SIZES = {"china": (427, 640), "flower": (427, 640), "portrait": (600, 512)}


def test_the_list_of_names():
    assert set(PHOTOS) == set(SIZES)


@pytest.mark.parametrize("name", PHOTOS)
def test_size_and_type(name):
    picture = photo(name)
    assert picture.shape == (3, *SIZES[name])
    assert picture.dtype == torch.uint8
    assert picture.float().std() > 30  # not a uniform grey
    assert picture.is_contiguous()


def test_the_pixels_are_the_files():
    np.testing.assert_array_equal(photo("china").permute(1, 2, 0), load_sample_image("china.jpg"))
    portrait = image.imread(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    np.testing.assert_array_equal(photo("portrait").permute(1, 2, 0), portrait)


def test_a_photo_may_be_written_to():
    first = photo("flower")
    first.zero_()
    assert photo("flower").any()


@pytest.mark.parametrize("size", [(32, 48), (64, 64), (1, 1), (100, 7)])
def test_resized(size):
    assert photo("portrait", size=size).shape == (3, *size)


def test_shrinking_averages_the_middle():
    whole = photo("china").double()
    middle = whole[:, :, 106:533]  # 427 of 640 columns
    small = photo("china", size=(7, 7)).double()
    means = middle.reshape(3, 7, 61, 7, 61).mean(dim=(2, 4))
    assert (small - means).abs().mean() < 6  # bilinear weights reach into the neighbouring blocks
    one = photo("china", size=(1, 1)).double().flatten()
    assert (one - middle.mean(dim=(1, 2))).abs().max() < 12


def test_proportions_are_kept():
    half = photo("portrait", size=(300, 256)).double()
    blocks = photo("portrait").double().reshape(3, 300, 2, 256, 2).mean(dim=(2, 4))
    assert (half - blocks).abs().mean() < 2.5


def test_a_photo_can_be_enlarged():
    assert photo("flower", size=(854, 1280)).shape == (3, 854, 1280)


def test_unknown_name():
    with pytest.raises(ValueError, match="name must be one of china, flower, portrait, got 'cat'"):
        photo("cat")


@pytest.mark.parametrize("size", [(0, 5), (5,), (1, 2, 3), (-1, 4)])
def test_bad_size(size):
    with pytest.raises(ValueError, match=r"size must be two numbers >= 1, rows and columns, got \("):
        photo("china", size=size)
