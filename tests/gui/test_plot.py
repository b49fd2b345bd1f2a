"""The curves show what was added, cheaply, in napari's colours."""

import gc
import math
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_unet.events import EpochDone
from napari_unet.gui.widgets.plot import EMPTY_HEIGHT, HEIGHT, LearningPlot


@pytest.fixture
def plot(qtbot):
    plot = LearningPlot()
    qtbot.addWidget(plot)
    plot.resize(340, HEIGHT)
    plot.show()
    qtbot.waitExposed(plot)
    return plot


def curve(plot, name):
    return plot._curves[name].getData()


def visible_words(plot):
    return " ".join(label.text() for label in plot.findChildren(QLabel) if label.isVisible())


def test_empty_it_says_what_will_be_there(plot):
    assert visible_words(plot) == "The curves appear here while it trains"
    plot.add(EpochDone(step=10, seconds=1.5, train_loss=0.8))
    assert "training" in visible_words(plot)
    plot.clear()
    assert visible_words(plot) == "The curves appear here while it trains"
    assert curve(plot, "train_loss")[0] is None


def test_curves_hold_what_was_added(plot):
    plot.add(EpochDone(10, 1.0, 0.8, 0.9, 0.3))
    plot.add(EpochDone(20, 2.0, 0.6))
    plot.add(EpochDone(30, 3.0, 0.5, 0.7, 0.6))
    for name, expected in (
        ("train_loss", [0.8, 0.6, 0.5]),
        ("validation_loss", [0.9, math.nan, 0.7]),
        ("validation_dice", [0.3, math.nan, 0.6]),
    ):
        seconds, values = curve(plot, name)
        np.testing.assert_array_equal(seconds, [1, 2, 3])
        np.testing.assert_array_equal(values, expected)


def test_one_round_is_drawn_and_so_is_a_training_that_diverged(plot):
    plot.add(EpochDone(10, 1.0, math.nan, math.inf, 0.0))
    plot.grab()
    plot.add(EpochDone(20, 2.0, 0.5, 0.5, 0.5))
    plot.grab()
    assert "Loss" in visible_words(plot)


def test_dice_is_on_a_scale_from_0_to_1(plot):
    for i in range(3):
        plot.add(EpochDone(i, float(i), 5.0, 5.0, 0.4 + i / 100))
    lowest, highest = plot._dice.viewRange()[1]
    assert (lowest, highest) == pytest.approx((0, 1), abs=0.05)


def test_a_point_costs_little(plot):
    for i in range(500):
        plot.add(EpochDone(i, float(i), 1 / (i + 1), 1 / (i + 1), i / 500))
    costs = []
    for i in range(500, 520):
        start = time.process_time()
        plot.add(EpochDone(i, float(i), 1 / i, 1 / i, 1.0))
        costs.append(time.process_time() - start)
    assert min(costs) < 0.005


@pytest.mark.parametrize(("foreground", "background"), [("#f0f1f2", "#262930"), ("#3b3a39", "#efebe9")])
def test_it_follows_the_theme(plot, foreground, background):
    plot.add(EpochDone(10, 1.0, 0.8, 0.9, 0.3))
    plot.setStyleSheet(f"QWidget {{ color: {foreground}; background-color: {background}; }}")
    QApplication.processEvents()
    assert plot._graphics.backgroundBrush().color() == QColor(background)
    assert plot._loss.getAxis("left").pen().color() == QColor(foreground)
    assert plot.grab().toImage().pixelColor(335, HEIGHT // 2) == QColor(background)


def test_it_follows_a_theme_set_on_its_window(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    plot = LearningPlot(window)
    window.setStyleSheet("QWidget { color: #010203; background-color: #a0b0c0; }")
    window.show()
    QApplication.processEvents()
    assert plot._graphics.backgroundBrush().color() == QColor("#a0b0c0")


def test_it_fits_a_narrow_dock(plot):
    plot.add(EpochDone(10, 1.0, 0.8, 0.9, 0.3))
    assert plot.minimumSizeHint().width() <= 310
    assert plot.height() == HEIGHT
    plot.clear()
    assert plot.height() == EMPTY_HEIGHT


def test_it_goes_when_its_window_goes(qtbot):
    window = QWidget()
    plot = LearningPlot(window)
    plot.add(EpochDone(10, 1.0, 0.8))
    gone = []
    plot.destroyed.connect(lambda: gone.append(True))
    left = weakref.ref(plot)
    del plot
    window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    del window
    assert gone == [True]
    gc.collect()
    assert left() is None


def test_pyqtgraph_is_imported_with_the_first_plot_only():
    program = "import sys, napari_unet.gui.widgets.plot; sys.exit('pyqtgraph' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
