"""Normalization layers: each divides activations by a measure of their own size.

Letters: N examples, C channels, * any number of positions.
"""

import torch.nn.functional as F
from torch import Tensor, nn


def local_response_norm(
    x: Tensor, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0, *, groups: int = 1
) -> Tensor:
    r"""Divide each activation by a power of the squares around it, in neighbouring channels at the same place.

        y[i] = x[i] / (k + alpha * sum of x[j]^2 over the `size` channels j around i)^beta

    At the first and last channels the sum has fewer terms. An even `size` reaches one channel further down.

    Args:
        x: the activations.
        size: how many channels the sum runs over, i included; the paper's n.
        alpha: weight of the sum; 0 or more.
        beta: the power; 0 changes nothing.
        k: what the denominator holds beside the sum; > 0 keeps it away from zero.
        groups: the channels fall into so many equal groups, and no sum reaches across their borders.

    Shape:
        (N, C, *) -> (N, C, *)

    Raises:
        ValueError: if x has no channels, `size` or `groups` is < 1, or `groups` does not divide C.

    Source: Krizhevsky, Sutskever & Hinton 2012, "ImageNet Classification with Deep Convolutional Neural
    Networks", section 3.3. Differs: torch's LocalResponseNorm divides alpha by `size`, and so does the author's
    published code; the formula of the paper does not. `groups` keeps two towers apart.

    Example:
        >>> import torch
        >>> ones = torch.ones(1, 3, 1)
        >>> local_response_norm(ones, 3, alpha=1.0, beta=1.0, k=1.0).flatten().tolist()     # 1/3, 1/4, 1/3
        [0.3333333432674408, 0.25, 0.3333333432674408]
    """
    if x.ndim < 2:
        raise ValueError(f"x must be (N, C, *), got {tuple(x.shape)}")
    if size < 1 or groups < 1 or x.shape[1] % groups:
        raise ValueError(f"need size >= 1 and groups that divide {x.shape[1]} channels, got {size=} and {groups=}")
    channels = x.shape[1] // groups
    squares = x.square().reshape(-1, channels, *x.shape[2:])  # a group is like an example of its own
    padded = F.pad(squares, (0, 0) * (x.ndim - 2) + (size // 2, (size - 1) // 2))
    sums = sum((padded[:, j : j + channels] for j in range(size)), start=x.new_zeros(()))
    return x * (k + alpha * sums.reshape(x.shape)) ** -beta


class LocalResponseNorm(nn.Module):
    """`local_response_norm` as a layer; it has no parameters.

    Args:
        size, alpha, beta, k, groups: as there.

    Shape:
        (N, C, *) -> (N, C, *)

    Raises:
        ValueError: if `size` or `groups` is < 1; when called, as `local_response_norm`.

    Source, Differs: see `local_response_norm`. To compare with torch's layer give that `alpha * size`.

    Example:
        >>> LocalResponseNorm()
        LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)
    """

    def __init__(
        self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0, *, groups: int = 1
    ) -> None:
        super().__init__()
        if size < 1 or groups < 1:
            raise ValueError(f"size and groups must be >= 1, got {size=} and {groups=}")
        self.size, self.alpha, self.beta, self.k, self.groups = size, alpha, beta, k, groups

    def forward(self, x: Tensor) -> Tensor:
        """Return x divided by its local response, (N, C, *) -> (N, C, *)."""
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k, groups=self.groups)

    def extra_repr(self) -> str:
        """Return the constants as `print(layer)` shows them."""
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}{groups}"


class LayerNorm2d(nn.LayerNorm):
    """Layer normalization of maps: every place is normalized by itself, over its channels.

    A place's C numbers lose their mean and are divided by their standard deviation; then each channel gets a scale
    and an offset of its own, which are learned. Neither the other places nor the other examples play a part, so
    training and evaluation are the same.

    Args:
        channels: number of channels, C >= 1.
        eps: added to the variance.

    Shape:
        (B, C, H, W) -> (B, C, H, W). The output lies in memory with the channels last, so that the permutes around
        the next one cost nothing.

    Raises:
        ValueError: if channels < 1; when called, if x is not (B, C, H, W).

    Source: Ba, Kiros & Hinton 2016, "Layer Normalization", arXiv:1607.06450; over channels only, as in Liu et al.
    2022, arXiv:2201.03545, and torchvision.models.convnext.LayerNorm2d. Differs: eps is theirs, 1e-6, where
    torch.nn.LayerNorm has 1e-5.

    Example:
        >>> import torch
        >>> LayerNorm2d(2)(torch.tensor([[[[1.0]], [[5.0]]]])).flatten()            # mean 3, deviation 2
        tensor([-1.0000,  1.0000], grad_fn=<ViewBackward0>)
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        if channels < 1:
            raise ValueError(f"channels must be >= 1, got {channels}")
        super().__init__(channels, eps=eps)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalized over its channels, (B, C, H, W) -> (B, C, H, W)."""
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(f"x must be (B, {self.channels}, H, W), got {tuple(x.shape)}")
        y = F.layer_norm(x.permute(0, 2, 3, 1), (self.channels,), self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)
