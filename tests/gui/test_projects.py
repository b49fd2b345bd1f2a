"""A project keeps all of a window's work in a folder, saves itself, and comes back as it was."""

import json
import shutil
from unittest.mock import Mock

import nibabel
import numpy as np
import pytest
from napari.layers import _layer_actions
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtTest import QTest

from napari_unet.annotation import new_class
from napari_unet.errors import BadInput
from napari_unet.gui.layers.edits import Edit, applied, compare, make_edit
from napari_unet.gui.layers.kept import about_layer
from napari_unet.gui.layers.scans import METADATA, REVIEW, classes_of, review_of, show_classes
from napari_unet.gui.widgets.scope import Where
from napari_unet.gui.work.window_journal import Due
from napari_unet.keeping.journal import OWNER, read_journal
from napari_unet.keeping.project import DESCRIPTION, ScanState, read_project
from napari_unet.keeping.provenance import read_provenance
from napari_unet.review.corrections import Review
from napari_unet.session import TrainedModel


def keep(window):
    keeper = window.workspace.keeper
    window.until(lambda: not keeper._busy)
    keeper.keep_now()
    window.until(lambda: not keeper._busy)


@pytest.fixture
def scans(tmp_path, phantom):
    """The files of two scans of one shape."""
    (tmp_path / "scans").mkdir()
    paths = [tmp_path / "scans" / name for name in ("one.nii.gz", "two.nii.gz")]
    for number, path in enumerate(paths):
        nibabel.Nifti1Image((phantom.scan + number).T, np.diag([0.5, 0.5, 2, 1])).to_filename(path)
    return paths


@pytest.fixture
def worked(window, phantom, scans, model_path, tmp_path):
    """A window with a project in which a scan was painted, predicted and corrected, and another waits."""
    dock = window.open("Project")
    window.viewer.open(str(scans[0]), plugin="napari-unet-paint")
    dock.new(str(tmp_path / "study"))
    dock.projects.scans.add([scans[1]])
    window.workspace.session.add_model(TrainedModel.from_file(model_path))
    (image,) = window.viewer.layers
    window.paint = window.viewer.add_labels(phantom.paint, name="paint", scale=image.scale, units=image.units)
    show_classes(window.paint, [new_class(1, "tumour")])
    window.mask = window.viewer.add_labels(phantom.ball.astype(np.uint8), name="mask", scale=image.scale)
    review = Review(model_path)
    for z, plane in enumerate(window.mask.data):
        review.note(z, plane)
    window.mask.metadata[METADATA] = {REVIEW: review}
    window.folder = dock.projects.folder
    keep(window)
    window.until(lambda: all(scan.checksum for scan, _ in dock.projects.scans.all[:1]))
    return window


