"""What a window holds survives its end, whenever that comes."""

import json
import os

import numpy as np
import pytest

from napari_unet.errors import BadInput
from napari_unet.keeping.journal import ABOUT, OWNER, PLANES, Journal, left_behind, read_journal

SHAPE = (6, 40, 50)


def state(step):
    """Give the array after so many steps: each changes part of one slice."""
    array = np.zeros(SHAPE, np.uint8)
    for n in range(max(0, step - 40), step + 1):
        array[n % 6, n % 40] = n % 250 + 1
    return array


def dead(folder):
    """Let a journal be that of a program that is gone."""
    (folder / OWNER).write_text(json.dumps({"process": 2**22 + 1, "since": 0.0}))
    return folder


def test_only_what_changed_is_written(tmp_path):
    journal = Journal.new(tmp_path)
    array = np.zeros((30, 64, 64), np.uint8)
    assert journal.keep("paint", array, {}) == 0, "empty slices are known to be empty"
    array[7, 3, 3] = 2
    assert journal.keep("paint", array, {}) == 1
    assert journal.keep("paint", array, {}) == 0
    array[7] = 0
    assert journal.keep("paint", array, {}) == 1
    assert not read_journal(journal.folder)["paint"].array.any()


@pytest.mark.parametrize("shape", [(9, 8), (3, 9, 8), (2, 3, 9, 8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_any_shape_comes_back(tmp_path, shape, dtype):
    array = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    journal = Journal.new(tmp_path)
    journal.keep("mask", array, {"name": "Läsion", "scale": [1.0, 2.0]})
    stored = read_journal(journal.folder)["mask"]
    np.testing.assert_array_equal(stored.array, array)
    assert stored.array.dtype == dtype
    assert stored.about == {"name": "Läsion", "scale": [1.0, 2.0]}


@pytest.mark.parametrize("cut", [1, 10, 15, 16, 17, 40])
def test_a_record_that_is_cut_short_is_left_out(tmp_path, cut):
    journal = Journal.new(tmp_path)
    array = np.zeros(SHAPE, np.uint8)
    array[1, 5] = 1
    journal.keep("paint", array, {})
    before = array.copy()
    array[2] = np.random.default_rng(0).integers(1, 200, SHAPE[1:])
    journal.keep("paint", array, {})
    path = journal.folder / f"paint{PLANES}"
    path.write_bytes(path.read_bytes()[:-cut])
    np.testing.assert_array_equal(read_journal(journal.folder)["paint"].array, before)


def test_a_long_days_work_does_not_fill_the_disk(tmp_path):
    journal = Journal.new(tmp_path)
    chance = np.random.default_rng(0)
    array = np.zeros((2, 256, 256), np.uint8)
    for _ in range(100):
        array[0] = chance.integers(0, 256, array.shape[1:])
        journal.keep("paint", array, {})
    assert (journal.folder / f"paint{PLANES}").stat().st_size < 2 << 20
    np.testing.assert_array_equal(read_journal(journal.folder)["paint"].array, array)


def test_a_living_window_is_not_taken_for_a_dead_one_and_a_closed_one_leaves_nothing(tmp_path):
    journal = Journal.new(tmp_path)
    journal.keep("paint", state(3), {})
    assert left_behind(tmp_path) == []
    journal.remove()
    assert not list(tmp_path.iterdir())


def test_journals_without_work_are_removed(tmp_path):
    journal = Journal.new(tmp_path)
    journal.keep("paint", np.zeros(SHAPE, np.uint8), {})
    dead(journal.folder)
    assert left_behind(tmp_path) == []
    assert not journal.folder.exists()


def test_what_was_forgotten_does_not_come_back(tmp_path):
    journal = Journal.new(tmp_path)
    journal.keep("paint", state(3), {})
    journal.keep("mask", state(5), {})
    journal.forget("paint")
    assert list(read_journal(journal.folder)) == ["mask"]
    journal.keep("paint", state(4), {})
    np.testing.assert_array_equal(read_journal(journal.folder)["paint"].array, state(4))


def test_a_damaged_description_costs_its_array_only(tmp_path):
    journal = Journal.new(tmp_path)
    journal.keep("paint", state(3), {})
    journal.keep("mask", state(5), {})
    (journal.folder / f"paint{ABOUT}").write_text("{")
    assert list(read_journal(journal.folder)) == ["mask"]


def test_models_are_kept_as_they_are(tmp_path):
    model = tmp_path / "7.unet"
    model.write_bytes(b"weights")
    journal = Journal.new(tmp_path / "journals")
    assert journal.keep_file(model, "chest model.unet").read_bytes() == b"weights"
    assert journal.keep_file(model, "chest model.unet") == journal.folder / "chest model.unet"
    assert (journal.folder.stat().st_mode & 0o077) == 0, "nobody else may look"


def test_a_journal_is_gone_on_with_after_a_kill_that_cut_its_last_record(tmp_path):
    array = np.zeros(SHAPE, np.uint8)
    array[1, 5] = 1
    journal = Journal(tmp_path / "project")
    journal.keep("paint", array, {})
    array[2] = 7
    journal.keep("paint", array, {})
    path = journal.folder / f"paint{PLANES}"
    path.write_bytes(path.read_bytes()[:-3])
    again = Journal(dead(journal.folder))
    assert again.keep("paint", array, {"name": "paint"}) == 1, "what was cut off, and nothing else"
    array[3] = 9
    assert again.keep("paint", array, {}) == 1
    np.testing.assert_array_equal(read_journal(again.folder)["paint"].array, array)


def test_an_array_may_get_another_shape(tmp_path):
    journal = Journal.new(tmp_path)
    journal.keep("paint", state(3), {})
    flat = np.ones((2, 9, 8), np.uint8)
    journal.keep("paint", flat, {})
    np.testing.assert_array_equal(read_journal(journal.folder)["paint"].array, flat)


def test_two_windows_never_write_one_journal(tmp_path):
    journal = Journal(tmp_path / "project")
    with pytest.raises(BadInput, match="open in another window: close it"):
        Journal(tmp_path / "project")
    journal.release()
    Journal(tmp_path / "project")
    (journal.folder / OWNER).write_text(json.dumps({"process": 1, "since": 0.0, "host": "ward-3"}))
    with pytest.raises(BadInput, match='open in another window on "ward-3"'):
        Journal(tmp_path / "project")
    os.utime(journal.folder / OWNER, (0, 0))
    Journal(tmp_path / "project").touch()


def test_two_models_of_one_name_are_both_kept(tmp_path):
    journal = Journal.new(tmp_path / "journals")
    for content in (b"one", b"other", b"one"):
        (tmp_path / "model.unet").write_bytes(content)
        assert journal.keep_file(tmp_path / "model.unet", "model.unet").read_bytes() == content
    assert len(list(journal.folder.glob("*.unet"))) == 2


def test_who_lost_the_folder_to_another_window_writes_no_more(tmp_path):
    journal = Journal(tmp_path / "project")
    other = json.dumps({"process": 1, "since": 0.0, "host": "ward-3"})
    (journal.folder / OWNER).write_text(other)
    with pytest.raises(BadInput, match="is open in another window by now"):
        journal.touch()
    journal.release()
    assert (journal.folder / OWNER).read_text() == other
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written to: use a folder where you may"):
        Journal(tmp_path / "file" / "project")
