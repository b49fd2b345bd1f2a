"""Scans and models that do not quite belong together."""

import numpy as np
import pytest

from napari_unet.errors import BadInput, ModelMismatch
from napari_unet.inference import predict
from napari_unet.inference.matching import match


def test_another_number_of_channels_is_refused(phantom):
    scan = phantom.scan(3, 2, 8, 8, axes="CZYX", name="x")
    with pytest.raises(ModelMismatch, match=r'The model expects 1 channel \(CT\) but "x" has 3 .*: choose'):
        match(scan, phantom.model().description)


def test_channels_are_found_by_name(phantom):
    model = phantom.model(channel_names=("T1", "T2", "FLAIR"))
    scan = phantom.scan(3, 2, 8, 8, axes="CZYX", channel_names=("FLAIR", "T1", "T2"))
    found = match(scan, model.description)
    assert found.channels == (1, 2, 0)
    assert found.notes == ()


def test_channels_of_other_names_are_taken_in_order(phantom):
    model = phantom.model(channel_names=("T1", "T2"))
    found = match(phantom.scan(2, 1, 8, 8, axes="CZYX", channel_names=("a", "b")), model.description)
    assert found.channels == (0, 1)
    assert "a for T1, b for T2" in found.notes[0]


def test_reordered_channels_give_the_same_labels(phantom, config):
    model = phantom.model(channel_names=("T1", "T2"))
    scan = phantom.scan(2, 3, 20, 20, axes="CZYX", channel_names=("T1", "T2"))
    swapped = type(scan)(scan.array[::-1], channel_names=("T2", "T1"))
    expected = predict(model, scan, config).labels
    np.testing.assert_array_equal(predict(model, swapped, config).labels, expected)
    assert not np.array_equal(predict(model, type(scan)(scan.array[::-1]), config).labels, expected)


@pytest.mark.parametrize(
    ("spacing", "dimensions", "said"),
    [
        ((5.0, 0.8, 0.8), 2, None),
        ((5.0, 0.9, 0.9), 2, None),
        ((1.0, 0.8, 0.8), 2, None),  # slices look the same however far apart they are
        ((1.0, 0.8, 0.8), 3, "5.0 times larger"),
        ((5.0, 0.4, 0.4), 2, "2.0 times larger"),
        ((5.0, 1.6, 1.6), 2, "2.0 times smaller"),
    ],
)
def test_another_spacing_is_worth_a_note(phantom, spacing, dimensions, said):
    model = phantom.model(dimensions=dimensions, spacing=(5.0, 0.8, 0.8), unit="mm").description
    scan = phantom.scan(2, 8, 8, spacing=spacing, unit="mm")
    as_it_is = match(scan, model, resample=False)
    assert len(as_it_is.notes) == (said is not None)
    assert all(said in note and "resampled" in note for note in as_it_is.notes)
    assert as_it_is.finer == (1, 1, 1)
    seen = match(scan, model)
    assert len(seen.notes) == (said is not None)
    assert all("brought back" in note for note in seen.notes)
    size = np.array(spacing) / seen.finer
    if said is not None:
        np.testing.assert_allclose(size[1:], (0.8, 0.8))
        assert size[0] == (5.0 if dimensions == 3 else spacing[0])


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"labels": (0, 2)}, "classes"),
        ({"channel_names": ("T1",)}, "channels"),
        ({"dimensions": 3}, "dimensions"),
        ({"context": 1}, "neighbour slices"),
    ],
)
def test_models_that_do_not_belong_together_are_not_averaged(phantom, config, other, says):
    with pytest.raises(ModelMismatch, match=f"Model 2 has other {says}"):
        predict([phantom.model(), phantom.model(**other)], phantom.scan(1, 8, 8), config)


def test_pixels_are_not_compared_with_millimetres(phantom):
    model = phantom.model(spacing=(5.0, 0.8, 0.8), unit="mm").description
    assert match(phantom.scan(2, 8, 8), model).notes == ()


def test_voxels_that_are_no_numbers_are_counted(phantom, config):
    scan = phantom.scan(2, 16, 16)
    scan.array[0, 0, :3, 0] = np.nan, np.inf, -np.inf
    result = predict(phantom.model(), scan, config)
    assert "3 voxels are no numbers" in result.notes[0]
    scan.array[0, 0, :2, 0] = 1
    assert "1 voxel is no number" in predict(phantom.model(), scan, config).notes[0]


@pytest.mark.parametrize(("value", "said"), [(7, "there is nothing to see"), (np.nan, "only NaN")])
def test_a_scan_without_content_is_refused(phantom, config, value, said):
    with pytest.raises(BadInput, match=said):
        predict(phantom.model(), np.full((2, 8, 8), value, np.float32), config)
