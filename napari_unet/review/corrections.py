"""What a person made of a predicted mask: corrections, and slices marked as right; and what can be learned from them.

A correction is known by itself: a voxel that differs from what the model wrote was changed by a person. A slice that a
person marked as reviewed is right everywhere, whether anything on it was changed or not.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from enum import Enum
from math import nan, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND, UNPAINTED
from napari_unet.review.effort import LOOKED_AT, SliceEffort

if TYPE_CHECKING:
    from napari_unet.review.looking import Look

FAST = 1
"""How hard zlib tries: labels are long runs, and shrink a hundredfold as it is."""


class SliceState(Enum):
    """How far a slice is; of several states the last."""

    PREDICTED = "not looked at"
    LOOKED_AT = "looked at"
    PAINTED = "painted"
    CORRECTED = "corrected"
    REVIEWED = "reviewed"


@dataclass(frozen=True, slots=True)
class ReviewSummary:
    """How far a review is.

    Parameters
    ----------
    states
        Of each slice along Z.
    corrected
        How many voxels a person changed, by slice; slices without any are left out.
    reviewed
        The slices marked as right.
    effort
        What the slices took that a person looked at, in that order.
    earlier
        What those of earlier masks of the scan took, before another model predicted it.
    """

    states: tuple[SliceState, ...]
    corrected: Mapping[int, int]
    reviewed: frozenset[int]
    effort: tuple[SliceEffort, ...] = ()
    earlier: tuple[SliceEffort, ...] = ()

    @property
    def can_teach(self) -> bool:
        """Whether there is something to learn from."""
        return bool(self.corrected or self.reviewed)

    @property
    def looked_at(self) -> set[int]:
        """The slices that a person looked at, painted, corrected or found right."""
        return {z for z, state in enumerate(self.states) if state is not SliceState.PREDICTED}

    def sentence(self) -> str:
        """Say it in one line ("2 slices reviewed, 3 corrected; 129 of 134 not looked at")."""
        count = {state: self.states.count(state) for state in SliceState}
        reviewed, corrected = count[SliceState.REVIEWED], count[SliceState.CORRECTED]
        left = count[SliceState.PREDICTED]
        return (
            f"{reviewed} slice{'s' * (reviewed != 1)} reviewed, {corrected} more corrected; "
            f"{left} of {len(self.states)} not looked at."
        )


class Review:
    """What a model wrote of a mask, and the slices that a person marked as reviewed.

    Parameters
    ----------
    model
        The file of the model.
    reviewed
        Slices (indices along Z) that are right everywhere.
    """

    def __init__(self, model: Path, reviewed: Iterable[int] = ()) -> None:
        self.model = model
        self.reviewed = set(reviewed)
        self.seconds: dict[int, float] = {}
        """How long a person worked on a slice, in the order they were looked at."""
        self.touched: set[int] = set()
        """Slices that a person had in view and painted or clicked on: others may change with them, unseen."""
        self.copied: set[int] = set()
        """Slices that only pieces of this mask are painted on, by a click on another slice."""
        self.looks: dict[int, Look] = {}
        """What the prediction found out in passing, by slice: it tells where to look next."""
        self.earlier: tuple[SliceEffort, ...] = ()
        """What was spent on earlier masks of the scan, slice by slice."""
        self._taken_over: frozenset[int] = frozenset()
        self._written: dict[int, bytes] = {}
        self._vouched: dict[int, bytes] = {}
        self._refined: dict[int, bytes] = {}
        self.models: tuple[Mapping[str, Any], ...] = ()
        """What is known of the models that wrote it, as JSON values, for whoever asks where a mask comes from."""

    @property
    def checksum(self) -> int:
        """A number that is another as soon as the model, a person or a refinement wrote something else of a slice."""
        checksum = 0
        for known in (self._written, self._vouched, self._refined):
            for z in sorted(known):
                checksum = zlib.crc32(b"%d " % z + known[z], checksum)
            checksum = zlib.crc32(b"next", checksum)
        return checksum

    def copy(self) -> "Review":
        """Make another of the same, for a mask that is made of this one."""
        other = Review(self.model)
        other.take_notes(self.notes())
        other.looks = dict(self.looks)
        other._written, other._vouched, other._refined = dict(self._written), dict(self._vouched), dict(self._refined)
        return other

    def note(self, z: int, plane: NDArray[np.uint8]) -> None:
        """Note what the model wrote of slice ``z``, (Y, X) uint8."""
        self._written[z] = _packed(plane)

    def written(self, z: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Give what the model wrote of slice ``z``, (Y, X) uint8; zeros where it wrote nothing."""
        return _unpacked(self._written.get(z), shape)

    def spend(self, z: int, seconds: float) -> bool:
        """Note that a person worked so long on slice ``z``; tell whether that makes it one that was looked at."""
        before = self.seconds.get(z, 0.0)
        self.seconds[z] = before + seconds
        return before < LOOKED_AT <= self.seconds[z]

    def touch(self, z: int) -> None:
        """Note that a person changed slice ``z`` while looking at it."""
        self.touched = self.touched | {z}  # another thread may go through them

    def take_over(self, before: "Review", effort: tuple[SliceEffort, ...]) -> None:
        """Begin with what a person said of the mask before this one, which took that effort.

        The slices that were right are right here too, as they were: they are no effort of this mask.
        """
        self.earlier = before.earlier + effort
        self._taken_over = frozenset(before.reviewed)
        self.reviewed = self.reviewed | before.reviewed  # another thread may go through the marks
        self.touched, self.copied = self.touched | before.touched, self.copied | before.copied

    def notes(self) -> dict[str, Any]:
        """Say, as JSON values, what is known beside voxels: marks, and what slices took."""
        return {
            "reviewed": sorted(self.reviewed),
            "seconds": [[z, round(seconds, 1)] for z, seconds in tuple(self.seconds.items())],
            "touched": sorted(self.touched),
            "copied": sorted(self.copied),
            "taken_over": sorted(self._taken_over),
            "earlier": [astuple(effort) for effort in self.earlier],
            "models": list(self.models),
        }

    def take_notes(self, notes: Mapping[str, Any]) -> None:
        """Know what another review of the same mask said in its notes."""
        self.reviewed = set(notes["reviewed"])
        self.seconds = dict(notes.get("seconds", ()))
        self.touched = set(notes.get("touched", self.seconds))
        self.copied = set(notes.get("copied", ()))
        self._taken_over = frozenset(notes.get("taken_over", ()))
        self.earlier = tuple(
            SliceEffort(z, seconds, changed, tuple((label, moved, there) for label, moved, there in classes))
            for z, seconds, changed, classes in notes.get("earlier", ())
        )
        self.models = tuple(notes.get("models", ()))

    def vouch(self, z: int, where: NDArray[np.bool_]) -> None:
        """Note which voxels of slice ``z``, (Y, X), a person stands for as they are, changed or not."""
        if where.any():
            self._vouched[z] = _packed(np.packbits(where))
        else:
            self._vouched.pop(z, None)

    def vouched(self, z: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Give the voxels of slice ``z`` that a person stands for as they are, changed or not, (Y, X) bool."""
        voxels = prod(shape)
        bits = _unpacked(self._vouched.get(z), (-(-voxels // 8),))
        return np.unpackbits(bits, count=voxels).astype(np.bool_).reshape(shape)

    def refine(self, z: int, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        """Note what a refinement changed of slice ``z``, (Y, X) uint8: nobody stands for it."""
        changed = before != after
        if changed.any():
            refined = self.refined(z, after.shape)
            refined[changed] = after[changed] + np.uint8(1)
            self.note_refined(z, refined)

    def note_refined(self, z: int, refined: NDArray[np.uint8]) -> None:
        """Note all that refinements wrote of slice ``z``, as :meth:`refined` gives it."""
        if refined.any():
            self._refined[z] = _packed(refined)

    def refined(self, z: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Give what refinements wrote of slice ``z``, (Y, X) uint8: the label and 1, or 0 where they wrote nothing."""
        return _unpacked(self._refined.get(z), shape).copy()

    def _changed(self, z: int, plane: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell which voxels of slice ``z`` differ from what the model wrote, and are not as a refinement left them."""
        changed: NDArray[np.bool_] = plane != self.written(z, plane.shape)
        if z in self._refined:
            changed &= plane + np.uint8(1) != self.refined(z, plane.shape)
        return changed

    def corrected(self, z: int, plane: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell which voxels of slice ``z``, (Y, X), a person changed; ``plane`` is what the slice is now."""
        return self._changed(z, plane) | self.vouched(z, plane.shape)

    def shares(self, mask: NDArray[np.uint8]) -> dict[str, int]:
        """Count the voxels of a mask by who made them so: a person, the model, or a refinement.

        Parameters
        ----------
        mask
            (Z, Y, X) uint8 as it is now. Voxels that are background, and were when the model wrote them, are left out.

        Returns
        -------
        dict
            By "person", "model" and "refinement".
        """
        shares = {"person": 0, "model": 0, "refinement": 0}
        for z, plane in enumerate(mask):
            written, by_person = self.written(z, plane.shape), self.corrected(z, plane)
            counts, same = (plane != 0) | (written != 0), plane == written
            shares["person"] += int(np.count_nonzero(counts & by_person))
            shares["model"] += int(np.count_nonzero(counts & ~by_person & same))
            shares["refinement"] += int(np.count_nonzero(counts & ~by_person & ~same))
        return shares

    def summary(self, mask: NDArray[np.uint8], paint: NDArray[np.uint8] | None = None) -> ReviewSummary:
        """See how far the review is.

        A slice that was changed from another one, by a click on a piece that goes through both, was not looked at.

        Parameters
        ----------
        mask
            (Z, Y, X) uint8 as it is now.
        paint
            (Z, Y, X) uint8, the paint of the same scan.
        """
        corrected = {z: int(np.count_nonzero(self.corrected(z, plane))) for z, plane in enumerate(mask)}
        states = []
        for z in range(len(mask)):
            looked_at = self.seconds.get(z, 0.0) >= LOOKED_AT
            seen = looked_at or z in self.touched
            if z in self.reviewed:
                states.append(SliceState.REVIEWED)
            elif corrected[z] and seen:
                states.append(SliceState.CORRECTED)
            elif paint is not None and paint[z].any() and (seen or z not in self.copied):
                states.append(SliceState.PAINTED)
            elif looked_at:
                states.append(SliceState.LOOKED_AT)
            else:
                states.append(SliceState.PREDICTED)
        changed = {z: count for z, count in corrected.items() if count}
        return ReviewSummary(tuple(states), changed, frozenset(self.reviewed), self.effort(mask), self.earlier)

    def effort(self, mask: NDArray[np.uint8]) -> tuple[SliceEffort, ...]:
        """Tell what the slices took that a person looked at, in that order.

        Parameters
        ----------
        mask
            (Z, Y, X) uint8 as it is now.
        """
        efforts = []
        for z, seconds in tuple(self.seconds.items()):
            if seconds >= LOOKED_AT and z not in self._taken_over:
                plane = mask[z]
                changed = self._changed(z, plane) & ~self.vouched(z, plane.shape)
                before = np.where(changed, self.written(z, plane.shape), plane)
                efforts.append(SliceEffort.of(z, seconds, before, plane))
        return tuple(efforts)

    def vouched_for(self, mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell which voxels of a mask a person stands for: reviewed slices whole, and corrections.

        Parameters
        ----------
        mask
            (Z, Y, X) uint8 as it is now.

        Returns
        -------
        numpy.ndarray
            (Z, Y, X) bool.
        """
        sure = np.zeros(mask.shape, np.bool_)
        for z, plane in enumerate(mask):
            sure[z] = True if z in self.reviewed else self.corrected(z, plane)
        return sure

    def lesson(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Make paint of reviewed slices and corrections, where what is not painted is unknown.

        Parameters
        ----------
        mask
            (Z, Y, X) uint8 as it is now.

        Returns
        -------
        numpy.ndarray
            (Z, Y, X) uint8 paint: 0 not known, 255 background.
        """
        return np.stack([self.lesson_on(z, plane) for z, plane in enumerate(mask)])

    def found_right(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Make paint of the reviewed slices of a mask only, both (Z, Y, X) uint8: what models can be compared on."""
        return np.stack(
            [self.lesson_on(z, plane) if z in self.reviewed else np.zeros_like(plane) for z, plane in enumerate(mask)]
        )

    def lesson_on(self, z: int, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Make paint of slice ``z``, (Y, X), as :meth:`lesson` does of all."""
        said = np.where(plane == 0, np.uint8(BACKGROUND), plane)
        if z not in self.reviewed:
            said[~self.corrected(z, plane)] = UNPAINTED
        return said

    def corrections(self, mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell which voxels of a mask, (Z, Y, X), a person changed: they count more than others on reviewed slices."""
        return np.stack([self.corrected(z, plane) for z, plane in enumerate(mask)])

    def dice(self, truth: NDArray[np.uint8]) -> dict[int, float]:
        """Measure how near what the model wrote comes to reviewed slices, (Z, Y, X) uint8 as they are now.

        Returns
        -------
        dict
            By reviewed slice: the mean over the classes on it of the Dice coefficient; 1 where there is none on
            either side.
        """
        return {z: mean_dice(self.written(z, truth[z].shape), truth[z]) for z in sorted(self.reviewed)}


def mean_dice(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Average the Dice coefficients of the classes that two masks of one shape hold; 1 when neither holds any."""
    a, b = np.bincount(one.ravel(), minlength=256), np.bincount(other.ravel(), minlength=256)
    shared = np.bincount(one[one == other].ravel(), minlength=256)
    total = (a + b)[1:]
    dice = np.divide(2 * shared[1:], total, out=np.full(255, nan), where=total > 0)
    return float(np.nanmean(dice)) if total.any() else 1.0


def _packed(plane: NDArray[np.uint8]) -> bytes:
    return zlib.compress(np.ascontiguousarray(plane).data, FAST)


def _unpacked(packed: bytes | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Give what was packed, which is not to be written to; zeros where nothing was."""
    if packed is None:
        return np.zeros(shape, np.uint8)
    return np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)
