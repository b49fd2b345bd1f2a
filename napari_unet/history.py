"""What was done in a window, step by step, and taking it back: one order for all of it. No Qt, no napari."""

import time
from collections.abc import Iterable

from psygnal import Signal

UNDO_BYTES = 128 * 2**20
"""What all steps of a window together may hold; beyond, the oldest are forgotten."""
MOST_STEPS = 100
"""As many as napari remembers of one layer."""


class Step:
    """Something that was done, and how to take it back.

    Parameters
    ----------
    name
        In words: what "Undo:" says ("closing 2 mm").
    nbytes
        The memory it takes to be able to take it back.
    """

    def __init__(self, name: str, nbytes: int = 0) -> None:
        self.name = name
        self.nbytes = nbytes
        self.when = time.time_ns()
        """When it was done, in ns since 1970."""

    def undo(self) -> None:
        """Take it back."""
        raise NotImplementedError

    def redo(self) -> None:
        """Do it again."""
        raise NotImplementedError

    def forget(self) -> None:
        """Let go of what it holds: it is neither taken back nor done again any more."""

    def is_done(self, recorded: bool) -> bool | None:
        """Whether it is done at this time, or taken back; None when it cannot be either any more.

        Parameters
        ----------
        recorded
            What the history has it as, which is what counts unless somebody else can take it back too.
        """
        return recorded


class History:
    """The steps that can be taken back, the last one first, and those that can be done again.

    Parameters
    ----------
    most_bytes
        What the steps may hold together. The last one stays whatever it holds.
    """

    changed = Signal()
    """Another step than before is next, to undo or to redo."""

    def __init__(self, most_bytes: int = UNDO_BYTES) -> None:
        self._most_bytes = most_bytes
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def done(self) -> tuple[Step, ...]:
        """What can be taken back, the last step last."""
        return tuple(self._done)

    @property
    def next_undo(self) -> Step | None:
        """What undo takes back."""
        return self._done[-1] if self._done else None

    @property
    def next_redo(self) -> Step | None:
        """What redo does again."""
        return self._undone[-1] if self._undone else None

    @property
    def nbytes(self) -> int:
        """The memory that the steps hold."""
        return sum(step.nbytes for step in (*self._done, *self._undone))

    def add(self, step: Step) -> None:
        """Put in what was done just now. What was taken back before cannot be done again after it."""
        undone, self._undone = self._undone, []
        for other in undone:
            other.forget()
        self._done.append(step)
        self._forget_oldest()

    def put_back(self, steps: Iterable[Step]) -> None:
        """Put in steps of an earlier window, each where its time puts it."""
        self._done = sorted((*steps, *self._done), key=lambda step: step.when)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._done) > 1 and (self.nbytes > self._most_bytes or len(self._done) > MOST_STEPS):
            self._done.pop(0).forget()
        self.changed.emit()

    def undo(self) -> Step | None:
        """Take the last step back and give it; None when there is none."""
        self.settle()
        if not self._done:
            return None
        step = self._done.pop()
        self._undone.append(step)
        step.undo()
        self.changed.emit()
        return step

    def redo(self) -> Step | None:
        """Do again what was taken back last, and give it; None when there is nothing."""
        self.settle()
        if not self._undone:
            return None
        step = self._undone.pop()
        self._done.append(step)
        step.redo()
        self.changed.emit()
        return step

    def settle(self) -> None:
        """Follow steps that somebody else took back, did again or made impossible, such as by removing a layer."""
        done = [(step, step.is_done(True)) for step in self._done]
        undone = [(step, step.is_done(False)) for step in self._undone]
        if all(is_done for _, is_done in done) and all(is_done is False for _, is_done in undone):
            return
        self._done = [step for step, is_done in (*done, *reversed(undone)) if is_done]
        self._undone = [step for step, is_done in (*undone, *reversed(done)) if is_done is False]
        self.changed.emit()
