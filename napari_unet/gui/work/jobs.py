"""Jobs of the window: a warm child process, its messages as Qt signals, and cancelling within a second."""

from collections.abc import Callable, Sequence

from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.errors import JobFailed, UnetError
from napari_unet.events import Command, Event
from napari_unet.gui.work.background import Background
from napari_unet.runner import Child, Closed, Failed, Finished, Message, Request

PATIENCE_MS = 500
"""How long a job may take to close by itself before its process is ended."""


class JobRunner(QObject):
    """Runs one job at a time in a child process that stands ready.

    ``reported`` carries each event of the job; then exactly one of ``finished`` (with its result), ``failed``
    (with a ``UnetError``) and ``cancelled`` comes.

    Parameters
    ----------
    background
        Where requests are put together, since they copy voxels.
    warm
        Modules the child imports ahead of the first job.
    """

    reported = Signal(object)
    finished = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    _arrived = Signal(object, object)

    def __init__(self, background: Background, warm: Sequence[str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._warm = tuple(warm)
        self._child: Child | None = None
        self._job = 0
        self._running = False
        self._cancelling = False
        self._arrived.connect(self._take)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._end_child)

    @property
    def running(self) -> bool:
        """Whether a job is under way, from the click on."""
        return self._running

    @property
    def child(self) -> Child | None:
        """The process, when it stands."""
        return self._child

    def warm(self) -> None:
        """Let the process stand ready."""
        if self._child is not None and not self._child.alive:
            self._child = None
        if self._child is None:
            self._child = Child(self._hear, self._warm)

    def start(self, make_request: Callable[[], Request]) -> None:
        """Begin a job.

        Parameters
        ----------
        make_request
            Puts the request together, in a thread: it may copy voxels, and must not touch the viewer.
        """
        self._running = True
        self._cancelling = False
        self._job += 1
        job = self._job
        self.warm()

        def run(request: Request) -> None:
            if job == self._job and self._running:
                self._begin(request)

        def failed(error: Exception) -> None:
            if job == self._job and self._running:
                self._end(Failed(_as_unet_error(error)))

        self._background.run(make_request, run, failed)

    def tell(self, command: Command) -> None:
        """Tell the job something."""
        if self._running and self._child is not None:
            self._child.tell(command)

    def cancel(self, *, patiently: bool = False) -> None:
        """End the job with nothing to show, within a second whatever it is doing.

        Parameters
        ----------
        patiently
            Let it come to its next yield, however long that takes, so that the process stays warm.
        """
        if not self._running:
            return
        if self._child is None or not self._child.busy:
            self._end(Closed())
            return
        if not self._cancelling:
            self._cancelling = True
            self._child.close_job()
        if not patiently and not self._patience.isActive():
            self._patience.start()

    def close(self) -> None:
        """End the process; no further signal comes."""
        self._patience.stop()
        self._running = False
        self._job += 1
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _begin(self, request: Request) -> None:
        self.warm()
        if self._child is not None:
            self._child.run(request)

    def _hear(self, message: Message) -> None:
        """Hand a message over to the window's thread (called in the child's)."""
        self._arrived.emit(self._job, message)

    def _take(self, job: int, message: Message) -> None:
        if job != self._job or not self._running:
            return
        if isinstance(message, Event):
            if not self._cancelling:
                self.reported.emit(message)
        else:
            self._end(Closed() if self._cancelling else message)

    def _end(self, message: Message) -> None:
        self._running = False
        self._cancelling = False
        self._patience.stop()
        if isinstance(message, Finished):
            self.finished.emit(message.result)
        elif isinstance(message, Failed):
            if self._child is not None and not self._child.alive:
                self.warm()
            self.failed.emit(message.error)
        else:
            self.cancelled.emit()

    def _end_child(self) -> None:
        """End a process that does not hear; another takes its place."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
        self._end(Closed())
        self.warm()


def _as_unet_error(error: Exception) -> UnetError:
    if isinstance(error, UnetError):
        return error
    return JobFailed(f"The scan could not be copied ({type(error).__name__}: {error}).")
