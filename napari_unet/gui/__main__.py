"""Opening napari with the bundled scan, its paint and the docks: ``python -m napari_unet.gui``."""

import napari
from qtpy.QtCore import QTimer

PLUGIN = "napari-unet-paint"
DOCKS = ("Train", "Predict", "Review", "Brush", "Refine", "Project")


def open_window() -> napari.Viewer:
    """Open a viewer with the sample, a slice that is painted in view, and the docks as tabs, Train in front."""
    viewer = napari.Viewer(title="napari-unet")
    viewer.open_sample(PLUGIN, "chest")
    viewer.dims.set_current_step(0, 13)
    front, *_ = [viewer.window.add_plugin_dock_widget(PLUGIN, dock, tabify=True)[0] for dock in DOCKS]
    QTimer.singleShot(0, front.raise_)  # a tab comes to the front once the window is laid out
    return viewer


if __name__ == "__main__":
    open_window()
    napari.run()
