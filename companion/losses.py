"""Losses of supervised training, as pure functions of scores and targets.

Letters: B examples.
"""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor


def label_smoothing_loss(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.1) -> Tensor:
    r"""Cross-entropy against targets of which a share is spread evenly over all classes.

        target[k] = (1 - label_smoothing) * [k is right] + label_smoothing / classes
        loss = mean over examples of -sum over k of target[k] * log p[k]

    The right class keeps 1 - label_smoothing + label_smoothing / classes, so no score has a reason to run away:
    the loss is least at finite differences between the logits.

    Args:
        logits: scores before the softmax.
        targets: index of the right class of each example, int64.
        label_smoothing: the share that is spread; 0 is plain cross-entropy, 1 forgets the target.

    Shape:
        (B, classes), (B,) with B >= 1; returns a 0-d tensor in nats.

    Raises:
        ValueError: for other shapes, no example, or a share outside [0, 1].

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567,
    section 7. Equal to torch.nn.functional.cross_entropy(logits, targets, label_smoothing=...).

    Example:
        >>> import torch
        >>> even, right = torch.zeros(1, 4), torch.tensor([2])
        >>> round(label_smoothing_loss(even, right).item(), 4)                   # log 4, whatever the share
        1.3863
    """
    if logits.ndim != 2 or targets.shape != logits.shape[:1] or not logits.numel():
        raise ValueError(f"need (B, classes) and (B,), B >= 1, got {tuple(logits.shape)} and {tuple(targets.shape)}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must lie in [0, 1], got {label_smoothing}")
    log_probs = F.log_softmax(logits, dim=1)  # (B, classes)
    right = log_probs.gather(1, targets[:, None])  # (B, 1)
    return -(1 - label_smoothing) * right.mean() - label_smoothing * log_probs.mean()


def with_auxiliary_loss(
    outputs: Tensor | Sequence[Tensor],
    targets: Tensor,
    *,
    weight: float = 0.3,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> Tensor:
    """Loss of a network with auxiliary heads: that of its logits, and `weight` times that of every other output.

    Args:
        outputs: what the network returned: (logits, auxiliary logits, ...) in training; a single tensor, as in
            evaluation, counts alone.
        targets: of all outputs alike.
        weight: of each auxiliary loss, >= 0; dimensionless.
        loss: of one output, from scores and targets to a 0-d tensor.

    Shape:
        (B, classes) each, and (B,); returns a 0-d tensor.

    Raises:
        ValueError: if there is no output or the weight is negative.

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", arXiv:1409.4842, section 5 (weight 0.3).

    Example:
        >>> import torch
        >>> even, right = torch.zeros(1, 4), torch.tensor([2])
        >>> round(with_auxiliary_loss((even, even, even), right).item(), 4)      # 1.6 times log 4
        2.2181
    """
    if not weight >= 0:
        raise ValueError(f"weight must be >= 0, got {weight}")
    if isinstance(outputs, Tensor):
        return loss(outputs, targets)
    if not outputs:
        raise ValueError("need at least one output, got none")
    total = loss(outputs[0], targets)
    for auxiliary in outputs[1:]:
        total = total + weight * loss(auxiliary, targets)
    return total
