"""Architectures, one family a file. `MODELS` names every builder of the zoo."""

from collections.abc import Callable

from torch import nn

from companion.models.alexnet import alexnet, alexnet_single_tower, alexnet_two_towers

MODELS: dict[str, Callable[..., nn.Module]] = {
    "alexnet": alexnet,
    "alexnet_single_tower": alexnet_single_tower,
    "alexnet_two_towers": alexnet_two_towers,
}
"""Name -> builder. Each takes `num_classes` and `in_channels`; a name that torchvision has means its network."""
