"""Where a person who corrects a predicted mask should look next.

The slice that teaches a model most is one that it is unsure of, that is unlike those it has been told about, and that
many others are like: of two neighbours that look alike, correcting one does for both. To choose what is unsure and
stands for the rest, with the difference measured by what the network itself sees, is suggestive annotation: Yang et
al. 2017, doi:10.1007/978-3-319-66179-7_46; that a choice is to cover what was not chosen, Sener and Savarese 2018,
doi:10.48550/arXiv.1708.00489.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a prediction found out in passing about a slice.

    Parameters
    ----------
    unsure
        Share of the voxels on edges between classes whose class is hardly more likely than the next.
    doubt
        Share of its voxels that are wrong, as the probabilities have it.
    place
        (y, x) in voxels, around which most of them are.
    features
        (F,) float32: what the network sees on it, on average; slices that look alike have like features.
    """

    unsure: float
    doubt: float
    place: tuple[float, float]
    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A slice to look at.

    Parameters
    ----------
    z
        Index along Z.
    reason
        Why, in words.
    place
        (y, x) in voxels, where to look first; None where that is not known.
    """

    z: int
    reason: str
    place: tuple[float, float] | None = None

    def sentence(self) -> str:
        """Say it in one line ("Look at slice 17 next: unsure along 14 % of the edge; like the slices you painted.")."""
        return f"Look at slice {self.z} next: {self.reason}."


def where_next(slices: int, looked_at: Collection[int], looks: Mapping[int, Look]) -> Suggestion | None:
    """Choose the slice to look at next: the one that stands for the most doubt.

    Looking at a slice also tells of those like it: it brings the doubt on each of them nearer to something that was
    looked at. A slice is worth that doubt times how much nearer it comes. So a slice wins that is unsure itself and
    unlike those that were looked at, and not for being odd, but for being like many that are. Two slices differ by how
    unlike the network finds them, and less by how far apart they lie. The choices of one prediction, each looked at
    before the next is made, are good together.

    Parameters
    ----------
    slices
        How many there are.
    looked_at
        Those that a person painted, corrected or found right, as indices along Z.
    looks
        What the prediction found out, by slice. Where it found out nothing, it is the slice furthest from those that
        were looked at.

    Returns
    -------
    Suggestion or None
        None when all were looked at.
    """
    left = [z for z in range(slices) if z not in looked_at]
    known = [z for z in left if z in looks]
    if not left:
        return None
    if not known:
        return _furthest(left, looked_at)
    others = [z for z in looked_at if z in looks]
    apart = _differences(known, others + known, looks)
    to_others, to_known = apart[:, : len(others)], apart[:, len(others) :]
    difference = to_others.min(1) if others else to_known.max(1)
    doubt = np.array([looks[z].doubt for z in known])
    best = int(np.argmax(doubt @ (difference[:, None] - to_known).clip(0)))
    look, reasons = looks[known[best]], []
    if look.unsure:
        reasons.append(f"unsure along {100 * look.unsure:.0f} % of the edge")
    if others:
        reasons.append(f"{'unlike' if difference[best] >= np.median(difference) else 'like'} the slices you painted")
    return Suggestion(known[best], "; ".join(reasons) or "as good as any", look.place)


def _differences(slices: list[int], others: list[int], looks: Mapping[int, Look]) -> NDArray[np.float64]:
    """Measure how much each of ``slices`` differs from each of ``others``."""
    ours, theirs = (np.stack([looks[z].features for z in some]).astype(float) for some in (slices, others))
    unlike = (ours**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * ours @ theirs.T
    apart = np.abs(np.subtract.outer(slices, others))
    differences: NDArray[np.float64] = np.sqrt(unlike.clip(0) * apart)
    return differences


def _furthest(left: list[int], looked_at: Collection[int]) -> Suggestion:
    """Choose the slice that is furthest along Z from any that was looked at; the middle one when none was."""
    if not looked_at:
        return Suggestion(left[len(left) // 2], "in the middle")
    away = {z: min(abs(z - other) for other in looked_at) for z in left}
    z = max(left, key=away.__getitem__)
    return Suggestion(z, f"{away[z]} slice{'s' * (away[z] != 1)} away from any you looked at")
