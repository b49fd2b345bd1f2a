"""The networks have as many weights as the published ones, and options as many more or fewer as their papers say."""

from typing import Any

import pytest
import torch

from napari_unet.config import NetworkConfig, Normaliser
from napari_unet.errors import BadInput
from napari_unet.networks import NestedUNet, Network, build, decided, flat_levels
from napari_unet.networks.attention import CONVOLUTION


def network(channels: int = 1, classes: int = 2, **choices: Any) -> Network:
    with torch.device("meta"):
        return build(NetworkConfig(**choices), channels, classes)


def count(channels: int = 1, classes: int = 2, **choices: Any) -> int:
    return sum(p.numel() for p in network(channels, classes, **choices).parameters())


def test_published_size():
    features = [64, 128, 256, 512, 1024]
    down = sum(9 * before * f + 9 * f * f for before, f in zip([1, *features], features, strict=False))
    up = sum(4 * 2 * f * f + f + 9 * 2 * f * f + 9 * f * f for f in features[:-1])
    norms = 2 * 2 * (sum(features) + sum(features[:-1]))
    head = 64 * 2 + 2
    assert count(width=64) == down + up + norms + head == 31_036_546


def test_padding_does_not_move_the_image():
    torch.manual_seed(0)
    net = build(NetworkConfig(width=4, depth=3, normalisation=Normaliser.BATCH), 1, 3).eval()
    x = torch.randn(1, 1, 64, 64)
    whole, cut = net(x), net(x[..., :61])
    reach = net.halo[2] + net.stride[2]
    assert torch.allclose(whole[..., : 61 - reach], cut[..., : 61 - reach], atol=1e-5)


def test_published_size_of_the_nested_network():
    # Table 3 of Zhou et al. 2018: U-Net 7.76 M, UNet++ 9.04 M, both with 32 to 512 features.
    assert count(classes=1, width=32) == pytest.approx(7.76e6, abs=5e3)
    assert count(classes=1, width=32, architecture="unet++") == pytest.approx(9.04e6, abs=6e3)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_separable_convolutions_have_as_many_weights_as_the_formula_says(dimensions: int):
    whole = network(dimensions=dimensions, depth=2, width=8)
    separable = network(dimensions=dimensions, depth=2, width=8, separable=True)
    shapes = [p.shape for name, p in whole.named_parameters() if name.endswith("conv.weight")]
    saved = sum(a * b * 3**dimensions - (b * 3**dimensions + a * b) for a, b, *_ in shapes)
    assert len(shapes) == 2 * (3 + 2)
    assert sum(p.numel() for p in whole.parameters()) - sum(p.numel() for p in separable.parameters()) == saved


