"""Every kind of network takes any size, learns in every part, comes back from a file, and can be cut or says not."""

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_unet.annotation import BACKGROUND_CLASS, new_class
from napari_unet.config import NetworkConfig, Normaliser, TrainConfig
from napari_unet.model_file import LearnedFrom, Model, ModelDescription, load_model
from napari_unet.networks import Network, build, fold_batch_norm, load_weights, weights_of
from napari_unet.normalisation import Normalisation


def untrained(config: NetworkConfig, channels: int = 1) -> Network:
    torch.manual_seed(0)
    return build(config, channels, 3)


def trained(config: NetworkConfig) -> Network:
    """Running statistics as after some training."""
    network = untrained(config)
    for _ in range(3):
        network(torch.randn(2, 1, *[16] * config.dimensions) * 3 + 1)
    return network.eval()


def image(config: NetworkConfig, side: int = 19) -> torch.Tensor:
    return torch.randn(1, 1, *[side] * config.dimensions)


def test_any_size(kind: NetworkConfig):
    network = untrained(kind, channels=2).eval()
    for shape in ((1, 1, 1), (3, 7, 18), (9, 16, 5)):
        x = torch.zeros(1, 2, *shape[-kind.dimensions :])
        assert network(x).shape == (1, 3, *x.shape[2:])


def test_what_training_compares_has_the_size_of_the_input(kind: NetworkConfig):
    network, x = untrained(kind).eval(), image(kind)
    logits = network.all_logits(x)
    assert [one.shape for one in logits] == [(1, 3, *x.shape[2:])] * (kind.depth if kind.deep_supervision else 1)
    assert torch.equal(logits[0], network(x))
    assert len(network.supervision) == len(logits)
    assert sum(network.supervision) == pytest.approx(1)
    assert sorted(network.supervision, reverse=True) == list(network.supervision)


def test_gradient_reaches_every_parameter(kind: NetworkConfig):
    network = untrained(kind.model_copy(update={"width": 8}))
    sum(logits.square().mean() for logits in network.all_logits(torch.randn(2, 1, *[16] * kind.dimensions))).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_folding_changes_rounding_only(kind: NetworkConfig):
    network, x = trained(kind), image(kind)
    said = network(x)
    folded = fold_batch_norm(network)
    normalises = any("norm" in name for name in folded.state_dict())
    assert normalises != kind.by_batch
    assert torch.allclose(folded(x), said, atol=1e-5)


def test_a_model_file_gives_the_same_network(kind: NetworkConfig, tmp_path: Path):
    network, x = trained(kind), image(kind)
    description = ModelDescription(
        program="test",
        network=kind,
        channel_names=("CT",),
        classes=(BACKGROUND_CLASS, new_class(1), new_class(2)),
        spacing=(1.0, 1.0, 1.0),
        unit="pixel",
        normalisation=(Normalisation(low=0, high=1, mean=0.5, std=0.3),),
        training=TrainConfig(network=kind),
        learned_from=LearnedFrom(scans=1, slices=1, voxels={}, steps=1, seconds=1.0),
    )
    read = load_model(Model(description, weights_of(network)).save(tmp_path / "a.unet"))
    with torch.device("meta"):
        again = build(read.description.network, 1, 3)
    load_weights(again, read.weights)
    assert torch.equal(again.eval()(x), network(x))


