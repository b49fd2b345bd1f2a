"""When to stop correcting: what each slice took, in the order they were looked at, and what follows from that."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf

import numpy as np
from numpy.typing import NDArray

LOOKED_AT = 2.0
"""Seconds on a slice, from which on it was looked at and not scrolled past."""
IDLE = 20.0
"""Seconds without a sign of the person, after which the time on a slice is not counted."""
LONGEST_TICK = 2.0
"""Seconds that are counted at once: a computer may have slept between two looks at the clock."""
LAST = 5
"""So many slices tell whether to go on."""
ENOUGH = 0.02
"""Share of a class on those slices that may be wrong when one can stop."""


@dataclass(frozen=True, slots=True)
class SliceEffort:
    """What a person spent on a slice.

    Parameters
    ----------
    z
        The slice, an index along Z.
    seconds
        How long the person worked on it.
    changed
        How many voxels the person changed.
    classes
        Of each class that there is, before that or after it: its label, how many voxels it won or lost, and how many
        it has, before or after, whichever is more.
    """

    z: int
    seconds: float
    changed: int
    classes: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, z: int, seconds: float, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> "SliceEffort":
        """Compare slice ``z``, (Y, X) uint8, with what a person made of it."""
        where = before != after
        moved = _count(before[where]) + _count(after[where])
        there = np.maximum(_count(before), _count(after))
        classes = ((int(label), int(moved[label]), int(there[label])) for label in np.flatnonzero(there) if label)
        return cls(z, seconds, int(np.count_nonzero(where)), tuple(classes))


class Attention:
    """Counts how long a person works: not while the window is behind others, nor when nobody is there."""

    def __init__(self) -> None:
        self._then: float | None = None
        self._sign: Hashable = None
        self._until = -inf

    def seconds(self, now: float, sign: Hashable, in_front: bool) -> float:
        """Give the seconds that count since the last call.

        Parameters
        ----------
        now
            A clock that never goes back, in seconds.
        sign
            Anything that is another whenever the person did something, such as where the mouse is.
        in_front
            Whether the window is the one the person works in.
        """
        then, self._then = self._then, now
        if in_front and sign != self._sign:
            self._until = now + IDLE
        self._sign = sign
        return min(now - then, LONGEST_TICK) if then is not None and in_front and now < self._until else 0.0


def duration(seconds: float) -> str:
    """Say how long something took ("42 s", "3 min")."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def advice(series: Sequence[SliceEffort], amount: Callable[[int], str], name: Callable[[int], str]) -> str:
    """Say in a sentence whether it is worth to look at more slices.

    Only slices that have something of the mask on them, or should have had, tell anything: a person who scrolls
    through the empty end of a scan has learned nothing about the mask. The rule is relative to each class, so that it
    holds for a liver and for a lesion in it. When over the last five such slices no class won or lost more than 2 % of
    its voxels (a Dice coefficient of 0.99, closer than two people draw), or a voxel a slice, the slices that were not
    looked at need as little, and one can stop. Fewer than five tell too little.

    Parameters
    ----------
    series
        What was spent on each slice, in the order they were looked at.
    amount
        Says how much some voxels are ("0.31 ml").
    name
        Names the class of a label.

    Returns
    -------
    str
        The sentence; "" before any such slice was looked at.
    """
    telling = [effort for effort in series if effort.classes]
    if not telling:
        return ""
    if len(telling) < LAST:
        return f"You looked at {len(telling)} of the {LAST} slices that it takes to say whether you can stop."
    last = telling[-LAST:]
    each = f"{duration(sum(effort.seconds for effort in last) / LAST)} each"
    moved, there = Counter[int](), Counter[int]()
    for label, won_or_lost, size in chain.from_iterable(effort.classes for effort in last):
        moved[label] += won_or_lost
        there[label] += size
    changed = sum(effort.changed for effort in last)
    wrong = {label: moved[label] / there[label] for label in there if moved[label] > max(LAST, ENOUGH * there[label])}
    if not wrong:
        share = f"{100 * changed / there.total():.1f} % of the mask there"
        needed = f"{amount(changed)} ({share})" if changed else "no change"
        return f"The last {LAST} slices needed {needed}, {each}: you can stop."
    worst = max(wrong, key=wrong.__getitem__)
    share = f"{100 * wrong[worst]:.0f} % of {name(worst)} there"
    return (
        f"Slices still need about {amount(round(changed / LAST))} each ({share}), {each}: "
        "go on, or let it learn from what you corrected."
    )


def _count(labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    return np.bincount(labels.ravel(), minlength=256)
