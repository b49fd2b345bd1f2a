"""Weights go out and in unchanged, or are refused; folding changes nothing but the speed."""

import numpy as np
import pytest
import torch

from napari_unet.config import NetworkConfig
from napari_unet.errors import BadModelFile
from napari_unet.networks import Network, build, load_weights, weights_of


def trained(dimensions: int = 2) -> Network:
    """Running statistics as after some training."""
    torch.manual_seed(1)
    net = build(NetworkConfig(dimensions=dimensions, width=4, depth=2), 1, 3)
    for _ in range(3):
        net(torch.randn(2, 1, *[16] * dimensions) * 3 + 1)
    return net.eval()


def unallocated() -> Network:
    with torch.device("meta"):
        return build(NetworkConfig(width=4, depth=2), 1, 3)


def test_weights_return():
    net, other = trained(), unallocated()
    weights = weights_of(net)
    assert all(w.dtype == np.float32 for w in weights.values())
    load_weights(other, weights)
    x = torch.randn(1, 1, 20, 20)
    assert torch.equal(other.eval()(x), net(x))


def test_weights_are_a_copy():
    net = trained()
    weights = weights_of(net)
    before = {name: value.copy() for name, value in weights.items()}
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1)
    assert all(np.array_equal(weights[name], before[name]) for name in weights)


@pytest.mark.parametrize("damage", ["missing", "extra", "shape"])
def test_weights_of_another_network_are_refused_before_memory_is_taken(damage: str):
    weights = weights_of(trained())
    if damage == "missing":
        del weights["head.bias"]
    elif damage == "extra":
        weights["body.bias"] = weights["head.bias"]
    else:
        weights["head.bias"] = weights["head.bias"][:2]
    net = unallocated()
    with pytest.raises(BadModelFile, match=r"(head|body)\.bias"):
        load_weights(net, weights)
    assert all(p.is_meta for p in net.parameters())
