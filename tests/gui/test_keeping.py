"""A window that is killed leaves its work behind, and the next one brings it back."""

import json
import shutil

import numpy as np
import pytest
from qtpy.QtTest import QTest

from napari_unet.annotation import new_class
from napari_unet.gui.layers.scans import METADATA, REVIEW, classes_of, review_of, show_classes
from napari_unet.gui.work import keeping
from napari_unet.keeping.journal import OWNER
from napari_unet.review.corrections import Review


def journals():
    return sorted(path for path in keeping.folder().glob("*") if path.is_dir())


@pytest.fixture
def worked(window, phantom, tmp_path):
    """A window in which somebody painted, and a mask was predicted and corrected."""
    window.viewer.add_image(phantom.scan, name="scan", scale=(2.0, 0.5, 0.5))
    window.paint = window.viewer.add_labels(phantom.paint, name="paint", scale=(2.0, 0.5, 0.5))
    show_classes(window.paint, [new_class(1, "tumour")])
    window.mask = window.viewer.add_labels(phantom.ball.astype(np.uint8), name="scan prediction", translate=(1, 2, 3))
    review = Review(tmp_path / "model.unet", {2})
    for z, plane in enumerate(window.mask.data):
        review.note(z, plane)
    review.vouch(3, window.mask.data[3] > 0)
    window.mask.metadata[METADATA] = {REVIEW: review}
    window.open("Train")
    window.mask.data_setitem((np.array([0]), np.array([1]), np.array([1])), 1)
    keep(window)
    return window


def keep(window):
    keeper = window.workspace.keeper
    window.until(lambda: not keeper._busy)
    keeper.keep_now()
    window.until(lambda: not keeper._busy)


@pytest.fixture
def left(worked, tmp_path, monkeypatch):
    """What is on the disk when that window is killed, in a folder of its own."""
    (journal,) = journals()
    shutil.copytree(journal, tmp_path / "killed" / journal.name)
    (copied,) = (tmp_path / "killed").iterdir()
    (copied / OWNER).write_text(json.dumps({"process": 2**22 + 1, "since": 0.0}))
    monkeypatch.setattr("napari_unet.gui.work.keeping.folder", lambda: tmp_path / "killed")
    return worked


def test_all_comes_back_as_it_was(left, new_window):
    window = new_window()
    dock = window.open("Train")
    panel = dock._left_behind
    window.until(lambda: panel.isVisibleTo(dock))
    assert '"paint", "scan prediction"' in panel.sentence.text()
    panel.back_button.click()
    assert not panel.isVisibleTo(dock)
    paint, mask = window.viewer.layers["paint"], window.viewer.layers["scan prediction"]
    np.testing.assert_array_equal(paint.data, left.paint.data)
    np.testing.assert_array_equal(mask.data, left.mask.data)
    np.testing.assert_allclose(paint.scale, (2.0, 0.5, 0.5))
    np.testing.assert_allclose(mask.translate, (1, 2, 3))
    assert classes_of(paint) == classes_of(left.paint)
    review = review_of(mask)
    assert review.reviewed == {2}
    assert np.argwhere(review.corrected(0, mask.data[0])).tolist() == [[1, 1]]
    np.testing.assert_array_equal(review.vouched(3, mask.data[3].shape), mask.data[3] > 0)


def test_the_old_journal_goes_once_its_work_is_kept_anew(left, new_window):
    (old,) = journals()
    window = new_window()
    dock = window.open("Train")
    window.until(lambda: dock._left_behind.isVisibleTo(dock))
    dock._left_behind.back_button.click()
    assert old.exists()
    keep(window)
    window.until(lambda: not old.exists())
    assert len(journals()) == 1


def test_what_is_discarded_is_gone(left, new_window):
    window = new_window()
    dock = window.open("Train")
    window.until(lambda: dock._left_behind.isVisibleTo(dock))
    dock._left_behind.discard_button.click()
    assert not dock._left_behind.isVisibleTo(dock)
    assert not journals()
    assert not window.viewer.layers


def test_a_window_that_is_closed_leaves_nothing(worked):
    assert len(journals()) == 1
    worked.workspace.keeper.close()
    assert not journals()


def test_a_deleted_layer_is_forgotten_and_a_preview_never_kept(worked):
    worked.viewer.layers.remove("paint")
    preview = worked.viewer.add_labels(np.ones((4, 32, 32), np.uint8), name="preview")
    preview.editable = False
    QTest.qWait(1)
    keep(worked)
    (journal,) = journals()
    worked.until(
        lambda: (
            {p.name for p in journal.glob("*.planes")}
            == {f"layer2{end}.planes" for end in ("", "-written", "-vouched", "-refined")}
        )
    )


def test_a_scan_that_is_gone_is_named(left, new_window):
    (journal,) = journals()
    for path in journal.glob("layer?.json"):
        about = json.loads(path.read_text())
        path.write_text(json.dumps({**about, "scans": [["/nowhere/scan.nii.gz"]]}))
    window = new_window()
    dock = window.open("Train")
    window.until(lambda: dock._left_behind.isVisibleTo(dock))
    dock._left_behind.back_button.click()
    assert "/nowhere/scan.nii.gz could not be opened" in dock._left_behind.sentence.text()
    assert "paint" in window.viewer.layers


def test_what_could_not_be_written_is_written_the_next_time(worked, monkeypatch):
    (journal,) = journals()
    (journal / "layer1.planes").unlink()
    told = []
    worked.workspace.keeper.problem.connect(told.append)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("napari_unet.keeping.journal.os.fsync", full)
        worked.paint.data_setitem((np.array([3]), np.array([3]), np.array([3])), 1)
        keep(worked)
        assert "No space left on device" in told[0]
    keep(worked)
    assert (journal / "layer1.planes").stat().st_size


def test_a_mark_is_kept_too(worked):
    review_dock = worked.open("Review")
    review_dock.mask_box.choose(worked.mask)
    worked.viewer.dims.set_point(0, 6)
    review_dock.mark_slice()
    keep(worked)
    (journal,) = journals()
    assert json.loads((journal / "layer2.json").read_text())["review"]["reviewed"] == [2, 3]
