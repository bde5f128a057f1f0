"""LeNet-5, as it was published and as it is taught today.

Letters: B batch, C channels. Layers bear the paper's names: C convolution, S subsampling, F fully connected.

Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), section II.B and appendix A.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from companion.layers.activations import scaled_tanh

C3_TABLE = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)
"""Table I of the paper: the maps of S2 from which each of the 16 maps of C3 takes its input."""

_GLYPHS = """
..###.. ...#... .#####. .#####. .....#. ####### ...###. ####### .#####. .#####.
.#...#. ..##... #.....# #.....# ....##. #...... ..#.... ......# #.....# #.....#
#.....# .###... ......# ......# ...#.#. #...... .#..... .....#. #.....# #.....#
#.....# ...#... ......# ......# ..#..#. #...... #...... .....#. #.....# #.....#
#.....# ...#... .....#. ....##. .#...#. ######. #.####. ....#.. .#...#. #.....#
#.....# ...#... ....#.. ..###.. #....#. ......# ##....# ....#.. ..###.. #....##
#.....# ...#... ...#... ....##. ####### ......# #.....# ...#... .#...#. .####.#
#.....# ...#... ..#.... ......# .....#. ......# #.....# ...#... #.....# ......#
#.....# ...#... .#..... ......# .....#. ......# #.....# ..#.... #.....# .....#.
.#...#. ...#... #...... #.....# .....#. #.....# #.....# ..#.... #.....# ....#..
..###.. .#####. ####### .#####. .....#. .#####. .#####. ..#.... .#####. .###...
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


def digit_codes() -> Tensor:
    """Return the target states of F6 for the ten digits: 7 columns by 12 rows of -1 (paper) and +1 (ink).

    The paper's figure 3 draws such a code for each printable ASCII character; similar characters have similar
    codes. Differs: the ten digits are drawn anew, in the same size.

    Shape:
        (10, 84), row after row of each bitmap.

    Example:
        >>> for row in digit_codes()[7].reshape(12, 7)[:4]:
        ...     print("".join(".#"[int(ink > 0)] for ink in row))
        #######
        ......#
        .....#.
        .....#.
    """
    rows = [line.split() for line in _GLYPHS.split("\n") if line]  # 12 rows of 10 pieces
    return torch.tensor([[1.0 if mark == "#" else -1.0 for row in rows for mark in row[k]] for k in range(10)])


class ScaledTanh(nn.Module):
    """The paper's squashing function, 1.7159 tanh(2 z / 3), entry by entry.

    It maps -1 and +1 to themselves (to five digits), where its curvature is largest, and saturates at 1.7159.

    Example:
        >>> ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0])).round(decimals=3)
        tensor([-1.,  0.,  1.])
    """

    def forward(self, z: Tensor) -> Tensor:
        """Return 1.7159 tanh(2 z / 3), of z's shape."""
        return scaled_tanh(z)


class Subsample2d(nn.Module):
    """The paper's subsampling: add up 2x2 neighbours, times a coefficient, plus a bias; two numbers per map learn.

    Shape:
        (B, C, H, W) -> (B, C, H // 2, W // 2).

    Example:
        >>> Subsample2d(1)(torch.ones(1, 1, 2, 2))           # starts as the mean: coefficient 1/4, bias 0
        tensor([[[[1.]]]], grad_fn=<AddBackward0>)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.full((channels, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return coefficient * sum + bias for each 2x2 block."""
        return self.coefficient * (4 * F.avg_pool2d(x, 2)) + self.bias


