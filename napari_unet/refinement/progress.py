"""How far a step is."""

from collections.abc import Generator
from typing import NamedTuple, TypeVar

Outcome = TypeVar("Outcome")


class Done(NamedTuple):
    """How far a step is.

    Parameters
    ----------
    share
        How much of it is done, 0..1.
    what
        Which part of it that was, in words ("class 2", "slice 3 of 40").
    """

    share: float
    what: str = ""


def scaled(job: Generator[float, None, Outcome], start: float, share: float) -> Generator[float, None, Outcome]:
    """Run a job that yields how much of it is done, 0..1, as a ``share`` of a larger one that is at ``start``."""
    while True:
        try:
            yield start + share * next(job)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
