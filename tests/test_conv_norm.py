import pytest
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.layers.conv_norm import ConvNormActivation


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"groups": 2}, {"kernel_size": 1}, {"kernel_size": 7}])
def test_it_equals_torchvisions_brick(options):
    ours = ConvNormActivation(4, 6, **options).double()
    theirs = torchvision.ops.Conv2dNormActivation(4, 6, **options).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)


def test_a_window_of_two_sides_keeps_the_size():
    assert ConvNormActivation(2, 3, (1, 7))(torch.randn(1, 2, 9, 8)).shape == (1, 3, 9, 8)
    assert ConvNormActivation(2, 3, (1, 7), padding=0)(torch.randn(1, 2, 9, 8)).shape == (1, 3, 9, 2)


def test_norm_and_activation_can_be_left_out_and_then_the_convolution_has_a_bias():
    bare = ConvNormActivation(2, 3, norm=None, activation=None)
    assert [type(layer) for layer in bare] == [nn.Conv2d]
    assert bare[0].bias is not None
    assert ConvNormActivation(2, 3)[0].bias is None
    assert (ConvNormActivation(2, 3, activation=None)(torch.randn(4, 2, 5, 5)) < 0).any()


def test_the_activation_works_in_place_only_where_it_can():
    assert ConvNormActivation(2, 3, activation=nn.SiLU)[2].inplace
    assert not hasattr(ConvNormActivation(2, 3, activation=nn.GELU)[2], "inplace")


def test_groups_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="divisible by groups"):
        ConvNormActivation(4, 6, groups=3)
