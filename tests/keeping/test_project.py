"""A project is found and read whatever happened to it."""

import json
import multiprocessing
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from napari_unet.errors import BadInput
from napari_unet.keeping.checksums import voxel_checksum
from napari_unet.keeping.journal import Journal, read_abouts, read_journal, was_abandoned
from napari_unet.keeping.project import (
    DESCRIPTION,
    Project,
    ScanState,
    find_scan,
    likely_places,
    note_recent,
    read_project,
    recent_projects,
    state_of,
    teaches,
    write_project,
)

SHAPE = (6, 40, 50)


def state(step):
    """Give the array after so many steps: each changes part of one slice."""
    array = np.zeros(SHAPE, np.uint8)
    for n in range(max(0, step - 40), step + 1):
        array[n % 6, n % 40] = n % 250 + 1
    return array


def work_for_ever(folder, model, done):
    journal, project = Journal(folder), read_project(folder)
    for step in range(done.value + 1, 100_000):
        model.write_bytes(bytes([step % 250]) * 20_000)
        journal.keep("layer1", state(step), {"name": "paint"})
        journal.keep_file(model, f"model {step % 20}.unet")
        project = project.model_copy(update={"history": (*project.history[-5:], str(step))})
        write_project(folder, project)
        done.value = step


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")  # the child only writes and is killed
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="a new interpreter for each is slow")
def test_a_project_that_is_killed_50_times_opens_50_times_with_all_that_was_kept(tmp_path):
    chance = random.Random(0)
    context = multiprocessing.get_context("fork")
    folder, done = tmp_path / "study.unetproject", context.Value("i", -1)
    folder.mkdir()
    write_project(folder, Project())
    for kill in range(50):
        before = done.value
        process = context.Process(target=work_for_ever, args=(folder, tmp_path / "model.unet", done))
        process.start()
        while done.value <= before and process.is_alive():
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        process.join()
        assert was_abandoned(folder)
        kept = read_journal(folder)["layer1"]
        assert any(np.array_equal(kept.array, state(step)) for step in (done.value, done.value + 1)), kill
        assert int(read_project(folder).history[-1]) in (done.value, done.value + 1)
        models = [file.read_bytes() for file in folder.glob("*.unet")]
        assert all(len(set(model)) == 1 and len(model) == 20_000 for model in models)


@pytest.fixture
def project(tmp_path):
    """A project with one scan, of voxels in a NumPy file, and its folder."""
    folder, file = tmp_path / "study.unetproject", tmp_path / "scans" / "one.npy"
    folder.mkdir()
    file.parent.mkdir()
    voxels = np.random.default_rng(0).normal(size=SHAPE)
    np.save(file, voxels)
    project = Project().with_new_scan("one", [str(file)], folder)
    project = project.with_scan(0, checksum=voxel_checksum(voxels), nbytes=file.stat().st_size)
    write_project(folder, project)
    return folder, project, file


def checksum_of(path):
    return voxel_checksum(np.load(path)) if path.suffix == ".npy" else ""


def test_it_comes_back_as_it_was_and_holds_no_voxels(project):
    folder, written, _ = project
    assert read_project(folder) == written
    assert [file.name for file in folder.iterdir()] == [DESCRIPTION]


def test_its_scan_is_found_beside_it_wherever_both_are_moved(project, tmp_path):
    folder, _, file = project
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(folder, elsewhere / folder.name)
    shutil.move(file.parent, elsewhere / "scans")
    (scan,) = read_project(elsewhere / folder.name).scans
    assert likely_places(scan, elsewhere / folder.name) == [elsewhere / "scans" / "one.npy"]


def test_its_scan_is_found_by_checksum_under_another_name_among_others(project):
    folder, written, file = project
    deeper = file.parent / "a" / "b"
    deeper.mkdir(parents=True)
    np.save(file.parent / "a" / "one.npy", np.random.default_rng(1).normal(size=SHAPE))
    shutil.move(file, deeper / "renamed.npy")
    assert find_scan(written.scans[0], [folder.parent], checksum_of) == deeper / "renamed.npy"
    (deeper / "renamed.npy").unlink()
    assert find_scan(written.scans[0], [folder.parent], checksum_of) is None
    moved = written.moved(0, Path("/new/place.npy"), folder)
    assert moved.number_of([str(file)]) == moved.number_of(["/new/place.npy"]) == 0, "layers know it by its old place"
    assert moved.with_new_scan("one", [str(file)], folder) is moved


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        (
            json.dumps({"format": 2, "program": "napari-unet-paint 9"}),
            r"of napari-unet-paint 9 \(format 2; this version",
        ),
        (json.dumps({"format": 1, "scans": [{"name": 1}]}), "is damaged"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(tmp_path, content, reason):
    with pytest.raises(BadInput, match="is no project"):
        read_project(tmp_path)
    (tmp_path / DESCRIPTION).write_text(content)
    with pytest.raises(BadInput, match=reason):
        read_project(tmp_path)


def test_states_follow_from_what_the_journal_says(project):
    folder, written, file = project
    journal, (scan,) = Journal(folder), written.scans
    about = {"name": "mask", "scans": [[str(file)]]}

    def now(**review):
        journal.keep("layer1", state(3), {**about, "review": {"reviewed": [], **review}})
        return state_of(scan, read_abouts(folder).values())

    assert state_of(scan, [about]) is ScanState.NEW
    assert now() is ScanState.PREDICTED
    assert now(corrected=True) is now(reviewed=[2]) is ScanState.IN_REVIEW
    assert now(reviewed=[*range(6)]) is ScanState.DONE
    assert state_of(written.with_scan(0, done=True).scans[0], []) is ScanState.DONE
    assert state_of(scan, [{**about, "scans": [["/other"]], "review": {}}]) is ScanState.NEW
    assert teaches({"applied": [{"classes": []}]})
    assert not teaches({"applied": [{"steps": []}]})
    assert not teaches({"review": {"reviewed": [], "corrected": False}})


def test_recent_projects_are_listed_while_they_are_there(project, tmp_path):
    folder, _, _ = project
    file = tmp_path / "state" / "projects.json"
    assert recent_projects(file) == []
    note_recent(file, tmp_path / "gone")
    note_recent(file, folder)
    note_recent(file, folder)
    assert recent_projects(file) == [folder]
