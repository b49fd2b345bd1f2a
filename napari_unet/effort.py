"""When to stop correcting: what each slice took, in the order they were looked at, and what follows from that."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import inf

LOOKED_AT = 2.0
"""Seconds on a slice, from which on it was looked at and not scrolled past."""
IDLE = 20.0
"""Seconds without a sign of the person, after which the time on a slice is not counted."""
LONGEST_TICK = 2.0
"""Seconds that are counted at once: a computer may have slept between two looks at the clock."""
LAST = 5
"""So many slices tell whether to go on."""
ENOUGH = 0.02
"""Share of the mask on those slices that may be wrong when one can stop."""


@dataclass(frozen=True, slots=True)
class SliceEffort:
    """What a person spent on a slice.

    Parameters
    ----------
    z
        The slice, an index along Z.
    changed
        How many voxels the person changed.
    mask
        How many voxels of any class there are, before that or after it, whichever is more.
    seconds
        How long the person worked on it.
    """

    z: int
    changed: int
    mask: int
    seconds: float


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


def advice(series: Sequence[SliceEffort], amount: Callable[[int], str]) -> str:
    """Say in a sentence whether it is worth to look at more slices.

    Only slices that have something of the mask on them, or should have had, tell anything: a person who scrolls
    through the empty end of a scan has learned nothing about the mask. The rule is relative to the mask, so that it
    holds for a liver and for a lesion: when over the last five such slices no more than 2 % of the mask's voxels had
    to be changed (a Dice coefficient of 0.99, closer than two people draw), the slices not looked at need as little,
    and one can stop. Fewer than five tell too little.

    Parameters
    ----------
    series
        What was spent on each slice, in the order they were looked at.
    amount
        Says how much some voxels are ("0.31 ml").

    Returns
    -------
    str
        The sentence; "" before any such slice was looked at.
    """
    telling = [effort for effort in series if effort.mask]
    if not telling:
        return ""
    if len(telling) < LAST:
        return f"You looked at {len(telling)} of the {LAST} slices that it takes to say whether you can stop."
    last = telling[-LAST:]
    changed, mask = sum(effort.changed for effort in last), sum(effort.mask for effort in last)
    each = f"{duration(sum(effort.seconds for effort in last) / LAST)} each"
    share = changed / mask
    if share <= ENOUGH:
        needed = f"{amount(changed)} ({share:.1%} of the mask there)" if changed else "no change"
        return f"The last {LAST} slices needed {needed}, {each}: you can stop."
    return (
        f"Slices still need about {amount(round(changed / LAST))} each ({share:.0%} of the mask there), {each}: "
        "go on, or let it learn from what you corrected."
    )