class PartialConv2d(nn.Module):
    """A convolution in which each output map sees only some input maps, as in layer C3 of the paper.

    One kernel is stored for each pair (output map, input map) in the table, none for the others. First weights are
    uniform in +-2.4 / fan-in, biases 0.

    Args:
        table: for each output map the indices of the input maps that it sees.
        kernel_size: rows and columns of each kernel.

    Shape:
        (B, C, H, W) -> (B, len(table), H - kernel_size + 1, W - kernel_size + 1) with C > every index.
    """

    def __init__(self, table: tuple[tuple[int, ...], ...], kernel_size: int) -> None:
        super().__init__()
        self.pairs = [(out, source) for out, sources in enumerate(table) for source in sources]
        self.in_channels, self.out_channels = 1 + max(source for _, source in self.pairs), len(table)
        self.weight = nn.Parameter(torch.empty(len(self.pairs), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(len(table)))
        for kernel, (out, _) in zip(self.weight.data, self.pairs, strict=True):
            _uniform_by_fan_in_(kernel, kernel_size**2 * len(table[out]))

    def dense_weight(self) -> Tensor:
        """Return the kernels as (out, in, K, K), zero where the table connects nothing."""
        out, source = (list(side) for side in zip(*self.pairs, strict=True))
        dense = self.weight.new_zeros(self.out_channels, self.in_channels, *self.weight.shape[1:])
        dense[out, source] = self.weight
        return dense

    def forward(self, x: Tensor) -> Tensor:
        """Return the output maps."""
        return F.conv2d(x, self.dense_weight(), self.bias)


class EuclideanRbf(nn.Module):
    """The paper's output layer: minus the squared distance of F6's states from the fixed code of each class.

    Differs: the paper's y is the distance itself, a penalty. Here the largest score wins, as everywhere.

    Shape:
        (B, 84) -> (B, classes), all <= 0.
    """

    codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, x: Tensor) -> Tensor:
        """Return -sum((x - code)**2) for each class."""
        return -(x[:, None, :] - self.codes).square().sum(dim=-1)


