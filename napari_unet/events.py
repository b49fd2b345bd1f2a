"""What a job reports while it runs, and what it may be told.

A job is a generator: it yields events, is sent commands, returns its result and raises a ``UnetError``.
A yield is the only point where it can be told something or cancelled (``close()``). Events are frozen and
small, so that they can be pickled across a pipe; arrays are written into buffers the caller gave.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from napari_unet.review.looking import Look


@dataclass(frozen=True, slots=True)
class Event:
    """Something a job reports."""


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The job has its inputs and begins; ``device`` is where it computes ("CPU, 2 threads, bf16")."""

    what: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """How far it is.

    Parameters
    ----------
    fraction
        0..1 of the whole job.
    text
        Where it is, in words ("slice 58 of 134").
    seconds_left
        An estimate, or None while there is none.
    """

    fraction: float
    text: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class EpochDone(Event):
    """One round of training and, when there is held-out paint, its validation.

    Parameters
    ----------
    step
        Optimiser steps so far.
    seconds
        Seconds of training so far.
    train_loss
        Mean over the round.
    validation_loss, validation_dice
        On held-out paint; None when too little was painted to hold any out.
    dice_per_class
        Dice by label number on held-out paint.
    learning_rate
        At the end of the round.
    best
        Whether this is the best model so far.
    """

    step: int
    seconds: float
    train_loss: float
    validation_loss: float | None = None
    validation_dice: float | None = None
    dice_per_class: dict[int, float] = field(default_factory=dict)
    learning_rate: float = 0.0
    best: bool = False


@dataclass(frozen=True, slots=True)
class SlicesDone(Event):
    """These slices (indices along Z) of the output buffer now hold their result.

    Parameters
    ----------
    slices
        Indices along Z.
    looks
        What was found out about them in passing, by slice; of those that hold nothing but air, nothing.
    """

    slices: tuple[int, ...]
    looks: dict[int, Look] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Preview(Event):
    """Slice ``z`` of the preview buffer now holds what the model at hand makes of it."""

    z: int


@dataclass(frozen=True, slots=True)
class Note(Event):
    """Something the user should know, in one sentence; the job goes on."""

    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """Something a job is told at its next yield."""


@dataclass(frozen=True, slots=True)
class Stop(Command):
    """Finish now and keep what you have."""


@dataclass(frozen=True, slots=True)
class LookAt(Command):
    """The user looks at slice ``z`` of the first scan: preview it, predict it first."""

    z: int


Result = TypeVar("Result")
Job: TypeAlias = Generator[Event, Command | None, Result]


def result_of(job: Generator[Any, Any, Result]) -> Result:
    """Run a job to its end, let what it yields go, and give its result."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            result: Result = end.value
            return result
