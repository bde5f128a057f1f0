"""Augmentation of batches: against one image at a time, torchvision, and the AlexNet paper's counts and formula."""

import math

import pytest
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.augment import (
    ColorPca,
    color_pca,
    pca_color,
    predict_ten_crop,
    random_crop,
    random_flip,
    random_shift,
    ten_crop,
)


def numbered(batch, channels, height, width):
    """Images whose pixels all differ, so that a crop shows where it was cut."""
    return torch.arange(1.0, 1 + batch * channels * height * width).view(batch, channels, height, width)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("size", "padding"), [(5, 0), ((4, 7), 0), ((3, 2), 2), ((8, 9), 0)])
def test_each_crop_is_a_window_of_its_own_image(size, padding):
    x = numbered(40, 3, 8, 9)
    rows, columns = (size, size) if isinstance(size, int) else size
    padded = nn.functional.pad(x, (padding,) * 4)
    places = set()
    for image, crop in zip(padded, random_crop(x, size, padding=padding), strict=True):
        windows = image.unfold(1, rows, 1).unfold(2, columns, 1).permute(1, 2, 0, 3, 4)
        found = (windows == crop).all(dim=(2, 3, 4)).nonzero()
        assert len(found) >= 1
        places.add(tuple(found[0].tolist()))
    count = (8 + 2 * padding - rows + 1) * (9 + 2 * padding - columns + 1)
    assert len(places) > (1 if count > 1 else 0)
    assert len(places) <= count


def test_crops_and_flips_make_as_many_images_as_the_argument_says():
    """The paper's count, 32 x 32 places times 2, is that of our small image: 4 x 3 places times 2."""
    x = numbered(1, 1, 8, 7).expand(3000, 1, 8, 7)
    views = random_flip(random_crop(x, 5)).flatten(1)
    different, counts = views.unique(dim=0, return_counts=True)
    assert len(different) == 4 * 3 * 2
    assert counts.min() > 3000 / 24 - 5 * math.sqrt(3000 / 24)  # all equally likely
    assert (256 - 224) * (256 - 224) * 2 == 2048  # as the paper counts
    assert (256 - 224 + 1) ** 2 * 2 == 2178  # with both ends


def test_a_shift_moves_the_image_and_lets_zeros_in():
    x = numbered(200, 1, 5, 6)
    seen = set()
    for before, after in zip(x[:, 0], random_shift(x, 2)[:, 0], strict=True):
        for down, right in [(d, r) for d in range(-2, 3) for r in range(-2, 3)]:
            moved = torch.zeros(5, 6)
            moved[max(down, 0) : 5 + min(down, 0), max(right, 0) : 6 + min(right, 0)] = before[
                max(-down, 0) : 5 + min(-down, 0), max(-right, 0) : 6 + min(-right, 0)
            ]
            if torch.equal(moved, after):
                seen.add((down, right))
                break
        else:
            pytest.fail("not a shift by up to two pixels")
    assert len(seen) == 25
    assert torch.equal(random_shift(x, 0), x)


