"""Losses: the formulas against torch's and against loops, where they are least, the weights of the heads, errors."""

import math

import pytest
import torch
import torch.nn.functional as F

from companion.losses import label_smoothing_loss, with_auxiliary_loss

SHARES = (0.0, 0.1, 0.5, 1.0)


def scores(B=6, classes=5):
    logits = torch.randn(B, classes, dtype=torch.float64, requires_grad=True)
    return logits, torch.randint(classes, (B,))


@pytest.mark.parametrize("share", SHARES)
def test_label_smoothing_equals_torch_with_its_gradient(share):
    logits, targets = scores()
    ours = label_smoothing_loss(logits, targets, label_smoothing=share)
    theirs = F.cross_entropy(logits, targets, label_smoothing=share)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)))


@pytest.mark.parametrize("share", SHARES)
def test_label_smoothing_equals_the_sum_over_examples_and_classes(share):
    logits, targets = scores(B=3, classes=4)
    total = 0.0
    for row, right in zip(logits.tolist(), targets.tolist(), strict=True):
        norm = sum(math.exp(z) for z in row)
        for k, z in enumerate(row):
            total -= ((1 - share) * (k == right) + share / 4) * math.log(math.exp(z) / norm)
    assert label_smoothing_loss(logits, targets, label_smoothing=share).item() == pytest.approx(total / 3)


def test_the_default_share_is_a_tenth():
    logits, targets = scores()
    assert label_smoothing_loss(logits, targets) == label_smoothing_loss(logits, targets, label_smoothing=0.1)


def test_smoothed_loss_is_least_at_a_finite_score():
    """The gradient is p - target, so it vanishes where p is the target: here 0.9 + 0.1 / 5 for the right class."""
    best = math.log(0.92 / 0.02)
    logits, right = torch.zeros(1, 5, dtype=torch.float64), torch.tensor([1])
    logits[0, 1] = best
    logits.requires_grad_()
    smoothed, plain = label_smoothing_loss(logits, right), F.cross_entropy(logits, right)
    torch.testing.assert_close(torch.autograd.grad(smoothed, logits)[0], torch.zeros_like(logits), atol=1e-12, rtol=0)
    assert torch.autograd.grad(plain, logits)[0][0, 1] < -0.05


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_label_smoothing_refuses_other_shares(share):
    with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\], got"):
        label_smoothing_loss(*scores(), label_smoothing=share)


@pytest.mark.parametrize(
    ("first", "second"), [((6,), (6,)), ((6, 5), (5,)), ((6, 5), (6, 5)), ((0, 5), (0,)), ((2, 0), (2,))]
)
def test_label_smoothing_refuses_other_shapes(first, second):
    with pytest.raises(ValueError, match=r"need \(B, classes\) and \(B,\), B >= 1, got"):
        label_smoothing_loss(torch.zeros(first), torch.zeros(second, dtype=torch.int64))


def test_auxiliary_losses_are_added_with_their_weight():
    (main, targets), (first, _), (second, _) = scores(), scores(), scores()
    parts = [F.cross_entropy(z, targets) for z in (main, first, second)]
    torch.testing.assert_close(
        with_auxiliary_loss((main, first, second), targets), parts[0] + 0.3 * parts[1] + 0.3 * parts[2]
    )
    torch.testing.assert_close(with_auxiliary_loss([main, first], targets, weight=0.4), parts[0] + 0.4 * parts[1])
    torch.testing.assert_close(with_auxiliary_loss((main, first), targets, weight=0.0), parts[0])


def test_a_single_output_counts_alone():
    logits, targets = scores()
    for outputs in (logits, (logits,)):
        assert with_auxiliary_loss(outputs, targets) == F.cross_entropy(logits, targets)


def test_the_loss_of_an_output_can_be_chosen():
    logits, targets = scores()
    torch.testing.assert_close(
        with_auxiliary_loss((logits, logits), targets, loss=label_smoothing_loss),
        1.3 * F.cross_entropy(logits, targets, label_smoothing=0.1),
    )
    assert with_auxiliary_loss(logits, targets, loss=label_smoothing_loss) == label_smoothing_loss(logits, targets)


def test_auxiliary_loss_refuses_a_negative_weight_and_no_output():
    logits, targets = scores()
    for weight in (-0.3, math.nan):
        with pytest.raises(ValueError, match=f"weight must be >= 0, got {weight}"):
            with_auxiliary_loss((logits, logits), targets, weight=weight)
    with pytest.raises(ValueError, match="at least one output"):
        with_auxiliary_loss((), targets)
