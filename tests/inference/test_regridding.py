"""Voxels of another size than those learned from, and parts of a slice."""

import numpy as np
import pytest
from scipy.special import entr

from napari_unet.errors import BadInput
from napari_unet.events import LookAt, SlicesDone
from napari_unet.inference import predict
from napari_unet.inference.maps import Wanted
from napari_unet.inference.prediction import predict_job
from napari_unet.inference.regridding import Axis, BroughtBack, Grid
from napari_unet.scan import Scan


def ball(shape, spacing, radius=18.0):
    """Make a bright ball on a dark, noisy ground: ``radius`` mm around the middle."""
    rng = np.random.default_rng(0)
    places = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)), indexing="ij"
    )
    truth = sum(place**2 for place in places) < radius**2
    return Scan.from_array(np.float32(truth * 100 + rng.normal(0, 5, shape)), spacing=spacing, unit="mm"), truth


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def trained():
    """Train a small network on slices of 1 mm voxels, that tells by texture and size, quickly."""
    from napari_unet.config import NetworkConfig, TrainConfig
    from napari_unet.training import train

    scan, truth = ball((12, 64, 64), (4.0, 1.0, 1.0))
    paint = np.where(truth, 1, 255).astype(np.uint8)
    network = NetworkConfig(width=4, depth=2, normalisation="batch")
    return train(scan, paint, TrainConfig(network=network, steps=60, time_limit=15, threads=1, validation=0, patch=64))


@pytest.mark.parametrize("spacing", [(4.0, 0.5, 0.5), (4.0, 2.0, 2.0), (4.0, 1.6, 0.7)])
def test_a_scan_of_another_spacing_is_predicted_on_its_own_grid(trained, config, spacing):
    shape = (12, round(64 / spacing[1]), round(64 / spacing[2]))
    scan, truth = ball(shape, spacing)
    result = predict(trained, scan, config, with_probabilities=True, with_uncertainty=True)
    assert result.labels.shape == shape
    assert dice(result.labels == 1, truth) > 0.93
    np.testing.assert_allclose(result.probabilities.astype(float).sum(0), 1, atol=5e-3)
    assert dice(result.probabilities[1] > 0.5, truth) > 0.9
    assert any("brought back" in note for note in result.notes)
    entropy = entr(result.probabilities.astype(float)).sum(0) / np.log(2)
    assert np.abs(result.uncertainty - entropy).mean() < 0.02


def test_blocks_of_a_network_are_resampled_along_all_axes(phantom, config, drain):
    model = phantom.model(dimensions=3, depth=1, spacing=(1.0, 1.0, 1.0), unit="mm")
    scan = phantom.scan(2, 6, 32, 32, axes="TZYX", spacing=(2.0, 1.0, 1.0), unit="mm")
    result, events = drain(predict_job(model, scan, config, look_at=7))
    assert result.slices == tuple(range(12))
    assert sorted(z for event in events if isinstance(event, SlicesDone) for z in event.slices) == list(range(12))
    assert result.labels.any(axis=(1, 2)).all()
    for volume in scan.volumes():
        alone = Scan(scan.array[:, volume], spacing=scan.spacing, unit="mm")
        by_itself = predict(model, alone, config)  # normalised by itself, so not quite the same
        assert (by_itself.labels == result.labels[volume]).mean() > 0.9


def test_no_more_slices_are_kept_than_are_needed():
    side = Axis.over(8, slice(0, 8), 2.0, 1, 0)
    grid = Grid((Axis.over(30, slice(0, 30), 1.7, 1, 0), side, side), 1, (slice(0, 8), slice(0, 8)))
    out = Wanted(probabilities=True).room((30, 8, 8), 2)
    back = BroughtBack(out, grid, range(30))
    done = []
    for z in sorted(back.wanted):
        maps = Wanted(probabilities=True).room((1, *grid.shape[1:]), 2).at(0)
        maps.probabilities[:] = z
        done += back.keep(z, maps)
        assert len(back._kept) <= 1
    assert done == list(range(30))
    place = [float(grid.axes[0].place_of(np.array(z))) for z in range(30)]
    np.testing.assert_allclose(out.probabilities[0, :, 3, 3], place, atol=0.02)


def test_looking_at_a_slice_leads_to_it_on_the_other_grid_too(phantom, config, drain):
    model = phantom.model(dimensions=3, depth=1, spacing=(1.0, 1.0, 1.0), unit="mm")
    scan = phantom.scan(40, 16, 16, spacing=(2.0, 1.0, 1.0), unit="mm")
    _, events = drain(predict_job(model, scan, config.model_copy(update={"tile": 8})), lambda _: LookAt(30))
    first = next(event for event in events if isinstance(event, SlicesDone))
    assert 30 in first.slices


def test_it_can_be_seen_as_it_is(phantom, config):
    model = phantom.model(spacing=(1.0, 1.0, 1.0), unit="mm")
    scan = phantom.scan(2, 32, 32, spacing=(1.0, 2.0, 2.0), unit="mm")
    result = predict(model, scan, config.model_copy(update={"resample": False}))
    np.testing.assert_array_equal(result.labels, phantom.labels(model, phantom.reference(model, scan)))
    assert "2.0 times smaller" in result.notes[0]


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("part", [(slice(20, 45), slice(3, 30)), (slice(0, 70), slice(52, 53))])
def test_a_part_of_a_slice_is_what_the_whole_says_there(phantom, config, dimensions, part, drain):
    model, scan = phantom.model(dimensions=dimensions, depth=1), phantom.scan(4, 70, 53)
    softmax = phantom.reference(model, scan)
    out = np.full(scan.grid, 9, np.uint8)
    kept = np.zeros((3, *scan.grid), np.float16)
    result, _ = drain(predict_job(model, scan, config, out=out, probabilities=kept, part=part, slices=[1, 3]))
    expected = np.full(scan.grid, 9, np.uint8)
    expected[([1, 3], *part)] = phantom.labels(model, softmax)[([1, 3], *part)]
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_allclose(kept[(slice(None), [1, 3], *part)], softmax[(slice(None), [1, 3], *part)], atol=1e-3)
    assert result.slices == (1, 3)


@pytest.mark.parametrize("part", [(slice(0, 17), slice(0, 4)), (slice(4, 4), slice(0, 4)), (slice(-1, 4), slice(0, 4))])
def test_a_part_that_is_not_there_is_refused(phantom, config, part):
    with pytest.raises(BadInput, match="16 × 16"):
        predict(phantom.model(), phantom.scan(1, 16, 16), config, part=part)


@pytest.mark.parametrize("finer", [0.37, 1.0, 2.6])
def test_an_axis_keeps_straight_lines_straight(finer):
    axis = Axis.over(50, slice(10, 30), finer, 4, 8)
    source, weights = axis.sources(slice(2, axis.length))
    ramp = np.arange(50, dtype=np.float32)[source]
    seen = ramp if weights is None else weights @ ramp
    places = axis.first + axis.step * np.arange(2, axis.length)
    inner = (places > 3) & (places < 46)
    np.testing.assert_allclose(seen[inner], places[inner], atol=0.05 if axis.step > 1 else 1e-4)
    np.testing.assert_allclose(axis.first + axis.step * axis.place_of(np.arange(10, 30)), np.arange(10, 30), atol=1e-9)
