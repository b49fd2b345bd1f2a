"""A window with the docks in it, on a small phantom, whose processes are gone when the test is over."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from qtpy.QtTest import QTest

from napari_unet.config import NetworkConfig, Precision, TrainConfig
from napari_unet.gui.work.workspace import workspace_of
from napari_unet.runner.reading import reader

PLUGIN = "napari-unet-paint"
PATIENCE_MS = 30_000
"""For what a busy machine may take its time for."""
TINY = TrainConfig(
    network=NetworkConfig(width=4, depth=2), steps=4, patch=32, precision=Precision.FP32, threads=1, validation=0.0
)
"""Trains in a moment."""
LONG = TINY.model_copy(update={"steps": 0})
"""Trains until somebody stops it."""

MAKE_MODEL = """
import sys
import numpy as np
import napari_unet as nu
from napari_unet.config import NetworkConfig

scan = np.random.default_rng(0).normal(size=(2, 32, 32)).astype("float32")
paint = np.zeros(scan.shape, "uint8")
paint[0, :16], paint[0, 20:] = 1, 255
config = nu.TrainConfig(
    network=NetworkConfig(width=4, depth=2), steps=2, patch=32, precision="fp32", threads=1, validation=0.0
)
nu.train(scan, paint, config).save(sys.argv[1])
"""


class Window:
    """A viewer with docks, and what a person does in it.

    Parameters
    ----------
    viewer
        The viewer.
    qtbot
        pytest-qt's.
    """

    def __init__(self, viewer, qtbot):
        self.viewer = viewer
        self.qtbot = qtbot
        self.workspace = workspace_of(viewer)
        self.docks = {}

    def open(self, *names):
        """Open docks; give the last one's widget."""
        for name in names:
            self.docks[name] = self.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        return self.docks[names[-1]][1]

    def close(self, name):
        """Close a dock."""
        dock_widget, _ = self.docks.pop(name)
        self.viewer.window.remove_dock_widget(dock_widget)
        QTest.qWait(1)  # deletes what is to be deleted later, which an event loop of a test's own does not

    def until(self, condition):
        """Wait for something to be so."""
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE_MS)

    def ended(self, activity, do):
        """Do something and give the ending of the activity that comes of it."""
        with self.qtbot.waitSignal(activity.ended, timeout=PATIENCE_MS) as waiting:
            do()
        return waiting.args[0]

    def press(self, dock):
        """Press the dock's button once it is live."""
        self.until(dock.panel.button.isEnabled)
        dock.panel.button.click()

    def train(self, dock, config=TINY):
        """Train to the end."""
        dock.form.set_value(config)
        return self.ended(self.workspace.training, lambda: self.press(dock))

    def begin_to_train(self, dock):
        """Train on and on; it is under way, with a preview, when this returns."""
        dock.form.set_value(LONG)
        self.press(dock)
        self.until(lambda: "U-Net preview" in self.viewer.layers)


def processes():
    """Numbers of the child processes that the windows started and that still stand, but the one all windows share."""
    standing = {child.pid for child in psutil.Process().children() if _is_of_this_program(child)}
    return standing - {reader.pid}


def _is_of_this_program(child):
    try:
        return "napari_unet.runner" in child.cmdline()
    except psutil.NoSuchProcess:  # it ended just now
        return False


@pytest.fixture
def new_window(make_napari_viewer, qtbot):
    """Make windows; afterwards no process of theirs is left and the window never imported torch."""
    before, torch_before = processes(), "torch" in sys.modules
    windows = []

    def make():
        windows.append(Window(make_napari_viewer(), qtbot))
        return windows[-1]

    yield make
    workspaces = [window.workspace for window in windows]
    for window in windows:
        for name in list(window.docks):
            window.close(name)
    qtbot.waitUntil(lambda: not processes() - before, timeout=PATIENCE_MS)
    for workspace in workspaces:
        workspace.close()
    assert ("torch" in sys.modules) == torch_before, "the window works without torch"


@pytest.fixture
def window(new_window):
    """One window without layers."""
    return new_window()


@pytest.fixture
def phantom():
    """Give a scan of a bright ball, (4, 32, 32) float32, and paint of it on one slice."""
    random = np.random.default_rng(0)
    _, y, x = np.mgrid[:4, :32, :32]
    ball = (y - 16) ** 2 + (x - 16) ** 2 < 60
    scan = (100 * ball + random.normal(0, 5, ball.shape)).astype(np.float32)
    paint = np.zeros(ball.shape, np.uint8)
    paint[1, 12:20, 12:20] = 1
    paint[1, :4] = 255
    return SimpleNamespace(scan=scan, paint=paint, ball=ball)


@pytest.fixture(autouse=True)
def _states_in_a_folder_of_the_test(tmp_path, monkeypatch):
    """States of unfinished trainings stay out of the folders of whoever runs the tests."""
    monkeypatch.setattr("napari_unet.gui.widgets.beginnings.folder", lambda: tmp_path / "unfinished")
    monkeypatch.setattr("napari_unet.gui.work.keeping.folder", lambda: tmp_path / "windows")


@pytest.fixture(scope="session")
def model_path(tmp_path_factory):
    """Give a model file; it is made in another process, since this one is to work without torch."""
    path = tmp_path_factory.mktemp("model") / "small.unet"
    subprocess.run([sys.executable, "-c", MAKE_MODEL, str(path)], check=True)
    return path
