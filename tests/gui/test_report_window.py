"""How good a model is, in a window: a threshold is moved along its curve, used, and saved with the model."""

import numpy as np
import pytest

from napari_unet.annotation import BACKGROUND, BACKGROUND_CLASS, new_class
from napari_unet.config import NetworkConfig, Precision, TrainConfig
from napari_unet.events import EpochDone
from napari_unet.gui.widgets.report_window import ReportWindow
from napari_unet.gui.work.activity import How
from napari_unet.model_file import load_model
from napari_unet.training.evidence import BINS, Evidence

CLASSES = (BACKGROUND_CLASS, new_class(1, "ball"), new_class(2, "never held out"))
ROUNDS = (EpochDone(25, 1.0, 0.9, 0.8, 0.3, {1: 0.3}, 1e-3), EpochDone(50, 2.0, 0.5, 0.5, 0.6, {1: 0.6}, 1e-4))
MEASURED = TrainConfig(
    network=NetworkConfig(width=4, depth=2), steps=4, patch=32, precision=Precision.FP32, threads=1, validation=0.2
)


def evidence():
    positives, negatives = np.zeros((2, 3, BINS), np.int64)
    positives[1], negatives[1] = np.linspace(0, 100, BINS), np.linspace(100, 0, BINS)
    patch = np.random.default_rng(0).normal(size=(2, 32, 32)).astype(np.float32)
    return Evidence(CLASSES, np.diag([5, 5, 0]), positives, negatives, patch,
                    np.full((2, 32, 32), BACKGROUND, np.uint8), np.ones((2, 32, 32), np.uint8))  # fmt: skip


@pytest.fixture
def report(qtbot):
    report = ReportWindow(evidence(), ROUNDS, CLASSES, {})
    qtbot.addWidget(report)
    report.show()
    return report


def test_the_slider_moves_along_the_curve(report):
    page = report.thresholds
    assert [page.classes.itemText(i) for i in range(page.classes.count())] == ["ball"]
    page.slider.setValue(20)
    before, picture = page.words.text(), page._picture.pixmap().toImage()
    page.slider.setValue(90)
    assert "From a probability of 0.90" in page.words.text() != before
    assert page._picture.pixmap().toImage() != picture
    assert "no threshold" in page.words.text()


def test_a_threshold_is_used_and_dropped(report):
    told = []
    report.chosen.connect(told.append)
    page = report.thresholds
    assert not page.drop.isEnabled()
    page.slider.setValue(30)
    page.use.click()
    assert "uses 0.30" in page.words.text()
    page.drop.click()
    assert told == [{1: 0.3}, {}]


def test_it_is_saved_as_files(report, tmp_path):
    report.save(str(tmp_path))
    assert "7 files written" in report.problem.text()
    report.save(str(tmp_path / "missing"))
    assert "cannot write" in report.problem.text()


def test_without_held_out_paint_there_are_curves(qtbot):
    report = ReportWindow(None, ROUNDS, CLASSES, {})
    qtbot.addWidget(report)
    assert not hasattr(report, "thresholds")


def test_a_model_carries_the_threshold_that_was_chosen(window, phantom):
    viewer = window.viewer
    viewer.add_image(np.repeat(phantom.scan, 3, axis=0), name="scan")
    paint = np.where(np.repeat(phantom.ball, 3, axis=0), 1, 255).astype(np.uint8)
    viewer.add_labels(paint, name="paint")
    dock = window.open("Train")
    assert window.train(dock, MEASURED).how is How.DONE
    dock.report_button.click()
    (report,) = dock.findChildren(ReportWindow)
    report.thresholds.slider.setValue(37)
    report.thresholds.use.click()
    session = window.workspace.session
    window.until(lambda: session.state.model.description.thresholds == {1: 0.37})
    assert load_model(session.state.model.path).description.thresholds == {1: 0.37}
    assert "class 1 from 0.37" in session.state.model.description.sentence()
    assert len(session.models) == 1
    report.close()
