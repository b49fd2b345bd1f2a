"""A project that is dropped onto the window."""

from functools import partial
from pathlib import Path

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer

from napari_unet.errors import UnetError
from napari_unet.gui.work.workspace import workspace_of

PLUGIN = "napari-unet-paint"


def open_soon(folder: Path) -> None:
    """Open a project in the current window, with its dock, once the window has done what it is doing."""
    viewer = napari.current_viewer()
    if viewer is not None:
        QTimer.singleShot(0, partial(_open, viewer, folder))


def _open(viewer: napari.Viewer, folder: Path) -> None:
    viewer.window.add_plugin_dock_widget(PLUGIN, "Project", tabify=True)
    try:
        workspace_of(viewer).projects.open(folder)
    except (UnetError, OSError) as error:
        show_error(str(error))
