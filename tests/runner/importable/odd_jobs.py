"""Requests that the child process imports: each is a job that does one odd thing."""

import os
import sys
import threading
from dataclasses import dataclass

from napari_unet.errors import BadInput, OutOfMemory
from napari_unet.events import Command, Note, Progress, Started, Stop


@dataclass(frozen=True)
class Count:
    """Reports ``to`` times; stops when told; leaves a file when it is over, however."""

    to: int
    mark: str = ""

    def job(self):
        try:
            yield Started("counting")
            for number in range(self.to):
                if isinstance((yield Progress(number / self.to)), Stop):
                    return f"stopped early, after {number}"
            return "counted"
        finally:
            if self.mark:
                with open(self.mark, "w") as file:
                    file.write(str(os.getpid()))


_gate = threading.Event()


@dataclass(frozen=True)
class OpenGate(Command):
    """Lets a waiting job go on as soon as it arrives, which is after all that was said before."""

    def __reduce__(self):
        return _open_gate, ()


def _open_gate():
    _gate.set()


@dataclass(frozen=True)
class Wait:
    """Makes no yield until the gate is open; then gives what it heard at the first."""

    def job(self):
        heard = yield Note(f"open: {_gate.wait(60)}")
        return heard


@dataclass(frozen=True)
class Refuse:
    def job(self):
        yield Started("refusing")
        raise BadInput("the scan is upside down: turn it over.")


@dataclass(frozen=True)
class Break:
    def job(self):
        yield Started("breaking")
        return [][7]


@dataclass(frozen=True)
class Fill:
    kind: str

    def job(self):
        yield Started("filling")
        if self.kind == "python":
            raise MemoryError
        raise OutOfMemory("the graphics card is full.")


@dataclass(frozen=True)
class Chatter:
    """Prints by every way there is."""

    def job(self):
        yield Started("chattering")
        sys.stdout.write("a library\n" * 10_000)
        sys.stdout.flush()
        os.write(1, b"a C library\n" * 100)
        os.system("echo a program")
        yield Progress(1.0)
        return "still understood"


@dataclass(frozen=True)
class Garble:
    """Writes between the messages."""

    def job(self):
        yield Started("garbling")
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b"\x80\x04not a message at all.")
            except OSError:
                continue
        yield Started("going on")
        while True:
            yield Progress(0.5)


@dataclass(frozen=True)
class Exit:
    def job(self):
        yield Started("leaving")
        sys.stderr.write("last words\n")
        os._exit(3)


class Unreadable:
    """Can be written to the pipe, not read from it."""

    def __reduce__(self):
        return int, ("not a number",)

    def job(self):
        yield Started("never")


class Unwritable:
    """Cannot even be written to the pipe."""

    def __reduce__(self):
        raise TypeError("this cannot travel")

    def job(self):
        yield Started("never")


@dataclass(frozen=True)
class GiveUnwritable:
    def job(self):
        yield Started("returning")
        return Unwritable()
