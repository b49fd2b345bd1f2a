"""What a prediction finds out in passing: the same however it is cut, on the scan's own slices and places."""

import numpy as np
import pytest
import torch

from napari_unet.events import SlicesDone
from napari_unet.inference.glimpses import glimpse
from napari_unet.inference.prediction import predict_job

WHOLE = (slice(0, 1), slice(0, 64), slice(0, 64))


def seen(likely):
    """Take a glimpse at one slice on which class 1 is so likely, (Y, X)."""
    probabilities = torch.tensor(np.stack([1 - likely, likely]))[None, :, None]
    labels = (likely > 0.5).astype(np.uint8)[None, None]
    return glimpse(probabilities.log(), labels, torch.ones(1, 3, 4, 4), WHOLE, 1)


@pytest.mark.parametrize(("inside", "share"), [(0.99, 0.0), (0.7, 0.5)])
def test_edges_are_unsure_where_two_classes_are_about_as_likely(inside, share):
    likely = np.full((64, 64), 0.01)
    likely[20:40, 20:40] = inside
    found = seen(likely)
    assert found.edge[0, 0] > 20
    assert found.unsure[0, 0] / found.edge[0, 0] == pytest.approx(share, abs=0.1)
    assert found.doubt.sum() == pytest.approx(400 * (1 - inside) + 0.01 * 3696, rel=0.01)


def test_doubt_without_an_edge_has_a_place():
    likely = np.full((64, 64), 0.01)
    likely[36:44, 52:60] = 0.4
    found = seen(likely)
    assert not found.edge[0, 0]
    assert np.unravel_index(found.doubt[0, 0].argmax(), (4, 4)) == (2, 3)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_looks_do_not_depend_on_tiles(phantom, config, dimensions, drain):
    model, scan = phantom.model(dimensions=dimensions, depth=1), phantom.scan(4, 64, 64)
    whole, events = drain(predict_job(model, scan, config))
    tiles, _ = drain(predict_job(model, scan, config.model_copy(update={"tile": 32})))
    told = {z: look for event in events if isinstance(event, SlicesDone) for z, look in event.looks.items()}
    assert set(told) == set(whole.looks) == set(tiles.looks) == {0, 1, 2, 3}
    for z, look in whole.looks.items():
        assert look.doubt == pytest.approx(tiles.looks[z].doubt, rel=1e-3)
        assert look.unsure == pytest.approx(tiles.looks[z].unsure, abs=0.05)
        assert look.place == tiles.looks[z].place
        assert told[z].doubt == look.doubt


def test_what_several_opinions_say_is_glimpsed_at_too(phantom, config, drain):
    model, scan = phantom.model(), phantom.scan(2, 64, 64)
    kept = np.zeros((3, *scan.grid), np.float16)
    result, _ = drain(predict_job(model, scan, config.model_copy(update={"views": 2}), probabilities=kept))
    expected = 1 - kept[..., ::2, ::2].astype(float).max(0).mean((1, 2))
    np.testing.assert_allclose([result.looks[z].doubt for z in range(2)], expected, rtol=0.01)


def test_places_lie_on_the_voxels_of_the_scan(phantom, config, drain):
    """A scan of voxels half as large as the model's has twice as many of them: the place is there, not at half."""
    scan = phantom.scan(2, 128, 128, spacing=(1.0, 0.5, 0.5), unit="mm")
    scan.array[:, :, :96, :96] *= 0.02
    result, _ = drain(predict_job(phantom.model(unit="mm"), scan, config))
    kept = np.zeros(scan.grid, np.float16)
    drain(predict_job(phantom.model(unit="mm"), scan, config, uncertainty=kept))
    for z, look in result.looks.items():
        y, x = (round(place) for place in look.place)
        assert 0 <= y < 128
        assert 0 <= x < 128
        around = kept[z, max(0, y - 16) : y + 17, max(0, x - 16) : x + 17].astype(float)
        assert around.mean() > kept[z].astype(float).mean()
