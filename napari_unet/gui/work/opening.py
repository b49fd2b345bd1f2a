"""Reading a file while the window goes on: in another process, with a way out, and asking when there is a choice."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

import napari
from qtpy.QtCore import QEventLoop, QObject, Qt, QThread, QTimer, Signal
from qtpy.QtWidgets import QApplication, QMessageBox, QProgressDialog, QWidget

from napari_unet.gui.widgets.series_dialog import SeriesDialog
from napari_unet.io import Mask
from napari_unet.io.questions import Several, Uneven
from napari_unet.runner.reading import Cancelled, Reader
from napari_unet.scan import Scan

PATIENCE_MS = 600
"""How long the window waits before it shows that it waits."""
CANCEL_MS = 50
"""How often work that is to be cancelled is told so."""

Result = TypeVar("Result")


def read_live(reader: Reader, paths: Sequence[str]) -> Scan | Mask:
    """Read a scan or a mask while the window lives, and ask what its files leave open.

    Without a window, or in another thread than its, nothing is asked and the questions are raised.

    Parameters
    ----------
    reader
        What reads.
    paths
        A file or folder, or the files of the channels of one scan.

    Raises
    ------
    BadInput, OutOfMemory
        It cannot be read.
    Cancelled
        The user thought better of it.
    """
    series: str | None = None
    even = False
    what = Path(paths[0]).name

    def work() -> Scan | Mask:
        return reader.read(paths, series=series, assume_even_spacing=even)

    while True:
        try:
            return while_alive(work, f"Reading {what} ...", reader.cancel)
        except Several as question:
            if series is not None or not _in_window():
                raise
            series = SeriesDialog.ask(question, what, _window())
            if series is None:
                raise Cancelled("Nothing was chosen.") from question
        except Uneven as question:
            if not _in_window():
                raise
            if not agrees(question, _window()):
                raise Cancelled("It was not opened.") from question
            even = True


def agrees(question: Uneven, parent: QWidget | None) -> bool:
    """Say what would be assumed, and ask whether to go on."""
    box = QMessageBox(
        QMessageBox.Icon.Warning, "Uneven slices", str(question).split(" Export the series")[0], parent=parent
    )
    box.setInformativeText(question.assumption)
    go_on = box.addButton("Open as if evenly spaced", QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    return box.clickedButton() is go_on


def _in_window() -> bool:
    application = QApplication.instance()
    return isinstance(application, QApplication) and QThread.currentThread() is application.thread()


def _window() -> QWidget | None:
    viewer = napari.current_viewer()
    return None if viewer is None else viewer.window._qt_window


class _Bell(QObject):
    """Wakes the window's thread from another one."""

    rung = Signal()


def while_alive(work: Callable[[], Result], text: str, cancel: Callable[[], None] | None = None) -> Result:
    """Do some work in a thread and let the window live meanwhile; without a window just do it.

    Parameters
    ----------
    work
        What to do; it must not touch the viewer.
    text
        What to say when it takes a while.
    cancel
        Ends the work; there is no such button when None.
    """
    if not _in_window():
        return work()
    loop, bell, waiting, cancelling = QEventLoop(), _Bell(), QTimer(), QTimer()
    # Work that is done before the loop runs must end it all the same, hence the timer.
    bell.rung.connect(lambda: QTimer.singleShot(0, loop.quit))
    dialog = QProgressDialog(text, "Cancel" if cancel else None, 0, 0, _window())
    dialog.setWindowTitle("U-Net")
    dialog.setWindowModality(Qt.WindowModality.NonModal)
    dialog.setMinimumDuration(24 * 3600 * 1000)  # the timer shows it
    dialog.reset()
    waiting.setSingleShot(True)
    waiting.timeout.connect(dialog.show)
    waiting.start(PATIENCE_MS)
    if cancel is not None:
        cancelling.setInterval(CANCEL_MS)  # again and again: at first the work may not have begun
        cancelling.timeout.connect(cancel)
        dialog.canceled.connect(cancelling.start)
    with ThreadPoolExecutor(1, thread_name_prefix="napari-unet-reading") as pool:
        future = pool.submit(work)
        future.add_done_callback(lambda _: bell.rung.emit())
        loop.exec()
        while cancel is not None and not wait([future], CANCEL_MS / 1000).done:  # the program is being closed
            cancel()
    waiting.stop()
    cancelling.stop()
    dialog.blockSignals(True)  # or else to close it is to cancel
    dialog.close()
    dialog.deleteLater()
    return future.result()
