"""Arrays cross between processes whole, seen by nobody else, and nothing of them stays behind."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from napari_unet.errors import OutOfMemory
from napari_unet.runner import Exchange, SharedArray
from napari_unet.scan import Geometry, Scan


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Make a folder of the test's own the place for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def exchange(temporary):
    exchange = Exchange()
    yield exchange
    exchange.close()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", ">i2", "float16", "float64", "int64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_comes_back_as_it_was(exchange, dtype, order):
    array = np.asarray(np.arange(60).reshape(3, 4, 5) % 7, dtype=dtype, order=order)
    opened = exchange.put(array).open()
    assert opened.dtype == array.dtype
    np.testing.assert_array_equal(opened, array)
    with pytest.raises(ValueError, match="read-only"):
        opened[0] = 0


def test_what_one_process_writes_another_reads(exchange):
    shared = exchange.empty((2, 3), np.int32)
    assert not shared.open().any()
    here = shared.open()
    program = f"from napari_unet.runner import SharedArray; {shared!r}.open(writable=True)[1] = 7"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert here.tolist() == [[0, 0, 0], [7, 7, 7]]


def test_a_scan_keeps_everything(exchange):
    geometry = Geometry(np.array([[0.0, 0.7, 0, 5], [-0.6, 0, 0, 6], [0, 0, 3, -7], [0, 0, 0, 1]]), {"sform": 2})
    array = np.arange(2 * 3 * 2 * 4 * 5, dtype=np.int16).reshape(3, 2, 2, 4, 5)
    scan = Scan.from_array(array, "TZCYX", geometry=geometry, unit="mm", channel_names=("a", "b"), name="scan 1")
    opened = exchange.put_scan(scan).open()
    np.testing.assert_array_equal(opened.array, scan.array)
    for field in ("spacing", "unit", "channel_names", "name", "folded", "axes", "mask_shape"):
        assert getattr(opened, field) == getattr(scan, field)
    assert opened.geometry.close_to(geometry, 0)
    assert opened.geometry.source == {"sform": 2}


def test_a_lazy_scan_is_never_in_memory_whole(exchange):
    asked = []

    def slice_of(block_info):
        (_, z, *_), *_ = [block_info[None]["chunk-location"]]
        asked.append(z)
        return np.full((1, 1, 4, 5), z, np.uint8)

    lazy = da.map_blocks(
        slice_of, chunks=((1,), (1,) * 6, (4,), (5,)), dtype=np.uint8, meta=np.empty((0,) * 4, np.uint8)
    )
    opened = exchange.put_scan(Scan(lazy)).open()
    assert asked == list(range(6))
    assert opened.array[0, :, 0, 0].tolist() == list(range(6))


def test_only_the_user_may_look(exchange):
    assert stat.S_IMODE(exchange.folder.stat().st_mode) == 0o700


def test_what_is_not_needed_goes_and_closing_leaves_nothing(exchange, temporary):
    first, second = exchange.put(np.ones((2, 2))), exchange.put_scan(Scan(np.ones((1, 1, 2, 2))))
    mapped = first.open()
    exchange.remove(first, second, None)
    exchange.remove(first)  # once more does no harm
    assert not list(exchange.folder.iterdir())
    assert mapped.sum() == 4  # still seen by whoever looks at it
    exchange.put(np.ones((2, 2)))
    exchange.close()
    exchange.close()
    assert not list(temporary.iterdir())


def test_what_a_killed_window_left_goes_with_the_next_and_nothing_else(temporary):
    program = """
import os
from napari_unet.runner import Exchange
Exchange().empty((3,), "u1")
print(os.getpid(), flush=True)
os._exit(9)
"""
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    pid = done.stdout.strip()
    (left,) = temporary.iterdir()
    assert left.name.startswith(f"napari-unet-{pid}-")
    others = {"napari-unet-models", "napari-unet-x-1", f"other-{pid}-a"}
    for other in others:
        (temporary / other).mkdir()
    living = Exchange()
    newest = Exchange()
    assert {path.name for path in temporary.iterdir()} == {living.folder.name, newest.folder.name, *others}


def test_paths_are_never_given_twice(exchange):
    paths = {exchange.path(".unet") for _ in range(50)}
    assert len(paths) == 50
    assert {path.parent for path in paths} == {exchange.folder}


def test_a_full_disk_is_said_before_anything_is_mapped(exchange):
    with pytest.raises(OutOfMemory, match=r"1000000\.0 GB are needed in .* are free: make room"):
        exchange.empty((10**6, 10**9), np.uint8)
    assert not list(exchange.folder.iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve a file's place")
def test_a_disk_that_fills_meanwhile_is_said_too(exchange, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutOfMemory, match="make room"):
        exchange.put(np.ones((4, 4)))
    assert not list(exchange.folder.iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve a file's place")
def test_an_array_has_its_place_on_the_disk_from_the_start(exchange):
    shared: SharedArray = exchange.empty((64, 4096), np.uint8)
    assert Path(shared.path).stat().st_blocks * 512 >= 64 * 4096
