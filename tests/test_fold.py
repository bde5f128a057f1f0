"""Batch-norm folding: against torch's own fusion, on whole networks, and where it must keep its hands off."""

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from companion.layers.fold import fold_batch_norm, folded_parameters
from companion.models.cifar_resnet import CifarResNet
from companion.models.resnet import Bottleneck, ResNet

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def lived_in(model):
    """The model in float64 with statistics, scales and shifts as after some training."""
    for norm in model.modules():
        if isinstance(norm, NORMS):
            if norm.track_running_stats:
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2.0)
            if norm.affine:
                nn.init.uniform_(norm.weight, -2.0, 2.0)
                nn.init.normal_(norm.bias)
    return model.double().eval()


def norms_of(model):
    return [name for name, module in model.named_modules() if isinstance(module, NORMS)]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_parameters_equal_torchs_fusion(affine, bias):
    conv, norm = nn.Conv2d(6, 8, 3, groups=2, bias=bias), nn.BatchNorm2d(8, affine=affine, eps=1e-3)
    lived_in(nn.Sequential(conv, norm))
    statistics = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    expected = fuse_conv_bn_weights(conv.weight, conv.bias, *statistics)
    for mine, theirs in zip(folded_parameters(conv.weight, conv.bias, norm), expected, strict=True):
        torch.testing.assert_close(mine, theirs.detach())


def test_linear_parameters_equal_torchs_fusion():
    linear, norm = lived_in(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)))
    statistics = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    expected = fuse_linear_bn_weights(linear.weight, linear.bias, *statistics)
    for mine, theirs in zip(folded_parameters(linear.weight, linear.bias, norm), expected, strict=True):
        torch.testing.assert_close(mine, theirs.detach())


@pytest.mark.parametrize(
    ("build", "size"),
    [
        (lambda: CifarResNet(14, shortcut="B", width=8), (3, 16, 16)),
        (lambda: CifarResNet(14, shortcut=None, width=8), (3, 16, 16)),
        (lambda: ResNet(Bottleneck, (1, 2), widths=(8, 16), groups=2, num_classes=3), (3, 32, 32)),
        (lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.ReLU()), (3, 9)),
        (lambda: nn.Sequential(nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4), nn.ReLU()), (3, 4, 4, 4)),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU()), (3,)),
    ],
)
def test_folded_equals_unfolded_and_has_no_norm_left(build, size):
    model, x = lived_in(build()), torch.randn(2, *size, dtype=torch.float64)
    folded = fold_batch_norm(model)
    assert type(folded) is type(model)
    assert norms_of(model)
    assert not norms_of(folded)
    assert not folded.training
    torch.testing.assert_close(folded(x), model(x), rtol=1e-10, atol=1e-10)


def test_the_model_itself_is_left_alone():
    model = lived_in(CifarResNet(8, width=4)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fold_batch_norm(model)
    assert model.training
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Joined(nn.Module):
    """Norms that must stay: after an addition, on a convolution that is read twice, of two inputs, used twice."""

    def __init__(self):
        super().__init__()
        self.conv1, self.after_sum = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.conv2, self.after_shared = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.conv3, self.twice = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.conv4, self.no_statistics = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)
        self.conv5, self.folded = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.bilinear = nn.Bilinear(4, 4, 2)

    def forward(self, x):
        x = self.after_sum(self.conv1(x) + x)
        y = self.conv2(x)
        x = self.after_shared(y) * y
        x = self.twice(self.twice(self.conv3(x)))
        x = self.folded(self.conv5(self.no_statistics(self.conv4(x))))
        return self.bilinear(x, x)


def test_norms_that_do_not_follow_one_layer_alone_stay():
    model, x = lived_in(Joined()), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    folded = fold_batch_norm(model)
    assert norms_of(folded) == ["after_sum", "after_shared", "twice", "no_statistics"]
    torch.testing.assert_close(folded(x), model(x), rtol=1e-10, atol=1e-10)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_errors():
    with pytest.raises(ValueError, match="cannot see the graph of Branching"):
        fold_batch_norm(Branching())
    weight = torch.ones(4, 3, 1, 1)
    with pytest.raises(ValueError, match=r"need running statistics of 4 channels, got BatchNorm2d.* with none"):
        folded_parameters(weight, None, nn.BatchNorm2d(4, track_running_stats=False))
    with pytest.raises(ValueError, match=r"of 4 channels, got BatchNorm2d.* with 5"):
        folded_parameters(weight, None, nn.BatchNorm2d(5))
