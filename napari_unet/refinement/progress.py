"""How far a step is."""

from typing import NamedTuple


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