def shown(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def states(dock):
    return [state for _, state in dock.projects.scans.all]


def test_the_list_says_how_far_each_scan_is(worked):
    dock = worked.docks["Project"][1]
    assert worked.folder.name == "study.unetproject"
    assert states(dock) == [ScanState.PREDICTED, ScanState.NEW]
    assert [scan.name for scan, _ in dock.projects.scans.all] == ["one", "two"], "as their layers are called"
    worked.mask.data_setitem((np.array([0]), np.array([1]), np.array([1])), 1)
    keep(worked)
    assert states(dock) == [ScanState.IN_REVIEW, ScanState.NEW]
    review_of(worked.mask).reviewed |= {0, 1, 2, 3}
    worked.workspace.keeper.keep_soon(worked.mask)
    keep(worked)
    assert dock.table.topLevelItem(0).text(1) == "done"
    dock.table.topLevelItem(1).setCheckState(0, Qt.CheckState.Checked)
    assert states(dock) == [ScanState.DONE, ScanState.DONE]
    dock.table.setCurrentItem(dock.table.topLevelItem(0))
    dock.remove_button.click()
    assert "delete them first" in dock.problem.text()


def test_all_comes_back_and_scans_are_shown_one_at_a_time(worked, new_window, scans):
    worked.docks["Project"][1].projects.scans.tick(1, True)
    review_of(worked.mask).reviewed.add(2)
    worked.workspace.keeper.close()
    assert not (worked.folder / OWNER).exists()
    window = new_window()
    dock = window.open("Project")
    dock.open(str(worked.folder))
    assert not dock.problem.isVisibleTo(dock), dock.problem.text()
    assert [layer.name for layer in window.viewer.layers] == ["one", "paint", "mask"]
    np.testing.assert_array_equal(window.viewer.layers["paint"].data, worked.paint.data)
    assert classes_of(window.viewer.layers["paint"]) == classes_of(worked.paint)
    review = review_of(window.viewer.layers["mask"])
    assert review.model == worked.folder / "small.unet"
    assert [model.path for model in window.workspace.session.models] == [review.model]
    assert states(dock)[1] is ScanState.DONE
    dock.table.itemActivated.emit(dock.table.topLevelItem(1), 0)
    assert [layer.name for layer in window.viewer.layers if layer.visible] == ["two"]
    window.viewer.layers["mask"].visible = False
    dock.show_scan(0)
    assert [layer.name for layer in window.viewer.layers if layer.visible] == ["one", "paint", "mask"]
    assert scans[1].name not in (worked.folder / "layer1.json").read_text()


def test_what_is_done_on_a_scan_out_of_view_does_not_cover_the_one_in_view(worked):
    dock, viewer = worked.docks["Project"][1], worked.viewer
    worked.viewer.dims.set_point(0, 2)
    worked.mask.mode = "paint"
    worked.mask.paint((2, 5, 5), 1)
    dock.show_scan(1)
    assert shown(viewer) == ["two"]
    review, predict = worked.open("Review"), worked.open("Predict")
    predict.scope.choose(Where.EVERY)
    worked.press(predict)
    worked.until(lambda: len(viewer.layers) == 6 and not worked.workspace.prediction.running)
    assert shown(viewer) == ["two", "two prediction"]
    assert review.mask_box.layer is viewer.layers["two prediction"]
    assert review.mask_box.count() == 1, "what is not in view is not offered"
    for in_view in (["one", "paint", "mask"], ["two"], ["one", "paint", "mask"]):
        worked.workspace.undoing.undo()
        assert shown(viewer) == in_view
    assert worked.mask.data[2, 5, 5] == 0
    assert 'on "mask"' in viewer.status


def test_a_project_is_kept_without_its_docks_once_the_window_is_gone(worked):
    worked.open("Train")
    keep(worked)
    chosen = worked.workspace.keeper.project.settings["Train"]
    for dock_widget, _ in worked.docks.values():
        dock_widget.setParent(None)  # as a window that is deleted takes its docks along
        dock_widget.deleteLater()
    worked.docks.clear()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    keep(worked)
    assert worked.workspace.keeper.project.settings["Train"] == chosen


def test_a_project_on_another_computer_finds_its_scan_and_refuses_another(worked, new_window, tmp_path, scans, phantom):
    worked.workspace.keeper.close()
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(worked.folder, elsewhere / "projects" / "study.unetproject")
    scans[0].rename(tmp_path / "renamed.nii.gz")
    nibabel.Nifti1Image((phantom.scan + 7).T, np.eye(4)).to_filename(scans[0])
    window = new_window()
    dock = window.open("Project")
    dock.open(str(elsewhere / "projects" / "study.unetproject"))
    assert "Another scan lies there now, with other voxels" in dock.problem.text()
    assert "paint" not in window.viewer.layers
    dock.show_scan(0, tmp_path)
    assert not dock.problem.isVisibleTo(dock), dock.problem.text()
    assert [layer.name for layer in window.viewer.layers] == ["renamed", "paint", "mask"]
    assert window.viewer.layers["renamed"].source.path == str(tmp_path / "renamed.nii.gz")


def test_what_napari_makes_of_layers_comes_back(worked, new_window):
    layers = worked.viewer.layers
    layers.selection = {worked.mask}
    _layer_actions._duplicate_layer(layers)
    twin = layers["mask copy"]
    twin.name = "second reader"
    twin.data_setitem((np.array([0]), np.array([1]), np.array([1])), 1)
    worked.workspace.marking.mark(twin, {3})
    assert not review_of(worked.mask).reviewed, "each has marks of its own"
    bright = (layers["one"].data > 50).astype(np.uint8)
    about = {"name": "bright", "scale": layers["one"].scale, "projection_mode": "none"}
    layers.selection = {worked.viewer.add_image(bright, **about)}
    _layer_actions._convert_to_labels(layers)
    layers.remove("paint")
    QTest.qWait(1)
    worked.workspace.keeper.close()
    window = new_window()
    window.open("Project").open(str(worked.folder))
    assert [layer.name for layer in window.viewer.layers] == ["one", "mask", "second reader", "bright"]
    for layer in (worked.mask, twin, layers["bright"]):
        np.testing.assert_array_equal(window.viewer.layers[layer.name].data, layer.data)
    assert not review_of(window.viewer.layers["mask"]).reviewed
    assert review_of(window.viewer.layers["second reader"]).reviewed == {3}


def test_two_windows_do_not_write_one_project_nor_read_another_versions(worked, new_window, tmp_path):
    window = new_window()
    dock = window.open("Project")
    dock.open(str(worked.folder))
    assert "open in another window: close it there first" in dock.problem.text()
    dock.open(str(tmp_path))
    assert "is no project" in dock.problem.text()
    copy = tmp_path / "old.unetproject"
    shutil.copytree(worked.folder, copy)
    content = json.loads((copy / DESCRIPTION).read_text())
    (copy / DESCRIPTION).write_text(json.dumps({**content, "format": 0}))
    with pytest.raises(BadInput, match=r"format 0; this version reads format 1"):
        read_project(copy)


def test_a_window_that_is_killed_offers_its_project_to_the_next(worked, new_window, monkeypatch):
    (worked.folder / OWNER).write_text(json.dumps({"process": 2**22 + 1, "since": 0.0}))
    window = new_window()
    dock = window.open("Project")
    window.until(lambda: dock._left_behind.isVisibleTo(dock))
    assert 'The project "study" was open' in dock._left_behind.sentence.text()
    window.viewer.add_labels(np.ones((4, 32, 32), np.uint8), name="of no project")
    monkeypatch.setattr("napari_unet.gui.work.projects.ask_take_along", lambda names, parent: False)
    dock._left_behind.back_button.click()
    QTest.qWait(1)
    assert "of no project" not in window.viewer.layers
    window.viewer.layers["paint"].data_setitem((np.array([0]), np.array([1]), np.array([1])), 1)
    window.viewer.layers.clear()
    QTest.qWait(1)
    assert (worked.folder / "layer1.planes").exists(), "layers that go with their scan are not deleted"
    dock.show_scan(0)
    assert window.viewer.layers["paint"].data[0, 1, 1] == 1
    window.viewer.layers.remove("paint")
    QTest.qWait(1)
    keep(window)
    assert not (worked.folder / "layer1.planes").exists()
    np.testing.assert_array_equal(window.viewer.layers["mask"].data, worked.mask.data)
    assert not dock._left_behind.isVisibleTo(dock)


def test_the_last_steps_are_undone_after_the_window_was_killed(worked, new_window, phantom):
    viewer, paint, mask = worked.viewer, worked.paint, worked.mask
    states = [(paint.data.copy(), mask.data.copy(), set())]

    def note():
        states.append((paint.data.copy(), mask.data.copy(), set(review_of(mask).reviewed)))

    viewer.dims.set_current_step(0, 3)
    paint.mode, paint.brush_size = "paint", 3
    with paint.block_history():
        paint.paint((3, 9, 9), 1)
        paint.paint((3, 10, 9), 2)
    note()
    closed = mask.data.copy()
    closed[:, 20:22] = 2
    make_edit(mask, compare(Edit("closing 2 mm", {"steps": ["closing"]}), (4,), mask.data.copy(), closed))
    note()
    worked.workspace.marking.mark(mask, {2})
    note()
    viewer.dims.set_current_step(0, 3)
    paint.paint((3, 11, 9), 0)
    note()
    paint.paint((3, 20, 20), 1)
    worked.workspace.undoing.undo()
    keep(worked)
    paint.data[3, 9, 9] = 7  # as if the window had been killed between writing this and how to take it back
    worked.workspace.keeper.journal.write([Due("layer1", paint.data, about_layer(viewer, paint), None)], [], None)
    (worked.folder / OWNER).unlink()
    window = new_window()
    window.open("Project").open(str(worked.folder))
    paint, mask = (window.viewer.layers[name] for name in ("paint", "mask"))
    assert paint.data[3, 9, 9] == 7
    undone = []
    for old_paint, old_mask, marks in reversed(states[:-1]):
        undone.append(window.workspace.history.next_undo.name)
        window.workspace.undoing.undo()
        old_paint[3, 9, 9] = 7
        np.testing.assert_array_equal(paint.data, old_paint)
        np.testing.assert_array_equal(mask.data, old_mask)
        assert review_of(mask).reviewed == marks
    assert undone == ["painting on slice 3", "marked slice 2 as right", "closing 2 mm", "painting on slice 3"]
    assert not applied(mask)
    assert window.viewer.dims.current_step[0] == 3
    window.workspace.undoing.undo()
    np.testing.assert_array_equal(paint.data, old_paint, "there is nothing else to undo")
    window.workspace.undoing.redo()
    np.testing.assert_array_equal(paint.data[3, 10, 9], 2)
    keep(window)
    assert len(list((worked.folder / "undo").iterdir())) == 1


def test_saved_under_another_name_both_projects_are_whole(worked, tmp_path):
    dock = worked.docks["Project"][1]
    worked.paint.data_setitem((np.array([0]), np.array([0]), np.array([1])), 1)
    dock.save_as(str(worked.folder.with_name("study")))
    assert not dock.problem.isVisibleTo(dock), "it is there already, and is written"
    assert read_journal(worked.folder)["layer1"].array[0, 0, 1] == 1
    assert "<b>study</b>" in dock.sentence.text()
    (tmp_path / "taken.unetproject").mkdir()
    (tmp_path / "taken.unetproject" / "layer1.json").touch()
    dock.save_as(str(tmp_path / "taken"))
    assert "is there already: choose another name" in dock.problem.text()
    dock.save_as(str(tmp_path / "deeper" / "copy"))
    assert dock.projects.folder == tmp_path / "deeper" / "copy.unetproject"
    assert not (worked.folder / OWNER).exists()
    worked.paint.data_setitem((np.array([0]), np.array([1]), np.array([1])), 1)
    keep(worked)
    before, after = ((folder / "layer1.planes").stat().st_size for folder in (worked.folder, dock.projects.folder))
    assert before < after
    assert read_project(dock.projects.folder).scans[0].relative == "../../scans/one.nii.gz"
    dock.new(str(tmp_path / "next"))
    assert not worked.viewer.layers
    assert not worked.workspace.session.models


def test_one_model_learns_from_all_scans_also_from_those_that_are_not_open(worked, new_window, monkeypatch, phantom):
    worked.mask.data_setitem((np.array([0]), np.array([1]), np.array([1])), 1)
    worked.open("Train").time.setCurrentIndex(0)
    worked.workspace.keeper.close()
    window = new_window()
    dock = window.open("Train", "Project")
    train = window.docks["Train"][1]
    description = json.loads((worked.folder / DESCRIPTION).read_text())
    (worked.folder / DESCRIPTION).write_text(json.dumps({**description, "shown": 1}))
    dock.open(str(worked.folder))
    assert [layer.name for layer in window.viewer.layers] == ["two"]
    assert train.time.currentIndex() == 0, "what was chosen comes back"
    assert train.other_scans.isVisibleTo(train)
    assert "the other scan of the project" in train.other_scans.text()
    train.new_button.click()
    paint = train.paint.layer
    paint.data_setitem((np.array([1, 1]), np.array([1, 2]), np.array([1, 2])), np.array([1, 255], np.uint8))
    requests = []
    monkeypatch.setattr(window.workspace.engine, "start", lambda make: requests.append(make()))
    window.press(train)
    (request,) = requests
    assert [shared.open().name for shared in request.scans] == ["two", "one"]
    learned = request.paints[1].open()
    assert learned[0, 1, 1] == 1, "the correction"
    np.testing.assert_array_equal(learned[1], phantom.paint[1])
    assert not learned[2:].any(), "what the model wrote teaches nothing"
    assert [info.name for info in request.classes] == ["tumour"]
    window.workspace.training.abandon()
    train.other_scans.setChecked(False)
    window.press(train)
    assert len(requests[1].scans) == 1


def test_a_saved_mask_says_who_made_which_share_of_it_and_names_nobody(worked, tmp_path):
    worked.mask.name = "Canary^Doe"
    show_classes(worked.mask, [new_class(1, "Canary^Doe")])
    review = review_of(worked.mask)
    refined = worked.mask.data[1].copy()
    refined[16, :3] = 1
    review.refine(1, worked.mask.data[1], refined)
    worked.mask.data[1] = refined
    worked.mask.data_setitem((np.array([0]), np.array([1]), np.array([1])), 1)
    worked.mask.save(str(tmp_path / "mask.nii.gz"), plugin="napari-unet-paint")
    known = read_provenance(tmp_path / "mask.nii.gz")
    assert known["voxels"] == {"person": 1, "model": int(np.count_nonzero(worked.mask.data)) - 4, "refinement": 3}
    assert "Canary" not in (tmp_path / "mask.provenance.json").read_text()
    worked.paint.save(str(tmp_path / "paint.nii.gz"), plugin="napari-unet-paint")
    assert list(read_provenance(tmp_path / "paint.nii.gz")["voxels"]) == ["person"]


def test_nothing_is_lost_when_the_folder_of_a_project_goes_or_is_full(worked, new_window, tmp_path, monkeypatch):
    dock, keeper = worked.docks["Project"][1], worked.workspace.keeper
    worked.folder.rename(tmp_path / "aside")
    worked.paint.data_setitem((np.array([0]), np.array([1]), np.array([1])), 1)
    keep(worked)
    assert 'The project "study" cannot be saved' in dock.problem.text()
    assert "is gone, or is another folder now" in dock.problem.text()
    (tmp_path / "aside").rename(worked.folder)
    with monkeypatch.context() as disk:
        disk.setattr("napari_unet.keeping.journal.os.fsync", Mock(side_effect=OSError(28, "No space left on device")))
        keep(worked)
    assert "(No space left on device). All is still in this window" in dock.problem.text()
    keep(worked)
    assert not dock.problem.isVisibleTo(dock)
    assert not dock._left_behind.isVisibleTo(dock)
    np.testing.assert_array_equal(read_journal(worked.folder, ["layer1"])["layer1"].array, worked.paint.data)
    shutil.rmtree(worked.folder)
    dock.save_as(str(tmp_path / "again"))
    keep(worked)
    folder = dock.projects.folder
    found = read_journal(folder)
    np.testing.assert_array_equal(found["layer1"].array, worked.paint.data)
    np.testing.assert_array_equal(found["layer2-written"].array, worked.mask.data)
    assert (folder / "small.unet").exists()
    shutil.rmtree(folder)
    worked.paint.data_setitem((np.array([0]), np.array([1]), np.array([2])), 1)
    keeper.close()
    window = new_window()
    left_behind = window.open("Project")._left_behind
    window.until(lambda: left_behind.back_button.isVisibleTo(left_behind))
    left_behind.back_button.click()
    np.testing.assert_array_equal(window.viewer.layers["paint"].data, worked.paint.data)
