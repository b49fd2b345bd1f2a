"""Work that would hold up the window, done in a thread; what comes of it is handed back in the window's thread."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from qtpy.QtCore import QObject, Signal

Result = TypeVar("Result")


class Background(QObject):
    """Runs one piece of work after another in a thread of its own.

    The work may read layers' voxels; it must not touch the viewer or a layer's attributes.
    """

    _done = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(1, thread_name_prefix="napari-unet")
        self._done.connect(self._deliver)

    def run(
        self,
        work: Callable[[], Result],
        then: Callable[[Result], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Do ``work`` in the thread, then call ``then`` with what it returned, or ``failed`` with what it raised.

        Both are called in the window's thread, neither after :meth:`close`.
        """
        if self._pool is not None:
            self._pool.submit(self._work, work, then, failed)

    def finish(self) -> None:
        """Wait until all work is done; what comes of it is handed back afterwards."""
        if self._pool is not None:
            self._pool.submit(_nothing).result()

    def close(self) -> None:
        """Finish the work at hand, forget the rest, and hand nothing back any more."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, work: Callable[[], Any], then: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  it is handed to whoever asked for the work
            self._done.emit((failed, error))
        else:
            self._done.emit((then, result))

    def _deliver(self, what: tuple[Callable[[Any], None], Any]) -> None:
        if self._pool is not None:
            call, value = what
            call(value)


def _nothing() -> None:
    """Be done at once."""
