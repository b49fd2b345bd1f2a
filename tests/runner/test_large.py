"""A scan too large for memory in another process: read where it lies, predicted into labels that lie there too."""

import pickle

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_unet.errors import BadInput
from napari_unet.runner import Exchange, SharedScan
from napari_unet.runner import large as large_module
from napari_unet.runner.large import ChunkedScan, lent
from napari_unet.scan import Scan


@pytest.fixture
def exchange():
    exchange = Exchange()
    yield exchange
    exchange.close()


@pytest.fixture
def stored(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (6, 20, 24), np.uint8)
    array = zarr.create_array(tmp_path / "scan.zarr", data=values, chunks=(4, 8, 8))
    return values, Scan.from_array(da.from_array(array), name="scan", spacing=(2.0, 1.0, 1.0))


def test_how_to_read_travels_and_no_voxels(stored, exchange):
    values, scan = stored
    chunked = lent(scan, exchange)
    assert isinstance(chunked, ChunkedScan)
    assert len(pickle.dumps(chunked)) < 10_000
    opened = pickle.loads(pickle.dumps(chunked)).open()
    assert not isinstance(opened.array, np.ndarray)
    np.testing.assert_array_equal(np.asarray(opened.array[0, 1:3, :, :]), values[1:3])
    assert opened.spacing == (2.0, 1.0, 1.0)


def test_what_cannot_travel_is_copied(stored, exchange, monkeypatch):
    values, scan = stored
    monkeypatch.setattr(large_module, "MOST_BYTES", 100)
    shared = lent(scan, exchange)
    assert isinstance(shared, SharedScan)
    np.testing.assert_array_equal(shared.open().array[0], values)


def test_what_only_the_window_can_read_is_refused():
    chunked = ChunkedScan(b"cnowhere\nnothing\n.", {"name": "scan"})
    with pytest.raises(BadInput, match="only the window has"):
        chunked.open()
