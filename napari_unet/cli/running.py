"""Running a job in the terminal: progress on stderr, and what Ctrl-C does."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import FrameType
from typing import Any, Generic, Protocol

from napari_unet.events import Command, EpochDone, Event, Job, Note, Progress, Result, Started, Stop
from napari_unet.runner import run_here

SECONDS_BETWEEN_LINES = 10.0
"""How often progress is told where there is no terminal to draw a bar on."""


@dataclass(frozen=True, eq=False)
class Ran(Generic[Result]):
    """What came of a job.

    Parameters
    ----------
    result
        What it returned.
    stopped
        Whether it was asked to stop early.
    """

    result: Result
    stopped: bool


def run(job: Job[Result], title: str) -> Ran[Result]:
    """Run a job to its end, showing how far it is.

    The first Ctrl-C asks the job to stop and keep what it has; the second gives up.

    Parameters
    ----------
    job
        The job.
    title
        What it does, in a word or two.

    Raises
    ------
    KeyboardInterrupt
        On the second Ctrl-C; the job is closed by then.
    UnetError
        What the job raises.
    """
    with _interrupts() as interrupts, _display(title) as display:

        def command() -> Command | None:
            if not interrupts.news():
                return None
            display.say("Stopping, and keeping what there is. Press Ctrl-C again to give up and write nothing.")
            return Stop()

        result = run_here(job, on_event=display.show, command_source=command)
    return Ran(result, interrupts.asked)


class _Interrupts:
    """Counts the presses of Ctrl-C."""

    def __init__(self) -> None:
        self.asked = False
        self._told = False

    def pressed(self, number: int, frame: FrameType | None) -> None:
        """Remember the first; on the second raise where the program is at the moment."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def news(self) -> bool:
        """Whether Ctrl-C was pressed since this was asked last."""
        news = self.asked and not self._told
        self._told = self.asked
        return news


@contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    interrupts = _Interrupts()
    before = signal.signal(signal.SIGINT, interrupts.pressed)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


class _Display(Protocol):
    def show(self, event: Event) -> None: ...

    def say(self, text: str) -> None: ...


@contextmanager
def _display(title: str) -> Iterator[_Display]:
    if not sys.stderr.isatty():
        yield _Lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[status]}"))
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield _Bar(bars, title)


class _Status:
    """Where a job is, in words, from the events so far."""

    def __init__(self) -> None:
        self.fraction = 0.0
        self._where = self._quality = self._left = ""

    def follow(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.fraction, self._where = event.fraction, event.text
            self._left = "" if event.seconds_left is None else f"{_duration(event.seconds_left)} left"
        elif isinstance(event, EpochDone):
            dice = event.validation_dice
            self._quality = "" if dice is None else f"Dice {dice:.2f} on held-out paint"

    def __str__(self) -> str:
        return ", ".join(part for part in (self._where, self._quality, self._left) if part)


class _Lines:
    """Progress as a line every few seconds, for logs."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._status = _Status()
        self._due = monotonic() + SECONDS_BETWEEN_LINES

    def show(self, event: Event) -> None:
        self._status.follow(event)
        if (text := _sentence(event)) is not None:
            self.say(text)
        elif isinstance(event, Progress) and monotonic() >= self._due:
            self.say(f"{self._status.fraction:.0%}, {self._status}")
            self._due = monotonic() + SECONDS_BETWEEN_LINES

    def say(self, text: str) -> None:
        sys.stderr.write(f"{self._title}: {text}\n")
        sys.stderr.flush()


class _Bar:
    """Progress as a bar in a terminal."""

    def __init__(self, bars: Any, title: str) -> None:
        self._bars = bars
        self._status = _Status()
        self._task = bars.add_task(title, total=1.0, status="")

    def show(self, event: Event) -> None:
        self._status.follow(event)
        if (text := _sentence(event)) is not None:
            self.say(text)
        self._bars.update(self._task, completed=self._status.fraction, status=str(self._status))

    def say(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


def _sentence(event: Event) -> str | None:
    """Give what should be said at once."""
    if isinstance(event, Started):
        return f"{event.what} ({event.device})" if event.device else event.what
    return event.text if isinstance(event, Note) else None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
