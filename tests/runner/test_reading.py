"""Files are read in a process of their own, and what happens to it is a message."""

import gzip
import os
import signal
import threading

import nibabel as nib
import numpy as np
import psutil
import pytest

from napari_unet.annotation import ClassInfo
from napari_unet.errors import BadInput
from napari_unet.io import Mask, read_scan, write_mask
from napari_unet.io.questions import Several, Uneven
from napari_unet.runner.reading import Cancelled, Reader


@pytest.fixture(scope="module")
def reader():
    reader = Reader()
    yield reader
    reader.end()


@pytest.fixture
def scan(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    nib.save(nib.Nifti1Image(array, np.diag([-1.0, -2, 3, 1])), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_a_scan_is_as_if_read_here(reader, scan):
    there, here = reader.read([scan]), read_scan(scan)
    np.testing.assert_array_equal(there.array, here.array)
    assert there.geometry.close_to(here.geometry)
    for name in ("spacing", "unit", "name", "axes", "folded", "channel_names", "dicom"):
        assert getattr(there, name) == getattr(here, name)
    assert reader.read([scan, scan], "scan").channels == 2


def test_a_mask_can_be_painted_on(reader, tmp_path):
    classes = (ClassInfo(label=1, name="Leber", colour=(1.0, 0.5, 0.0)),)
    path = write_mask(tmp_path / "a.nrrd", Mask(np.eye(4, dtype=np.uint8), "YX", classes=classes))
    mask = reader.read([path])
    assert isinstance(mask, Mask)
    assert mask.classes == classes
    mask.labels[0] = 7
    assert reader.read([path], "mask").labels[0, 0] == 1


def test_questions_and_refusals_come_through(reader, dicom_folder, tmp_path):
    with pytest.raises(Uneven, match="slices 3 and 4"):
        reader.read([dicom_folder(skip=(3,))])
    folder = dicom_folder("two")
    dicom_folder(number=4, slices=3, into=folder)
    with pytest.raises(Several) as question:
        reader.read([folder])
    assert reader.read([folder], series=question.value.choices[1].key).depth == 3
    with pytest.raises(BadInput, match="cannot read"):
        reader.read([tmp_path / "missing.nii"])


def test_a_relative_path_is_the_callers(reader, scan, monkeypatch):
    monkeypatch.chdir(scan.parent)
    assert reader.read([scan.name]).name == "scan"


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(("end", "words"), [("crash", "made the program that reads it crash"), ("cancel", "cancelled")])
def test_a_process_that_ends(scan, end, words):
    reader = Reader()
    reader.warm()
    pid = reader._child.pid
    os.kill(pid, signal.SIGSTOP)

    def act():
        if end == "cancel":
            reader.cancel()
        else:
            os.kill(pid, signal.SIGSEGV)
            os.kill(pid, signal.SIGCONT)

    timer = threading.Timer(0.3, act)
    timer.start()
    with pytest.raises(Cancelled if end == "cancel" else BadInput, match=words):
        reader.read([scan])
    timer.join()
    assert not psutil.pid_exists(pid)
    assert reader.read([scan]).depth == 2
    reader.end()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux limits the memory of a process")
def test_a_process_has_its_share_of_the_memory(reader, scan):
    reader.read([scan])
    soft, _ = psutil.Process(reader._child.pid).rlimit(psutil.RLIMIT_AS)
    assert 0.5 < soft / psutil.virtual_memory().total < 1.5


def test_a_bomb_is_refused_without_being_unpacked(reader, tmp_path):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((4000, 4000, 4000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with gzip.open(tmp_path / "bomb.nii.gz", "wb") as stream:
        stream.write(header.binaryblock + bytes(4))
        for _ in range(64):
            stream.write(bytes(1 << 20))
    with pytest.raises(BadInput, match="bomb"):
        reader.read([tmp_path / "bomb.nii.gz"])
