"""A mask that cannot be written leaves the older file, and the folder, as they were."""

import stat

import numpy as np
import pytest

from napari_unet.errors import BadInput
from napari_unet.io import FORMATS, Mask, format_of, read_mask, write_mask

NOISE = Mask(np.random.default_rng(0).integers(0, 256, (20, 64, 64)).astype(np.uint8))


@pytest.fixture
def small_disk():
    """No file can grow beyond 5 kB, as on a disk that is full."""
    resource = pytest.importorskip("resource", reason="Windows cannot limit the size of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(
    params=[known.suffixes[0] for known in FORMATS if known.writes and not known.names_patient and not known.folder]
)
def old(request, tmp_path):
    path = tmp_path / f"mask{request.param}"
    write_mask(path, Mask(np.eye(8, dtype=np.uint8), "YX"))
    return path


def test_a_full_disk(old, small_disk):
    before = old.read_bytes()
    with pytest.raises(BadInput, match="mask"):
        write_mask(old, NOISE)
    assert old.read_bytes() == before
    assert list(old.parent.iterdir()) == [old]


def test_a_file_that_reads_back_differently(old, monkeypatch):
    before, module = old.read_bytes(), format_of(old).load_writer()
    write = module.write

    def with_one_voxel_lost(path, mask):
        labels = mask.labels.copy()
        labels.flat[-1] += 1
        write(path, Mask(labels, mask.axes, mask.spacing, mask.unit, mask.geometry, mask.classes))

    monkeypatch.setattr(module, "write", with_one_voxel_lost)
    with pytest.raises(BadInput, match="did not read back"):
        write_mask(old, NOISE)
    assert old.read_bytes() == before
    assert list(old.parent.iterdir()) == [old]


def test_a_cut_file(old, monkeypatch):
    before, module = old.read_bytes(), format_of(old).load_writer()
    write = module.write

    def cut(path, mask):
        write(path, mask)
        path.write_bytes(path.read_bytes()[:-50])

    monkeypatch.setattr(module, "write", cut)
    with pytest.raises(BadInput, match="mask"):
        write_mask(old, NOISE)
    assert old.read_bytes() == before
    assert list(old.parent.iterdir()) == [old]


def test_a_good_file_replaces_the_old_one_and_keeps_its_permissions(old):
    old.chmod(0o640)
    write_mask(old, NOISE)
    np.testing.assert_array_equal(read_mask(old).labels, NOISE.labels)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_a_folder_that_is_not_there_or_stands_in_the_way(tmp_path):
    with pytest.raises(BadInput, match="Choose a folder"):
        write_mask(tmp_path / "nowhere" / "mask.nrrd", NOISE)
    (tmp_path / "mask.nrrd").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        write_mask(tmp_path / "mask.nrrd", NOISE)
