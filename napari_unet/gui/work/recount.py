"""Counting what is on layers, in a thread, after every stroke, undo and redo."""

from collections.abc import Callable, Sequence

from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.gui.work.background import Background

COUNT_MS = 250
"""After a stroke it waits for so long before it counts."""


class Recount(QObject):
    """Counts again whenever a person changes one of a few layers.

    ``counted`` carries what the count gave, ``failed`` a sentence that says why there is none.
    """

    counted = Signal(object)
    failed = Signal(object)

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._layers: tuple[Labels, ...] = ()
        self._count: Callable[[], object] | None = None
        self._round = 0
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(COUNT_MS)
        self._wait.timeout.connect(self.count)

    def follow(self, layers: Sequence[Labels], count: Callable[[], object] | None) -> None:
        """Count now, and whenever one of these layers changes; None stops.

        Parameters
        ----------
        layers
            Whose changes matter.
        count
            What to do in the thread: it may read voxels, and must not touch a layer's attributes.
        """
        self._wait.stop()
        self._round += 1
        for layer in self._layers:
            for event in (layer.events.paint, layer.events.data, layer.events.set_data):
                event.disconnect(self.count_soon)
        self._layers, self._count = tuple(layers), count
        for layer in self._layers:
            for event in (layer.events.paint, layer.events.data, layer.events.set_data):
                event.connect(self.count_soon)
        self.count()

    def count_soon(self, event: object = None) -> None:
        """Count once nothing changed for a moment."""
        self._wait.start()

    def count(self) -> None:
        """Count now."""
        if self._count is None:
            return
        self._round += 1
        number, count = self._round, self._count

        def deliver(counted: object) -> None:
            if number == self._round:
                self.counted.emit(counted)

        def failed(error: Exception) -> None:
            if number == self._round:
                self.failed.emit(str(error))

        self._background.run(count, deliver, failed)