def test_flips_are_mirror_images_drawn_one_by_one():
    x = numbered(400, 2, 3, 4)
    y = random_flip(x)
    mirrored = (y == x.flip(3)).all(dim=(1, 2, 3))
    kept = (y == x).all(dim=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert mirrored.sum().item() == pytest.approx(200, abs=40)  # 4 standard deviations
    assert torch.equal(random_flip(x, 0.0), x)
    assert torch.equal(random_flip(x, 1.0), x.flip(3))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_geometry_keeps_the_type(dtype):
    x = (torch.rand(3, 2, 6, 6) * 255).to(dtype)
    assert random_crop(x, 4).dtype == random_flip(x).dtype == random_shift(x, 1).dtype == ten_crop(x, 4).dtype == dtype


def test_a_generator_repeats_what_it_drew():
    x = torch.rand(16, 3, 8, 8)
    eigen = color_pca(x)
    for augment in (
        lambda x, g: random_crop(x, 5, generator=g),
        lambda x, g: random_flip(x, generator=g),
        lambda x, g: random_shift(x, 2, generator=g),
        lambda x, g: pca_color(x, eigen, generator=g),
    ):
        assert torch.equal(augment(x, seeded(1)), augment(x, seeded(1)))
        assert not torch.equal(augment(x, seeded(1)), augment(x, seeded(2)))


# --- colours


def test_components_are_those_of_a_singular_value_decomposition():
    x = torch.rand(4, 3, 5, 6, dtype=torch.float64) * torch.tensor([1.0, 0.5, 0.2]).view(1, 3, 1, 1)
    eigenvalues, eigenvectors = color_pca(x)
    pixels = x.permute(0, 2, 3, 1).reshape(-1, 3)
    _, singular, right = torch.linalg.svd(pixels - pixels.mean(0), full_matrices=False)
    torch.testing.assert_close(eigenvalues, singular**2 / (len(pixels) - 1))
    torch.testing.assert_close((eigenvectors.T @ right.T).abs(), torch.eye(3).double(), atol=1e-10, rtol=0)
    assert eigenvalues[0] > eigenvalues[1] > eigenvalues[2]
    torch.testing.assert_close(eigenvectors.T @ eigenvectors, torch.eye(3).double())


def test_colour_shift_is_the_papers_formula_one_draw_per_image():
    x = torch.rand(5, 3, 4, 4, dtype=torch.float64)
    eigenvalues, eigenvectors = color_pca(x)
    y = pca_color(x, (eigenvalues, eigenvectors), std=0.1, generator=seeded(3))
    alpha = 0.1 * torch.randn(5, 3, dtype=torch.float64, generator=seeded(3))
    for before, after, a in zip(x, y, alpha, strict=True):
        shift = sum(a[i] * eigenvalues[i] * eigenvectors[:, i] for i in range(3))
        torch.testing.assert_close(after, before + shift[:, None, None])


def test_colour_shifts_spread_along_the_components():
    eigen = ColorPca(torch.tensor([0.2, 0.02, 0.0]).double(), torch.linalg.qr(torch.randn(3, 3).double())[0])
    x = torch.zeros(4000, 3, 1, 1, dtype=torch.float64)
    shifts = pca_color(x, eigen, std=0.5)[:, :, 0, 0] @ eigen.eigenvectors
    torch.testing.assert_close(shifts.std(dim=0), 0.5 * eigen.eigenvalues, atol=0.006, rtol=0)
    torch.testing.assert_close(shifts.mean(dim=0), torch.zeros(3).double(), atol=0.007, rtol=0)
    assert torch.equal(pca_color(x, eigen, std=0.0), x)


def test_components_of_few_colours_are_not_negative():
    x = torch.tensor([0.0, 1.0]).repeat(8).view(1, 1, 4, 4).expand(2, 3, 4, 4)  # grey: two eigenvalues are 0
    assert (color_pca(x).eigenvalues >= 0).all()


# --- ten crops


@pytest.mark.parametrize(("shape", "size"), [((7, 9), (4, 5)), ((8, 8), 5), ((6, 7), 6), ((5, 5), 5), ((9, 6), (2, 3))])
def test_ten_crops_equal_torchvisions(shape, size):
    x = numbered(2, 3, *shape)
    pair = (size, size) if isinstance(size, int) else size
    crops = ten_crop(x, size)
    assert crops.shape == (2, 10, 3, *pair)
    for ours, theirs in zip(crops.unbind(1), torchvision.transforms.functional.ten_crop(x, list(pair)), strict=True):
        assert torch.equal(ours, theirs)


def test_ten_crop_prediction_is_the_mean_of_ten_softmaxes():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5)).double()
    x = torch.randn(6, 3, 6, 6, dtype=torch.float64)
    probs = predict_ten_crop(model, x, 4)
    for image, p in zip(x, probs, strict=True):
        ten = [
            model(crop).softmax(dim=1)[0] for crop in torchvision.transforms.functional.ten_crop(image[None], [4, 4])
        ]
        torch.testing.assert_close(p, sum(ten) / 10)
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(6).double())
    assert not probs.requires_grad
    assert not torch.allclose(probs, model(ten_crop(x, 4)[:, 4]).softmax(dim=1))


# --- errors

EYE = (torch.ones(3), torch.eye(3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: random_crop(x, 7), ValueError, "a crop of 7 x 7 does not fit into 6 x 6"),
        (lambda x: random_crop(x, (0, 3)), ValueError, "a crop of 0 x 3 does not fit"),
        (lambda x: random_crop(x, 3, padding=-1), ValueError, "padding must be >= 0, got -1"),
        (lambda x: random_crop(x[0], 3), ValueError, r"batch \(B, C, H, W\), got shape \(3, 6, 6\)"),
        (lambda x: random_shift(x, -1), ValueError, "padding must be >= 0, got -1"),
        (lambda x: random_shift(x[0], 1), ValueError, r"got shape \(3, 6, 6\)"),
        (lambda x: random_flip(x[:0]), ValueError, r"non-empty batch .* got shape \(0, 3, 6, 6\)"),
        (lambda x: random_flip(x, 1.5), ValueError, r"p must lie in \[0, 1\], got 1.5"),
        (lambda x: color_pca(x[0]), ValueError, "batch"),
        (lambda x: color_pca(x.byte()), TypeError, r"floating point, in \[0, 1\], got torch.uint8"),
        (lambda x: color_pca(x[:1, :, :1, :1]), ValueError, "two pixels or more"),
        (lambda x: pca_color(x.byte(), EYE), TypeError, "got torch.uint8"),
        (lambda x: pca_color(x[:, :2], EYE), ValueError, r"2 channels need eigenvalues \(2,\)"),
        (lambda x: pca_color(x, EYE, std=-0.1), ValueError, "std must be >= 0, got -0.1"),
        (lambda x: pca_color(x, EYE, std=math.nan), ValueError, "got nan"),
        (lambda x: ten_crop(x, (3, 9)), ValueError, "a crop of 3 x 9 does not fit"),
        (lambda x: predict_ten_crop(nn.Identity(), x, 0), ValueError, "a crop of 0 x 0"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.rand(2, 3, 6, 6))


@pytest.mark.gpu
def test_a_cpu_generator_draws_the_same_on_a_gpu():
    x = torch.rand(8, 3, 6, 6)
    eigen = color_pca(x)
    for augment in (
        lambda x: random_crop(x, 4, generator=seeded()),
        lambda x: random_flip(x, generator=seeded()),
        lambda x: pca_color(x, eigen, generator=seeded()),
    ):
        torch.testing.assert_close(augment(x.cuda()).cpu(), augment(x))
