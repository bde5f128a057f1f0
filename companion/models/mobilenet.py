"""MobileNetV1, of depthwise separable convolutions, and MobileNetV2, of inverted residuals.

Letters: B pictures, C channels, H rows, W columns.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from companion.layers.conv_norm import ConvNormActivation
from companion.layers.gates import SqueezeExcitation

V1_STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))
"""MobileNetV1: output channels of a stage, its number of blocks, stride of the first. Source: table 1 of the paper."""

V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""MobileNetV2: expansion, output channels, number of blocks, stride of the first. Source: table 2 of the paper."""


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round a number of channels to the nearest multiple of `divisor`, never by more than a tenth downwards.

    Raises:
        ValueError: unless channels > 0 and divisor >= 1.

    Source: the authors' released code for MobileNetV2; the papers do not mention it.

    Example:
        >>> make_divisible(24 * 1.4), make_divisible(24 * 0.75), make_divisible(12)
        (32, 24, 16)
    """
    if not channels > 0 or divisor < 1:
        raise ValueError(f"need channels > 0 and divisor >= 1, got {channels} and {divisor}")
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


class SeparableBlock(nn.Sequential):
    """Depthwise 3 x 3 convolution, then pointwise convolution, each with norm and activation.

    Args:
        in_channels, out_channels: channels of the map before and after.
        stride: of the depthwise convolution.
        activation: makes both activations.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H_out, W_out)

    Source: Howard et al. 2017, "MobileNets", arXiv:1704.04861, figure 3.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, activation: Callable[[], nn.Module] = nn.ReLU
    ) -> None:
        brick = partial(ConvNormActivation, activation=activation)
        super().__init__(
            OrderedDict(
                depthwise=brick(in_channels, in_channels, 3, stride=stride, groups=in_channels),
                pointwise=brick(in_channels, out_channels, 1),
            )
        )


class InvertedResidual(nn.Module):
    """Expand by a 1 x 1 convolution, look around channel by channel, project back without an activation.

    Narrow maps go in and come out; where they have the same shape, the input is added to the output. The first
    convolution is missing where there is nothing to expand.

    Args:
        in_channels, hidden_channels, out_channels: channels of the map before, inside and after.
        kernel_size: side of the depthwise window, odd.
        stride: of the depthwise convolution, 1 or 2.
        squeeze_channels: width of a squeeze-and-excitation gate behind the depthwise convolution; None for none.
        activation: makes the two activations.
        norm: makes the norms from the number of channels.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H_out, W_out)

    Raises:
        ValueError: for another stride or an even kernel_size.

    Source: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv:1801.04381,
    section 3; with a gate Howard et al. 2019, "Searching for MobileNetV3", arXiv:1905.02244, figure 4.

    Example:
        >>> import torch
        >>> block = InvertedResidual(16, 96, 16)
        >>> block(torch.ones(1, 16, 7, 7)).shape, block.residual
        (torch.Size([1, 16, 7, 7]), True)
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        squeeze_channels: int | None = None,
        activation: Callable[[], nn.Module] = nn.ReLU6,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        if stride not in (1, 2) or kernel_size % 2 == 0:
            raise ValueError(f"need stride 1 or 2 and an odd kernel_size, got {stride} and {kernel_size}")
        self.residual = stride == 1 and in_channels == out_channels
        brick = partial(ConvNormActivation, norm=norm)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if hidden_channels != in_channels:
            layers["expand"] = brick(in_channels, hidden_channels, 1, activation=activation)
        layers["depthwise"] = brick(
            hidden_channels, hidden_channels, kernel_size, stride=stride, groups=hidden_channels, activation=activation
        )
        if squeeze_channels is not None:
            layers["gate"] = SqueezeExcitation(hidden_channels, squeeze_channels, gate=nn.Hardsigmoid)
        layers["project"] = brick(hidden_channels, out_channels, 1, activation=None)  # the linear bottleneck
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, (B, in_channels, H, W) -> (B, out_channels, H_out, W_out)."""
        out: Tensor = self.layers(x)
        return x + out if self.residual else out


class MobileNet(nn.Module):
    """What the family has in common: stem, stages, a last 1 x 1 convolution or none, mean over places, head.

    Raises:
        ValueError: for sizes < 1, a width_multiplier <= 0 or a dropout outside [0, 1).
    """

    stem: nn.Module
    stages: nn.Sequential
    last: nn.Module
    head: nn.Sequential

    def __init__(self, *, width_multiplier: float, num_classes: int, in_channels: int, dropout: float) -> None:
        super().__init__()
        if not width_multiplier > 0:
            raise ValueError(f"width_multiplier must be > 0, got {width_multiplier}")
        if num_classes < 1 or in_channels < 1:
            raise ValueError(f"num_classes and in_channels must be >= 1, got {num_classes} and {in_channels}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {dropout}")

    def reset_parameters(self) -> None:
        """Draw first weights as torchvision does: He's by fan-out for convolutions, N(0, 0.01^2) for the head."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last map, (B, in_channels, H, W) -> (B, C, H / 32, W / 32), rounded up."""
        features: Tensor = self.last(self.stages(self.stem(x)))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x).mean((2, 3)))
        return logits