def halo_on_lattice(network: Network) -> list[int]:
    sides = zip(network.halo, network.stride, strict=True)
    return [-(-margin // step) * step for margin, step in sides][-network.dimensions :]


def test_a_tile_with_its_halo_gives_what_the_whole_image_gives(local_kind: NetworkConfig):
    network = trained(local_kind).double()
    assert network.local
    margins, steps = halo_on_lattice(network), network.stride[-network.dimensions :]
    for axis, (margin, step) in enumerate(zip(margins, steps, strict=True)):
        sides = [2 * other for other in steps]
        sides[axis] = 2 * margin + 3 * step
        x = torch.randn(1, 1, *sides, dtype=torch.float64)
        whole = network(x).narrow(axis + 2, margin + step, step)
        tile = network(x.narrow(axis + 2, step, 2 * margin + step)).narrow(axis + 2, margin, step)
        assert torch.allclose(whole, tile, atol=1e-12)


def test_what_is_not_local_says_so(kind: NetworkConfig):
    network = trained(kind).double()
    x = torch.randn(1, 1, *[8] * (kind.dimensions - 1), 128, dtype=torch.float64)
    far = x.clone()
    far[..., -1] += 100
    assert network.local == torch.equal(network(x)[..., 0], network(far)[..., 0])


@pytest.mark.parametrize("architecture", ["unet", "unet++", "attention-unet"])
@pytest.mark.parametrize("residual", [False, True])
def test_halo_is_no_larger_than_needed(architecture: str, residual: bool):
    shape = {"dimensions": 3, "width": 2, "depth": 2, "flat_levels": 1, "normalisation": Normaliser.BATCH}
    network = trained(NetworkConfig(architecture=architecture, residual=residual, **shape)).double()
    for axis, (halo, step) in enumerate(zip(network.halo, network.stride, strict=True), start=2):
        sides = [1, 1, *network.stride]
        sides[axis] = 2 * (halo // step + 2) * step
        middle = sides[axis] // 2 // step * step
        x = torch.randn(sides, dtype=torch.float64).requires_grad_()
        network(x).select(axis, middle).sum().backward()
        assert x.grad is not None
        counted = x.grad.abs().movedim(axis, 0).flatten(1).sum(1).nonzero()
        assert halo - step <= middle - int(counted.min()) <= halo


@pytest.mark.parametrize("architecture", ["unet", "unet++", "attention-unet"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_it_can_be_exported_for_any_size_on_the_lattice(architecture: str, dimensions: int):
    config = NetworkConfig(
        architecture=architecture, dimensions=dimensions, width=2, depth=2, residual=True, separable=True, cbam=True,
        pyramid=True, flat_levels=1,
    )  # fmt: skip
    network = fold_batch_norm(trained(config))
    steps = network.stride[-dimensions:]
    sides = {axis: step * torch.export.Dim(f"n{axis}", min=2, max=64) for axis, step in enumerate(steps, start=2)}
    example = torch.randn(1, 1, *(3 * step for step in steps))
    exported = torch.export.export(network, (example,), dynamic_shapes=(sides,)).module()
    x = torch.randn(1, 1, *(n * step for n, step in zip((5, 2, 4), steps, strict=False)))
    assert torch.allclose(exported(x), network(x), atol=1e-6)


def test_dropout_is_for_training_only():
    network, x = untrained(NetworkConfig(width=4, depth=2, dropout=0.5)), torch.randn(1, 1, 16, 16)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.eval()
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_the_plain_network_keeps_the_names_of_its_weights():
    before = {"architecture": "unet", "dimensions": 3, "width": 4, "depth": 1, "normalisation": "batch"}
    weights = weights_of(untrained(NetworkConfig.model_validate(before)))
    level = ["0.conv.weight", "0.norm.bias", "0.norm.running_mean", "0.norm.running_var", "0.norm.weight"]
    level += [name.replace("0", "1", 1) for name in level]
    assert sorted(weights) == sorted(
        [f"down.{number}.{name}" for number in (0, 1) for name in level]
        + ["head.bias", "head.weight", "up.0.upsample.bias", "up.0.upsample.weight"]
        + [f"up.0.level.{name}" for name in level]
    )
    assert weights["down.0.0.conv.weight"].shape == (4, 1, 3, 3, 3)
    assert weights["up.0.upsample.weight"].shape == (8, 4, 2, 2, 2)
    assert np.array_equal(weights["down.0.0.norm.weight"], np.ones(4))


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"architecture": "attention-unet", "depth": 1}, "has no gates: set depth to 2"),
        ({"deep_supervision": True, "depth": 1}, "no coarser levels to supervise: set depth to 2"),
    ],
)
def test_what_makes_no_sense_is_refused(choices: dict[str, object], says: str):
    with pytest.raises(ValueError, match=says):
        NetworkConfig.model_validate(choices)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_instance_normalisation_is_that_of_torch(dimensions: int):
    network = untrained(NetworkConfig(dimensions=dimensions, width=4, depth=2, normalisation=Normaliser.INSTANCE))
    x = torch.randn(2, 4, *[8] * dimensions) * 3 + 1
    with torch.no_grad():
        found = network.get_submodule("down.0.0.norm")(x)
    assert torch.allclose(found, torch.nn.functional.instance_norm(x), atol=1e-5)
