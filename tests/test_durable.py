"""A file is written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from napari_unet import durable
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput


@pytest.fixture(params=["new", "old"])
def target(request, tmp_path):
    """Give a file to write that is not there yet, or holds something of value."""
    path = tmp_path / "my mask.seg.nrrd"
    if request.param == "old":
        path.write_text("old")
    return path


def state_of(folder):
    """Give the names and texts of all that is in a folder, which are files only."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_it_is_in_place_when_it_is_whole(target):
    before = state_of(target.parent)
    with written_whole(target) as temporary:
        assert temporary.suffixes == target.suffixes
        assert not temporary.exists()
        temporary.write_text("new")
        assert {path.name: path.read_text() for path in target.parent.iterdir() if path.is_file()} == before
    assert state_of(target.parent) == {target.name: "new"}


class Unplugged(Exception):
    pass


@pytest.mark.parametrize("error", [Unplugged, KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_failed_write_changes_nothing(target, error):
    before = state_of(target.parent)

    def write():
        with written_whole(target) as temporary:
            temporary.write_text("half")
            temporary.with_name("left by the library").write_text("more")
            raise error

    with pytest.raises(error if isinstance(error, type) else OSError):
        write()
    assert state_of(target.parent) == before


def test_nothing_written_changes_nothing(target):
    before = state_of(target.parent)
    with pytest.raises(FileNotFoundError), written_whole(target):
        pass
    assert state_of(target.parent) == before


def test_what_does_not_read_back_changes_nothing(target):
    before, read = state_of(target.parent), []

    def check(written):
        read.append(written.read_text())
        raise BadInput("it is not what was meant")

    with pytest.raises(BadInput, match="not what was meant"), written_whole(target, check) as temporary:
        temporary.write_text("new")
    assert read == ["new"]
    assert state_of(target.parent) == before


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end_changes_nothing(target, monkeypatch, call):
    def fail(*_):
        raise OSError(5, "Input/output error")

    before = state_of(target.parent)
    monkeypatch.setattr(durable.os, call, fail)
    with pytest.raises(OSError, match="Input/output"), written_whole(target) as temporary:
        temporary.write_text("new")
    assert state_of(target.parent) == before


def test_a_folder_that_cannot_be_flushed_is_no_failure(target, monkeypatch):
    flush = os.fsync

    def of_files_only(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")
        flush(handle)

    monkeypatch.setattr(durable.os, "fsync", of_files_only)
    with written_whole(target) as temporary:
        temporary.write_text("new")
    assert state_of(target.parent) == {target.name: "new"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_the_mode_of_an_old_file_stays(tmp_path, mode):
    path = tmp_path / "a.nrrd"
    path.write_text("old")
    path.chmod(mode)
    with written_whole(path) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_new_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "other").write_text("")
    with written_whole(tmp_path / "a.nrrd") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.nrrd").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("name", ["ä" * 120 + ".nrrd", "x" * 250, ".hidden", "with space .nii.gz"])
def test_any_name_a_disk_takes(tmp_path, name):
    with written_whole(tmp_path / name) as temporary:
        temporary.write_text("new")
    assert state_of(tmp_path) == {name: "new"}


def test_folders_that_cannot_be_written_to_are_named(tmp_path):
    (tmp_path / "a file").write_text("")
    for path in (tmp_path / "gone" / "a.nrrd", tmp_path / "a file" / "a.nrrd"):
        with (
            pytest.raises(BadInput, match=f"cannot write {path}: .*Choose a folder you may write to"),
            written_whole(path),
        ):
            pytest.fail("there is nowhere to write")
    with pytest.raises(BadInput, match=r"it is a folder\. Give the file a name"), written_whole(Path(tmp_path)):
        pytest.fail("a folder is no file")
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]