class _LeNet5(nn.Sequential):
    """Named layers in a row behind a check of the input's shape; a slice of it is a plain `nn.Sequential`."""

    def __init__(self, in_channels: int, **layers: nn.Module) -> None:
        super().__init__(OrderedDict(layers))
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return one score per class, (B, in_channels, 32, 32) -> (B, classes)."""
        if x.ndim != 4 or x.shape[1:] != (self.in_channels, 32, 32):
            raise ValueError(f"x must be of shape (B, {self.in_channels}, 32, 32), got {tuple(x.shape)}")
        scores: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return scores

    def __getitem__(self, index: slice | int) -> Any:
        """Return the layers of a slice, or one layer."""
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(list(self.named_children())[index]))
        return super().__getitem__(index)


class LeNet5Original(_LeNet5):
    r"""LeNet-5 as published: 60,000 numbers learn, over 340,908 connections.

    | layer   | what                                                             | output    | learns |
    |---------|------------------------------------------------------------------|-----------|--------|
    | C1      | 6 kernels 5x5                                                    | 6x28x28   | 156    |
    | S2      | sums of 2x2, coefficient and bias per map                        | 6x14x14   | 12     |
    | C3      | 16 maps, each seeing 3, 4 or all 6 maps of S2 (`C3_TABLE`)       | 16x10x10  | 1,516  |
    | S4      | as S2                                                            | 16x5x5    | 32     |
    | C5      | 120 maps from 5x5: on this input size the same as fully connected | 120x1x1  | 48,120 |
    | F6      | fully connected                                                  | 84        | 10,164 |
    | output  | squared distances from fixed 7x12 bitmaps of the ten digits      | 10        | 0      |

    After each layer from C1 to F6 comes 1.7159 tanh(2 z / 3). First weights are uniform in +-2.4 / fan-in. Train it
    with `lenet5_map_loss`; the paper's inputs are -0.1 for paper and 1.175 for ink.

    Args:
        codes: (classes, 84) target states of F6, fixed; the ten digits unless given.
        in_channels: of the input, >= 1; the paper's is 1.

    Shape:
        (B, in_channels, 32, 32) -> (B, classes), minus the paper's penalties: the largest score wins.

    Raises:
        ValueError: for codes of another shape than (classes, 84), in_channels < 1, or another input size.

    Source: section II.B of the paper. Differs: biases start at 0, subsampling at the mean (coefficient 1/4); the
        codes are our drawing (`digit_codes`).

    Example:
        >>> sum(p.numel() for p in LeNet5Original().parameters())
        60000
    """

    def __init__(self, *, codes: Tensor | None = None, in_channels: int = 1) -> None:
        codes = digit_codes() if codes is None else codes
        if codes.ndim != 2 or codes.shape[1] != 84 or not len(codes):
            raise ValueError(f"codes must be of shape (classes, 84), got {tuple(codes.shape)}")
        _check_at_least_one(in_channels=in_channels)
        c1, c5, f6 = nn.Conv2d(in_channels, 6, 5), nn.Conv2d(16, 120, 5), nn.Linear(120, 84)
        for layer in (c1, c5, f6):
            _uniform_by_fan_in_(layer.weight, layer.weight[0].numel())
            nn.init.zeros_(cast(Tensor, layer.bias))
        super().__init__(
            in_channels,
            c1=c1,
            squash1=ScaledTanh(),
            s2=Subsample2d(6),
            squash2=ScaledTanh(),
            c3=PartialConv2d(C3_TABLE, 5),
            squash3=ScaledTanh(),
            s4=Subsample2d(16),
            squash4=ScaledTanh(),
            c5=c5,
            squash5=ScaledTanh(),
            flatten=nn.Flatten(),
            f6=f6,
            squash6=ScaledTanh(),
            output=EuclideanRbf(codes),
        )


def lenet5_map_loss(scores: Tensor, targets: Tensor, *, j: float = 1.0) -> Tensor:
    """Return the paper's maximum a posteriori criterion, the mean over the batch of

        y[target] + log(exp(-j) + sum_k exp(-y[k]))          with the penalties y = -scores.

    It is the cross-entropy with one more class, "none of these", whose penalty is always j: a right class is pulled
    nearer, wrong ones are pushed away, but hardly once their penalties are well above j.

    Args:
        scores: minus the penalties, as `LeNet5Original` gives them.
        targets: class indices.
        j: penalty of the further class, > 0.

    Shape:
        scores: (B, classes); targets: (B,); returns a 0-d tensor in nats.

    Raises:
        ValueError: if j <= 0 or the shapes do not belong together.

    Source: equation 9 of the paper, which leaves the value of j open.

    Example:
        >>> lenet5_map_loss(torch.tensor([[0.0, -4.0]]), torch.tensor([0])).round(decimals=4)
        tensor(0.3266)
    """
    if not j > 0:
        raise ValueError(f"j must be > 0, got {j}")
    if scores.ndim != 2 or targets.shape != scores.shape[:1]:
        raise ValueError(
            f"need scores (B, classes) and targets (B,), got {tuple(scores.shape)}, {tuple(targets.shape)}"
        )
    return F.cross_entropy(F.pad(scores, (0, 1), value=-j), targets)


class LeNet5(_LeNet5):
    """LeNet-5 as it is taught today: full convolutions, plain pooling, a linear output; 61,706 parameters.

    Convolution to 6 and 16 maps with 5x5 kernels, each followed by activation and 2x2 pooling with stride 2, then
    fully connected layers of 120, 84 and `num_classes` units. Train it with the cross-entropy.

    Args:
        num_classes, in_channels: >= 1.
        activation: makes the activation modules.
        pool: makes a pooling module from its window size, such as `torch.nn.MaxPool2d`.

    Shape:
        (B, in_channels, 32, 32) -> (B, num_classes), logits. Pad 28x28 pictures by 2.

    Raises:
        ValueError: for num_classes or in_channels < 1, or another input size.

    Source: the paper. Differs: all 16 maps of C3 see all 6 of S2; pooling has no parameters and no activation after
        it; tanh is not scaled; logits instead of distances; torch's initialization.

    Example:
        >>> sum(p.numel() for p in LeNet5().parameters())
        61706
    """

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: Callable[[], nn.Module] = nn.Tanh,
        pool: Callable[[int], nn.Module] = nn.AvgPool2d,
    ) -> None:
        _check_at_least_one(num_classes=num_classes, in_channels=in_channels)
        super().__init__(
            in_channels,
            c1=nn.Conv2d(in_channels, 6, 5),
            act1=activation(),
            s2=pool(2),
            c3=nn.Conv2d(6, 16, 5),
            act3=activation(),
            s4=pool(2),
            flatten=nn.Flatten(),
            c5=nn.Linear(400, 120),
            act5=activation(),
            f6=nn.Linear(120, 84),
            act6=activation(),
            output=nn.Linear(84, num_classes),
        )


def _check_at_least_one(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be >= 1, got {number}")


def _uniform_by_fan_in_(weight: Tensor, fan_in: int) -> None:
    nn.init.uniform_(weight, -2.4 / fan_in, 2.4 / fan_in)
