"""Three planes of a volume: two of them decide."""

import dask.array as da
import numpy as np
import pytest

from napari_unet.bands import banded
from napari_unet.errors import BadInput
from napari_unet.events import Progress, SlicesDone, Started, Stop
from napari_unet.inference import predict
from napari_unet.inference.prediction import predict_job
from napari_unet.scan import Scan


def planes_of(phantom, model, scan):
    for axes in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        array = scan.array.transpose(0, *(1 + axis for axis in axes))
        yield phantom.labels(model, phantom.reference(model, Scan(array))).transpose(np.argsort(axes))


@pytest.fixture
def three(config):
    return config.model_copy(update={"three_planes": True})


def test_two_of_three_decide_and_else_the_slices_themselves(phantom, three, drain):
    model, scan = phantom.model(labels=(0, 1, 2, 3)), phantom.scan(20, 24, 28)
    own, second, third = planes_of(phantom, model, scan)
    result, events = drain(predict_job(model, scan, three, look_at=7))
    expected = np.where(second == third, second, own)
    np.testing.assert_array_equal(result.labels, expected)
    assert (expected != own).any()
    assert result.slices == tuple(range(20))
    assert [event.slices for event in events if isinstance(event, SlicesDone)][:2] == [(7,), (6,)]
    assert sum(isinstance(event, Started) for event in events) == 1
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_part_is_voted_on_alone(phantom, three):
    model, scan = phantom.model(), phantom.scan(16, 20, 18)
    part = (slice(4, 11), slice(5, 17))
    whole = predict(model, scan, three).labels
    result = predict(model, scan, three, part=part, slices=[3, 9])
    np.testing.assert_array_equal(result.labels[([3, 9], *part)], whole[([3, 9], *part)])
    assert result.slices == (3, 9)
    outside = np.ones(scan.grid, bool)
    outside[([3, 9], *part)] = False
    assert not result.labels[outside].any()


def test_stopped_early_it_keeps_what_the_slices_said(phantom, three, drain):
    model, scan = phantom.model(labels=(1, 2)), phantom.scan(8, 16, 16)
    result, _ = drain(
        predict_job(model, scan, three), lambda e: Stop() if isinstance(e, Progress) and e.fraction > 0.1 else None
    )
    assert 0 < len(result.slices) < 8
    own = next(planes_of(phantom, model, scan))
    np.testing.assert_array_equal(result.labels[list(result.slices)], own[list(result.slices)])


@pytest.mark.parametrize(
    ("network", "shape", "details", "says"),
    [
        ({"dimensions": 3}, (8, 16, 16), {}, "blocks"),
        ({}, (8, 16, 16), {"spacing": (5.0, 1.0, 1.0)}, "look different"),
        ({}, (1, 16, 16), {}, "not one volume"),
        ({}, (2, 4, 16, 16), {"axes": "TZYX"}, "not one volume"),
    ],
)
def test_planes_that_do_not_look_alike_do_not_vote(phantom, three, network, shape, details, says):
    with pytest.raises(BadInput, match=says):
        predict(phantom.model(**network), phantom.scan(*shape, **details), three)


def test_votes_have_no_probabilities(phantom, three):
    with pytest.raises(BadInput, match="vote with labels"):
        predict(phantom.model(), phantom.scan(8, 16, 16), three, with_probabilities=True)


def test_a_scan_that_is_read_chunk_by_chunk_is_voted_on_too(phantom, three):
    model, scan = phantom.model(), phantom.scan(8, 12, 10)
    chunked = scan.with_array(banded(da.from_array(scan.array, chunks=(1, 4, 12, 10))))
    np.testing.assert_array_equal(predict(model, chunked, three).labels, predict(model, scan, three).labels)