class MobileNetV1(MobileNet):
    """A dense convolution, thirteen separable blocks, the mean over all places, one linear layer.

    The paper's *resolution multiplier* is the choice of the pictures' size: any will do, and the number of
    parameters does not change.

    Args:
        width_multiplier: factor on the channels of every layer, > 0, rounded to multiples of 8; the paper's are 1,
            0.75, 0.5 and 0.25, where nothing needs rounding.
        num_classes: width of the last layer, >= 1.
        in_channels: channels of the pictures, >= 1.
        activation: makes the activations: `nn.ReLU` as in the paper, `nn.ReLU6` as in the authors' released code.
        dropout: probability, in [0, 1), with which an input of the last layer is dropped.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits.

    Raises:
        ValueError: for sizes < 1, a width_multiplier <= 0 or a dropout outside [0, 1).

    Source: Howard et al. 2017, "MobileNets", arXiv:1704.04861, table 1. Differs: the last depthwise convolution has
    stride 1, as its 7 x 7 map demands, where the table says 2; zeros are laid on all sides alike, where the
    authors' code puts the odd one at the end; first weights as in torchvision's MobileNetV2.
    """

    def __init__(
        self,
        *,
        width_multiplier: float = 1.0,
        num_classes: int = 1000,
        in_channels: int = 3,
        activation: Callable[[], nn.Module] = nn.ReLU,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            width_multiplier=width_multiplier, num_classes=num_classes, in_channels=in_channels, dropout=dropout
        )
        width = make_divisible(32 * width_multiplier)
        self.stem = ConvNormActivation(in_channels, width, stride=2, activation=activation)
        stages = []
        for channels, depth, stride in V1_STAGES:
            blocks = []
            for i in range(depth):
                wide = make_divisible(channels * width_multiplier)
                blocks.append(SeparableBlock(width, wide, stride=1 if i else stride, activation=activation))
                width = wide
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.last = nn.Identity()
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_classes))
        self.reset_parameters()


class MobileNetV2(MobileNet):
    """A dense convolution, seventeen inverted residuals, a wide 1 x 1 convolution, mean, one linear layer.

    Args:
        width_multiplier: factor on the channels of every layer, > 0, rounded to multiples of 8; the 1280 channels
            before the classifier only grow with it.
        num_classes, in_channels: as in `MobileNetV1`.
        dropout: probability, in [0, 1), with which an input of the last layer is dropped.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits.

    Raises:
        ValueError: as `MobileNetV1`.

    Source: Sandler et al. 2018, arXiv:1801.04381, table 2; torchvision.models.mobilenet_v2, whose weights fit.
    """

    def __init__(
        self,
        *,
        width_multiplier: float = 1.0,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(
            width_multiplier=width_multiplier, num_classes=num_classes, in_channels=in_channels, dropout=dropout
        )
        width = make_divisible(32 * width_multiplier)
        self.stem = ConvNormActivation(in_channels, width, stride=2, activation=nn.ReLU6)
        stages = []
        for expansion, channels, depth, stride in V2_STAGES:
            blocks = []
            for i in range(depth):
                wide = make_divisible(channels * width_multiplier)
                blocks.append(InvertedResidual(width, expansion * width, wide, stride=1 if i else stride))
                width = wide
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        features = make_divisible(1280 * max(1.0, width_multiplier))
        self.last = ConvNormActivation(width, features, 1, activation=nn.ReLU6)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, num_classes))
        self.reset_parameters()


def mobilenet_v1(
    *,
    width_multiplier: float = 1.0,
    num_classes: int = 1000,
    in_channels: int = 3,
    activation: Callable[[], nn.Module] = nn.ReLU,
    dropout: float = 0.0,
) -> MobileNetV1:
    """Return MobileNetV1: 4,231,976 parameters at 1000 classes; 2,585,560, 1,331,592 and 470,072 at 0.75, 0.5, 0.25.

    Source: Howard et al. 2017, arXiv:1704.04861, tables 1 and 6.
    """
    return MobileNetV1(
        width_multiplier=width_multiplier,
        num_classes=num_classes,
        in_channels=in_channels,
        activation=activation,
        dropout=dropout,
    )


def mobilenet_v2(
    *, width_multiplier: float = 1.0, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2
) -> MobileNetV2:
    """Return MobileNetV2: 3,504,872 parameters at 1000 classes. Source: Sandler et al. 2018, arXiv:1801.04381."""
    return MobileNetV2(
        width_multiplier=width_multiplier, num_classes=num_classes, in_channels=in_channels, dropout=dropout
    )