@pytest.mark.parametrize(
    ("choices", "more"),
    [
        # 1x1 to as many features, and its normalisation, where they change: 1-16-32-64 down, 128-64, 64-32, 32-16 up.
        ({"residual": True}, 1 * 16 + 16 * 32 + 32 * 64 + 64 * 128 + 128 * 64 + 64 * 32 + 32 * 16
         + 2 * (16 + 32 + 64 + 128 + 64 + 32 + 16)),
        # Two layers of 8 hidden units over 32, 64, 128 joined features, and a 7x7 convolution of mean and maximum.
        ({"cbam": True}, 2 * 8 * (32 + 64 + 128) + 3 * 2 * 7 * 7),
        # The image as one more feature of the first convolution of levels 1, 2, 3.
        ({"pyramid": True}, 9 * (32 + 64 + 128)),
        # A 1x1 convolution to two classes from levels 1 and 2.
        ({"deep_supervision": True}, 2 * (32 + 1) + 2 * (64 + 1)),
        # At levels 1 and 2, to half the features: 2x2 of the skip, 1x1 of what is below, 1x1 of both to one.
        ({"architecture": "attention-unet"},
         sum(4 * f * f // 2 + (2 * f + 1) * f // 2 + f // 2 + 1 for f in (32, 64))),
        ({"normalisation": "group"}, 0),
        ({"normalisation": "instance"}, 0),
        ({"dropout": 0.5}, 0),
        # From 24 features of each voxel over two layers of 32 to two classes.
        ({"filters": True}, 24 * 32 + 32 + 32 * 32 + 32 + 32 * 2),
    ],
)  # fmt: skip
def test_what_an_option_adds(choices: dict[str, Any], more: int):
    assert count(depth=3, **choices) == count(depth=3) + more


def test_flat_levels_have_flat_kernels_and_leave_slices_apart():
    net = network(dimensions=3, depth=3, flat_levels=2)
    kernels = {name: tuple(p.shape[2:]) for name, p in net.named_parameters() if name.endswith("conv.weight")}
    assert {kernels[f"down.{level}.0.conv.weight"] for level in (0, 1)} == {(1, 3, 3)}
    assert {kernels[f"down.{level}.0.conv.weight"] for level in (2, 3)} == {(3, 3, 3)}
    assert [kernels[f"up.{up}.level.0.conv.weight"] for up in (0, 1, 2)] == [(3, 3, 3), (1, 3, 3), (1, 3, 3)]
    assert net.stride == (2, 8, 8)
    assert net.halo[0] < net.halo[1] == net.halo[2]


@pytest.mark.parametrize(
    ("spacing", "levels"),
    [
        ((1.0, 1.0, 1.0), 0),
        ((0.5, 1.0, 1.0), 0),
        ((1.3, 1.0, 1.0), 0),
        ((1.5, 1.0, 1.0), 1),
        ((5.0, 1.25, 1.25), 2),
        ((10.0, 1.25, 1.25), 3),
        ((4.0, 0.9, 1.0), 2),
        ((500.0, 1.0, 1.0), 4),
    ],
)
def test_slices_are_pooled_once_voxels_within_them_are_as_large(spacing: tuple[float, float, float], levels: int):
    assert flat_levels(spacing, depth=4) == levels
    assert decided(NetworkConfig(dimensions=3), spacing).flat_levels == levels
    assert decided(NetworkConfig(dimensions=3, flat_levels=1), spacing).flat_levels == 1
    assert decided(NetworkConfig(), spacing) == NetworkConfig()


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_nested_network_can_be_made_shallower(depth: int, dimensions: int):
    torch.manual_seed(0)
    config = NetworkConfig(
        architecture="unet++", dimensions=dimensions, width=4, depth=3, deep_supervision=True, flat_levels=2
    )
    net = build(config, 1, 3).eval()
    assert isinstance(net, NestedUNet)
    x = torch.randn(1, 1, *[16] * dimensions)
    expected = net.all_logits(x)[3 - depth]
    whole = sum(p.numel() for p in net.parameters())
    net.prune(depth)
    assert torch.equal(net(x), expected)
    assert len(net.all_logits(x)) == depth
    assert net.stride[2] == 2**depth
    assert (sum(p.numel() for p in net.parameters()) < whole) == (depth < 3)
    again = build(net.config, 1, 3)
    again.load_state_dict(net.state_dict())
    assert torch.equal(again.eval()(x), expected)


def test_what_was_not_trained_cannot_be_used_alone():
    net = network(architecture="unet++")
    assert isinstance(net, NestedUNet)
    net.prune(4)
    with pytest.raises(BadInput, match="without deep supervision"):
        net.prune(2)
    with pytest.raises(BadInput, match="depths 1 to 4, not 5"):
        net.prune(5)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_convolutions_learn_the_same_of_shallow_volumes_in_low_precision(depth):
    torch.manual_seed(0)
    convolution = CONVOLUTION[3](16, 16, 3, padding=1, bias=False)
    x, gradients = torch.randn(1, 16, depth, 8, 8), []
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", dtype, enabled=dtype is torch.bfloat16):
            loss = convolution(x).float().square().sum()
        gradients += torch.autograd.grad(loss, [convolution.weight])
    assert (gradients[0] - gradients[1]).norm() < 0.02 * gradients[0].norm()
