"""The warm child process, seen from the window.

The child is ``python -m napari_unet.runner``. Pickled messages go to its standard input and come from its
standard output; what it or its libraries print goes to its standard error. When the window goes, its standard
input ends and so does it.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

from napari_unet.errors import JobFailed, UnetError
from napari_unet.events import Command, Event
from napari_unet.runner.requests import Request

KEPT_LINES = 60
"""Lines of the child's standard error that are kept for a report."""

SHORT_SPIN = {"GOMP_SPINCOUNT": "30000"}
"""In the environment of PyTorch: a thread that waits for another one soon sleeps. Awake it keeps the processor from the
window and other programs; asleep at once it is slow to come back."""


@dataclass(frozen=True, slots=True)
class Run:
    """Tells the child to begin a job."""

    request: Request


@dataclass(frozen=True, slots=True)
class Close:
    """Tells the child to close its job at the next yield and forget it."""


@dataclass(frozen=True, slots=True)
class Warm:
    """Tells the child to import modules while nobody waits for it."""

    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The job returned this."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The job raised this, or the process is gone."""

    error: UnetError


@dataclass(frozen=True, slots=True)
class Closed:
    """The job was closed as asked."""


Message: TypeAlias = Event | Finished | Failed | Closed


class Child:
    """A child process that runs one job at a time.

    Parameters
    ----------
    on_message
        Called with each message, in a thread of its own: hand it over to whoever may act on it.
    warm
        Modules the child imports as soon as it stands.
    """

    def __init__(self, on_message: Callable[[Message], None], warm: Sequence[str] = ()) -> None:
        self._on_message = on_message
        self._busy = False
        self._gone = False
        self._lock = threading.Lock()
        self._last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        environment = {**SHORT_SPIN, **os.environ, "PYTHONUNBUFFERED": "1"}
        # -P keeps the folder the window was started from out of the child's imports.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "napari_unet.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=os.name == "posix",  # a Ctrl-C in the terminal is for the window
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._reader = threading.Thread(target=self._keep_lines, daemon=True)
        self._listener.start()
        self._reader.start()
        if warm:
            self._send(pickle.dumps(Warm(tuple(warm))))

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process stands."""
        return self._process.poll() is None

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._busy

    def run(self, request: Request) -> None:
        """Begin a job; its events and its end come as messages. In a process that is gone, it fails at once.

        Raises
        ------
        JobFailed
            Another job is under way.
        """
        told = pickle.dumps(Run(request))
        with self._lock:
            if self._busy:
                raise JobFailed("Something else is still running: wait for it or cancel it first.")
            gone = self._gone
            self._busy = not gone
        if gone:
            self._on_message(self._failure())
        else:
            self._send(told)

    def tell(self, command: Command) -> None:
        """Tell the job something; it hears it at its next yield."""
        self._send(pickle.dumps(command))

    def close_job(self) -> None:
        """Ask the job to end at its next yield with nothing to show; ``Closed`` comes when it has."""
        self._send(pickle.dumps(Close()))

    def kill(self) -> None:
        """End the process; no further message comes. A large one takes longer to be gone than a window may stand."""
        self._on_message = _nobody
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> None:
        """End the process, and wait until it is gone. No further message comes."""
        self.kill()
        if self._listener is not threading.current_thread():
            self._listener.join()

    def _send(self, message: bytes) -> None:
        stream = self._process.stdin
        if stream is None:
            return
        # A broken pipe means that the child is gone: whoever listens is about to say so.
        with contextlib.suppress(OSError, ValueError):
            stream.write(message)
            stream.flush()

    def _listen(self) -> None:
        stream: IO[bytes] | None = self._process.stdout
        while stream is not None:
            try:
                message: Message = pickle.load(stream)
            except (EOFError, OSError):
                break
            except Exception:  # noqa: BLE001  whatever it said, it cannot be understood any more
                self._last_lines.append(traceback.format_exc())
                self._process.kill()
                break
            if not isinstance(message, Event):
                self._busy = False
            self._on_message(message)
        self._process.wait()
        with self._lock:
            self._gone = True
            waited_for, self._busy = self._busy, False
        if waited_for:
            self._on_message(self._failure())
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _keep_lines(self) -> None:
        stream = self._process.stderr
        if stream is not None:
            for line in stream:
                self._last_lines.append(line.decode(errors="replace").rstrip())

    def _failure(self) -> Failed:
        self._reader.join(timeout=1)  # its last words are the ones that matter
        return Failed(JobFailed(self._how_it_ended(), "\n".join(self._last_lines)))

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        if code in (-9, 137):
            reason = (
                "It was killed, most likely because the memory was full: close other programs or use a smaller patch."
            )
        else:
            reason = f"It ended with code {code}."
        return f"The process that computes is gone. {reason} Your layers are as they were; you can start again."


def _nobody(message: Message) -> None:
    """Take a message that nobody waits for any more."""
