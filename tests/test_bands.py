"""Chunked arrays read slice by slice, each chunk once."""

import numpy as np
import pytest

from napari_unet import bands
from napari_unet.bands import Banded, banded


class Counting:
    """Slices like an array and counts how often it is read."""

    def __init__(self, values, chunks):
        self.values, self.chunks, self.reads = values, chunks, []
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, key):
        self.reads.append(key)
        return self.values[key]

    def __array__(self, dtype=None, copy=None):
        return self.values


@pytest.fixture
def array():
    values = np.random.default_rng(0).integers(0, 255, (2, 20, 6, 7)).astype(np.uint8)
    return Counting(values, (1, 8, 6, 7))


def test_slices_of_a_band_are_read_once(array):
    seen = banded(array)
    for z in range(20):
        for c in range(2):
            np.testing.assert_array_equal(seen[c, z, 1:5, ::2], array.values[c, z, 1:5, ::2])
            np.testing.assert_array_equal(seen[c, z : z + 1, 2:, :], array.values[c, z : z + 1, 2:, :])
            np.testing.assert_array_equal(seen[c, z], array.values[c, z])
    assert len(array.reads) == 2 * 3


def test_blocks_across_bands_are_read_as_they_are(array):
    seen = banded(array)
    np.testing.assert_array_equal(seen[1, 5:19, 1:3, 2:], array.values[1, 5:19, 1:3, 2:])
    assert array.reads == [(1, slice(5, 19), slice(1, 3), slice(2, None))]


def test_it_is_an_array_of_the_same_shape(array):
    seen = banded(array)
    assert isinstance(seen, Banded)
    assert (seen.shape, seen.ndim, seen.dtype) == ((2, 20, 6, 7), 4, np.uint8)
    np.testing.assert_array_equal(np.asarray(seen), array.values)


def test_what_is_kept_is_bounded(array, monkeypatch):
    monkeypatch.setattr(bands, "MOST_BYTES", 2 * 3 * 6 * 7)
    seen = banded(array)
    for z in range(6):
        np.testing.assert_array_equal(seen[0, z], array.values[0, z])
    assert [key[1] for key in array.reads] == [slice(0, 3), slice(3, 6)]


def test_what_is_not_chunked_along_z_stays_as_it_is(array):
    values = array.values
    flat = Counting(values, ((1, 1), (1,) * 20, (6,), (7,)))
    assert banded(values) is values
    assert banded(flat) is flat
