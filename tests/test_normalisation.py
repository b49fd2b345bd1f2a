"""Intensities arrive where a network expects them, whatever a scanner made of them."""

import dask.array as da
import numpy as np
import pytest

from napari_unet.errors import BadInput
from napari_unet.normalisation import SAMPLES, Normalisation, measure, normalise, not_numbers
from napari_unet.scan import Scan

RANDOM = np.random.default_rng(0)
TISSUE = RANDOM.normal(1000, 200, (6, 40, 40))


def measured(array, axes=None):
    scan = Scan.from_array(array, axes, name="head")
    return scan, measure(scan)


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float16", "float32", "float64", ">f4"])
def test_tissue_has_mean_0_and_deviation_1(dtype):
    scan, by = measured(TISSUE.astype(dtype))
    values = normalise(scan, by)
    assert (values.dtype, values.shape) == (np.float32, (1, 6, 40, 40))
    assert abs(values.mean()) < 1e-3
    assert abs(values.std() - 1) < 1e-3
    np.testing.assert_array_equal(normalise(scan, by, 2), values[:, 2])
    np.testing.assert_array_equal(normalise(scan, by, slice(1, 3)), values[:, 1:3])


def test_each_channel_by_itself():
    scan, by = measured(np.stack([TISSUE, TISSUE * 1e-3 - 5]), "CZYX")
    first, second = normalise(scan, by)
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_the_percentiles_are_those_of_the_values():
    _, (by,) = measured(TISSUE)
    np.testing.assert_allclose((by.low, by.high), np.percentile(TISSUE, [0.5, 99.5]))


def test_a_few_wild_values_do_not_matter():
    wild = TISSUE.copy()
    wild.flat[:5], wild.flat[5:10] = 1e6, -1e6
    _, (calm,) = measured(TISSUE)
    scan, (by,) = measured(wild)
    np.testing.assert_allclose(
        [by.low, by.high, by.mean, by.std], [calm.low, calm.high, calm.mean, calm.std], rtol=0.03
    )
    assert np.abs(normalise(scan, (by,))).max() < 4


@pytest.mark.parametrize("padding", [-2000.0, -32768.0, -1e300])
def test_padding_does_not_move_the_range(padding):
    padded = TISSUE.copy()
    padded[:, :, :20] = padding
    scan, (by,) = measured(padded)
    np.testing.assert_allclose((by.low, by.high), np.percentile(TISSUE[:, :, 20:], [0.5, 99.5]))
    values = normalise(scan, (by,))
    assert np.isfinite(values).all()
    assert values[0, 0, 0, 0] == values.min()


def test_a_lowest_value_of_tissue_is_no_padding():
    _, (by,) = measured(TISSUE.clip(np.percentile(TISSUE, 0.8)))
    assert by.low == TISSUE.clip(np.percentile(TISSUE, 0.8)).min()


def test_voxels_that_are_not_numbers_count_as_the_darkest_or_brightest():
    holed = TISSUE.copy()
    holed[0, 0, :3] = np.nan, np.inf, -np.inf
    scan, (by,) = measured(holed)
    values = normalise(scan, (by,))[0, 0, 0, :3]
    assert values.tolist() == [values.min(), values.max(), values.min()]
    np.testing.assert_allclose(values[:2], [(by.low - by.mean) / by.std, (by.high - by.mean) / by.std], rtol=1e-5)
    assert not_numbers(scan) == 3
    assert np.isnan(holed[0, 0, 0])
    assert not_numbers(Scan.from_array(TISSUE.astype(np.int16))) == 0


@pytest.mark.parametrize(
    "values",
    [
        np.eye(40, dtype=bool),
        np.eye(40, dtype=np.uint8) * 255,
        1 - np.eye(40),
        np.full((40, 40), 7) + (np.arange(1600).reshape(40, 40) == 3),
    ],
    ids=["binary", "few bright", "few dark", "one other voxel"],
)
def test_two_values_are_told_apart(values):
    scan, by = measured(values)
    normalised = normalise(scan, by)
    assert np.isfinite(normalised).all()
    assert len(np.unique(normalised)) == 2
    assert (np.unique(normalised, return_inverse=True)[1].ravel() == (values > values.min()).ravel()).all()


@pytest.mark.parametrize("dtype", ["bool", "int16", "float32"])
def test_a_constant_scan_is_refused(dtype):
    with pytest.raises(BadInput, match=r'Every voxel of "head" \(channel 0\) is 1: there is nothing to see in it'):
        measured(np.ones((2, 4, 4), dtype))


def test_an_empty_channel_beside_another_is_zero():
    scan, by = measured(np.stack([TISSUE, np.full_like(TISSUE, 7)]), "CZYX")
    tissue, empty = normalise(scan, by)
    assert not empty.any()
    assert abs(tissue.std() - 1) < 1e-3


def test_a_channel_without_numbers_is_refused():
    array = np.stack([TISSUE, np.full_like(TISSUE, np.nan)])
    with pytest.raises(BadInput, match=r'"head" \(channel 1\) holds no numbers, only NaN'):
        measured(array, "CZYX")


def test_a_large_scan_is_sampled_in_every_slice():
    side = 200
    depth = 4 * SAMPLES // side**2
    column = da.arange(depth, chunks=1).astype(np.float32)
    plane = RANDOM.normal(size=(side, side)).astype(np.float32)
    _, (by,) = measured(column[:, None, None] + da.from_array(plane))
    assert abs(by.mean - (depth - 1) / 2 - plane.mean()) < 0.1
    assert abs(by.std / np.std(np.arange(depth)) - 1) < 0.02


def test_what_was_measured_survives_json():
    _, (by,) = measured(TISSUE)
    assert Normalisation.model_validate_json(by.model_dump_json()) == by


def test_an_empty_channel_beside_others_becomes_zero():
    array = np.zeros((3, 1, 6, 6), np.uint8)
    array[0] = np.arange(36).reshape(6, 6)
    array[2] = 7
    scan = Scan(array, name="two stains", channel_names=("red", "green", "blue"))
    normalised = normalise(scan, measure(scan))
    assert normalised[0].std() > 0.5
    np.testing.assert_array_equal(normalised[1:], 0)
