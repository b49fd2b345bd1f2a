"""The child process: ``python -m napari_unet.runner``. It is started by the window, never by hand."""

import os
import pickle
import queue
import sys
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from typing import IO, Any

from napari_unet.errors import JobFailed, OutOfMemory, UnetError
from napari_unet.events import Command, Stop
from napari_unet.runner.child import Close, Closed, Failed, Finished, Message, Run, Warm
from napari_unet.runner.here import run_here

_NICENESS = 5
"""The window goes first when both want the processor."""


class _CloseJob(Exception):
    """Raised where the job's next command is fetched: leaves the job through its ``finally``."""


class Worker:
    """Runs one job after another, as told through a stream of messages."""

    def __init__(self, told: IO[bytes], tells: IO[bytes]) -> None:
        self._told = told
        self._tells = tells
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def serve(self) -> None:
        """Run jobs until the window is gone."""
        threading.Thread(target=self._receive, daemon=True).start()
        while True:
            match self._inbox.get():
                case Run(request):
                    self._run(request)
                case Warm(modules):
                    for module in modules:
                        with suppress(Exception):  # the job that needs it will say what is wrong with it
                            import_module(module)

    def _receive(self) -> None:
        while True:
            try:
                self._inbox.put(pickle.load(self._told))
            except (EOFError, OSError):
                os._exit(0)  # the window is gone, and with it whoever wanted the job
            except Exception:  # noqa: BLE001  what was asked cannot be understood; the window says so
                traceback.print_exc()
                os._exit(1)

    def _run(self, request: Any) -> None:
        try:
            self._send(Finished(run_here(request.job(), self._send, self._command)))
        except _CloseJob:
            self._send(Closed())
        except UnetError as error:
            self._send(Failed(error))
        except MemoryError:
            text = "The memory is full: close other programs, or use a smaller scan or patch."
            self._send(Failed(OutOfMemory(text)))
        except Exception as error:  # noqa: BLE001  whatever it is, the user is told and the process goes on
            text = f"Something unforeseen happened ({type(error).__name__}: {error}). Your layers are as they were."
            self._send(Failed(JobFailed(text, traceback.format_exc())))

    def _command(self) -> Command | None:
        """Take everything that was said since the last yield: the last word counts, but Stop stays said."""
        command: Command | None = None
        while not self._inbox.empty():
            what = self._inbox.get()
            if isinstance(what, Close):
                raise _CloseJob
            if isinstance(what, Command) and not isinstance(command, Stop):
                command = what
        return command

    def _send(self, message: Message) -> None:
        self._tells.write(pickle.dumps(message))
        self._tells.flush()


def main() -> None:
    """Take the pipes over and serve."""
    tells = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not get between the messages
    if os.name == "posix":
        os.nice(_NICENESS)
    Worker(sys.stdin.buffer, tells).serve()


if __name__ == "__main__":
    main()
