"""Make the pictures of the README from the real window: ``xvfb-run -a python assets/make_pictures.py``.

Opens the bundled scan, trains for two minutes, predicts, reviews, has steps suggested, previews a refinement, and takes
a picture of each dock, of the dark and the light theme. With PyQt6: with PyQt5 napari says in a corner that it is old.
"""

import time
from collections.abc import Callable
from pathlib import Path

from napari import Viewer
from qtpy.QtWidgets import QApplication, QWidget

from napari_unet.gui.__main__ import PLUGIN, open_window

HERE = Path(__file__).parent
SECONDS = 120


def wait(done: Callable[[], bool], at_most: float) -> None:
    """Let the window live until ``done``, or for so many seconds."""
    end = time.monotonic() + at_most
    while not done() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def picture(viewer: Viewer, name: str) -> None:
    """Save the whole window as ``assets/<name>.png``."""
    wait(lambda: False, 1)
    viewer.window.screenshot(str(HERE / f"{name}.png"), flash=False, canvas_only=False)


def raise_dock(dock: QWidget) -> None:
    """Bring a dock's tab to the front."""
    frame = dock.parentWidget()
    if frame is not None:
        frame.raise_()


def main() -> None:
    """Make all pictures."""
    viewer = open_window()
    viewer.window.resize(1280, 800)
    train, predict, review, brush, refine = (
        viewer.window.dock_widgets[f"{name} ({PLUGIN})"] for name in ("Train", "Predict", "Review", "Brush", "Refine")
    )
    workspace = train.workspace
    wait(lambda: train.panel.button.isEnabled(), 30)
    viewer.dims.set_current_step(0, 17)
    train.time.setCurrentIndex(train.time.findData(SECONDS))
    train.panel.button.click()
    wait(lambda: False, SECONDS * 0.7)
    picture(viewer, "train")
    wait(lambda: not workspace.training.running, SECONDS * 2)
    raise_dock(predict)
    predict.panel.button.click()
    wait(lambda: not workspace.prediction.running, 120)
    picture(viewer, "predict")
    raise_dock(review)
    mask = viewer.layers["chest prediction"]
    review.mask_box.choose(mask)
    mask.brush_size = 4
    for z in (9, 17):
        mask.paint((z, 90, 64), 0)
    for z in (3, 24):
        viewer.dims.set_current_step(0, z)
        review.mark_slice()
    viewer.dims.set_current_step(0, 17)
    wait(lambda: False, 2)
    picture(viewer, "review")
    viewer.layers.selection.active = mask
    raise_dock(brush)
    picture(viewer, "brush")
    mask.undo()
    mask.undo()
    raise_dock(refine)
    refine.mask_box.choose(viewer.layers["chest prediction"])
    refine.suggest.panel.button.click()
    wait(lambda: not workspace.suggesting.running, 120)
    refine.preview.setChecked(True)
    wait(lambda: False, 3)
    picture(viewer, "refine")
    refine.preview.setChecked(False)
    viewer.theme = "light"
    raise_dock(train)
    picture(viewer, "light")
    viewer.close()


if __name__ == "__main__":
    main()
