"""The network is the published one, takes any size, and can be cut into tiles."""

import pytest
import torch

from napari_unet.config import NetworkConfig
from napari_unet.networks import UNet, build


def network(dimensions: int = 2, depth: int = 3, width: int = 4, channels: int = 1, classes: int = 3) -> UNet:
    torch.manual_seed(0)
    return build(NetworkConfig(dimensions=dimensions, width=width, depth=depth), channels, classes)


def test_published_size():
    features = [64, 128, 256, 512, 1024]
    with torch.device("meta"):
        paper = build(NetworkConfig(width=64), channels=1, classes=2)
    down = sum(9 * before * f + 9 * f * f for before, f in zip([1, *features], features, strict=False))
    up = sum(4 * 2 * f * f + f + 9 * 2 * f * f + 9 * f * f for f in features[:-1])
    norms = 2 * 2 * (sum(features) + sum(features[:-1]))
    head = 64 * 2 + 2
    assert sum(p.numel() for p in paper.parameters()) == down + up + norms + head == 31_036_546


@pytest.mark.parametrize("shape", [(1, 1), (7, 8), (37, 5), (64, 64), (16, 129)])
def test_any_flat_size(shape: tuple[int, int]):
    assert network(channels=2).eval()(torch.zeros(1, 2, *shape)).shape == (1, 3, *shape)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 17, 40), (9, 8, 8)])
def test_any_block_size(shape: tuple[int, int, int]):
    assert network(3).eval()(torch.zeros(1, 1, *shape)).shape == (1, 3, *shape)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_gradient_reaches_every_parameter(dimensions: int):
    net = network(dimensions)
    net(torch.randn(2, 1, *[16] * dimensions)).square().mean().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_padding_does_not_move_the_image():
    net = network().eval()
    x = torch.randn(1, 1, 64, 64)
    whole, cut = net(x), net(x[..., :61])
    reach = net.halo + net.stride
    assert torch.allclose(whole[..., : 61 - reach], cut[..., : 61 - reach], atol=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_tile_with_its_halo_gives_what_the_whole_image_gives(depth: int):
    net = network(depth=depth, width=2).double().eval()
    around = -(-net.halo // net.stride) * net.stride
    x = torch.randn(1, 1, 3 * around + net.stride, 32, dtype=torch.float64)
    inner = slice(around + net.stride, around + 2 * net.stride)
    tile = net(x[:, :, net.stride : inner.stop + around])[:, :, around : around + net.stride]
    assert torch.allclose(net(x)[:, :, inner], tile, atol=1e-12)


def test_halo_is_reached():
    net = network(depth=2, width=2).double().eval()
    x = torch.randn(1, 1, 8 * net.stride + 2 * net.halo, 8, dtype=torch.float64)
    base, reached = net(x), 0
    for distance in range(net.halo + 3):
        changed = x.clone()
        changed[:, :, 4 * net.stride + net.halo - 1 - distance] += 100
        if (net(changed) != base)[:, :, 4 * net.stride + net.halo].any():
            reached = distance + 1
    assert net.halo - net.stride <= reached <= net.halo
