"""A convolution, a norm and an activation in a row: the brick of which most networks since 2015 are built."""

from collections.abc import Callable

from torch import nn

_IN_PLACE = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid)
"""Activations that may write over their input: what lies below, a norm or a convolution, does not need it."""


class ConvNormActivation(nn.Sequential):
    """Convolution -> norm -> activation; each of the last two may be missing.

    The convolution has a bias only where no norm follows, since a norm would subtract it again.

    Args:
        in_channels, out_channels, stride, groups: as in `nn.Conv2d`.
        kernel_size: one side, or (rows, columns).
        padding: zeros on each side, one number or (rows, columns); by default (kernel_size - 1) // 2, which keeps
            the size of a map at stride 1 where the window's sides are odd.
        norm: makes the norm from the number of channels; None for none.
        activation: makes the activation; None for none. It works in place where it can.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H_out, W_out)

    Raises:
        ValueError: for sizes that `nn.Conv2d` refuses, and for groups that do not divide the channels.

    Source: the order is that of Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2. The parameters lie in the
    order of torchvision.ops.Conv2dNormActivation, so its weights fit.

    Example:
        >>> [type(layer).__name__ for layer in ConvNormActivation(3, 8, stride=2)]
        ['Conv2d', 'BatchNorm2d', 'ReLU']
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] | None = None,
        groups: int = 1,
        norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        rows, columns = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        if padding is None:
            padding = ((rows - 1) // 2, (columns - 1) // 2)
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                (rows, columns),
                stride=stride,
                padding=padding,
                groups=groups,
                bias=norm is None,
            )
        ]
        if norm is not None:
            layers.append(norm(out_channels))
        if activation is not None:
            made = activation()
            if isinstance(made, _IN_PLACE):
                made.inplace = True
            layers.append(made)
        super().__init__(*layers)
