"""The steps of a refinement, one after the other, on whole masks or on the few slices somebody looks at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, prod
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import as_mask
from napari_unet.config import Closing, FillHoles, KeepLargest, Opening, RefineConfig, RefineStep, RemoveSmall, Smooth
from napari_unet.errors import BadInput
from napari_unet.events import Job, Note, Progress, SlicesDone, Started, Stop
from napari_unet.refinement.morphology import Spacing, closing, fill_holes, opening, smooth, smoothing_reach
from napari_unet.refinement.pieces import keep_largest, remove_small

DEFAULT = RefineConfig()


@dataclass(frozen=True, eq=False)
class Refined:
    """A refined mask and what changed.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8: 0 background, 1..254 classes.
    added, removed
        Voxels that each class gained and lost; a voxel that went from one class to another counts in both.
    voxel_ml
        Volume of a voxel in ml.
    """

    labels: NDArray[np.uint8]
    added: dict[int, int]
    removed: dict[int, int]
    voxel_ml: float

    @property
    def added_ml(self) -> dict[int, float]:
        """What each class gained, in ml."""
        return {label: count * self.voxel_ml for label, count in self.added.items()}

    @property
    def removed_ml(self) -> dict[int, float]:
        """What each class lost, in ml."""
        return {label: count * self.voxel_ml for label, count in self.removed.items()}

    @property
    def changed(self) -> tuple[int, ...]:
        """The classes that changed, ascending."""
        return tuple(sorted({*self.added, *self.removed}))


def refine_job(
    mask: NDArray[np.uint8],
    config: RefineConfig = DEFAULT,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    depth: int | None = None,
    protected: NDArray[np.bool_] | None = None,
    out: NDArray[np.uint8] | None = None,
    slices: Sequence[int] | None = None,
) -> Job[Refined]:
    """Refine a mask step by step.

    Parameters
    ----------
    mask
        (Z, Y, X) uint8: 0 background, 1..254 classes. It is not changed.
    config
        The steps.
    spacing
        Distance between voxel centres, (z, y, x) in mm.
    depth
        Slices of one volume, when several are folded into Z; nothing crosses from one to the next. All of Z
        when None.
    protected
        (Z, Y, X) bool: voxels that do not change, such as those a person painted. A connected piece that
        holds some is not removed.
    out
        (Z, Y, X) uint8, another array than ``mask``, to write the result into volume by volume; made when
        None. Slices that are not done yet hold the mask as it was.
    slices
        The only slices (indices along Z) whose result is wanted, as for a preview; all when None. They come
        out as in the refinement of the whole mask, but no more than that takes is computed. Other slices of
        the result hold the mask as it was, and only the wanted ones are counted.

    Yields
    ------
    Event
        Started; Progress at the start of every step and after every class; SlicesDone for every volume. On
        Stop the step at hand is finished, and the result is that of the steps done by then.

    Returns
    -------
    Refined
        The refined mask; its labels are ``out`` when that was given.

    Raises
    ------
    BadInput
        The mask holds painted background (255), or the arguments do not fit it.
    """
    _check(mask, spacing, depth, protected, out)
    depth = len(mask) if depth is None else depth
    out = np.empty_like(mask) if out is None else out
    np.copyto(out, mask)
    steps = [step for step in config.steps if step.enabled]
    volumes = _wanted(len(mask) if slices is None else slices, len(mask), depth)
    largest = max(1, int(mask.max(initial=0)))
    yield Started("refining the mask", "CPU")
    if depth == 1 and any(isinstance(step, RemoveSmall) and step.volume for step in steps):
        yield Note("A single slice has no volume: small pieces are told by their number of voxels only.")
    began, stopped = monotonic(), False
    added, removed = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for number, (start, wanted) in enumerate(volumes.items()):
        whole = slice(start, start + depth)
        volume = _Volume(mask[whole].copy(), mask[whole], None if protected is None else protected[whole], spacing)
        for place, label in _refined(volume, steps, slice(wanted[0] - start, wanted[-1] + 1 - start)):
            if stopped and not label:
                break
            fraction = (number + (place + label / largest) / len(steps)) / len(volumes)
            command = yield Progress(fraction, _text(steps, place, label), _seconds_left(began, fraction))
            stopped |= isinstance(command, Stop)
        for z in wanted:
            out[z] = volume.labels[z - start]
            changed = out[z] != mask[z]
            added += np.bincount(out[z][changed], minlength=256)
            removed += np.bincount(mask[z][changed], minlength=256)
        yield SlicesDone(tuple(wanted))
        if stopped:
            break
    return Refined(out, _by_class(added), _by_class(removed), prod(spacing) / 1000)


@dataclass(frozen=True, eq=False)
class _Volume:
    """One volume being refined: its labels now and at first, what is protected, and (z, y, x) spacing in mm."""

    labels: NDArray[np.uint8]
    original: NDArray[np.uint8]
    fixed: NDArray[np.bool_] | None
    spacing: Spacing

    def part(self, slices: slice) -> "_Volume":
        """Give a view of some slices."""
        fixed = None if self.fixed is None else self.fixed[slices]
        return _Volume(self.labels[slices], self.original[slices], fixed, self.spacing)

    def restore(self) -> None:
        """Give protected voxels their labels back."""
        if self.fixed is not None:
            np.copyto(self.labels, self.original, where=self.fixed)


def _refined(volume: _Volume, steps: Sequence[RefineStep], wanted: slice) -> Iterator[tuple[int, int]]:
    """Do the steps so that the wanted slices come out right; yield (step, 0) before, (step, class) during each."""
    plan: list[tuple[RefineStep, slice, slice]] = []
    for step in reversed(steps):
        seen = _seen(step, wanted, len(volume.labels), volume.spacing)
        plan.append((step, seen, slice(wanted.start - seen.start, wanted.stop - seen.start)))
        wanted = seen
    for place, (step, seen, needed) in enumerate(reversed(plan)):
        yield place, 0
        part = volume.part(seen)
        for label in _apply(step, part, needed):
            yield place, label
        part.restore()


def _seen(step: RefineStep, wanted: slice, depth: int, spacing: Spacing) -> slice:
    """Give the slices a step must see to get the wanted ones right."""
    match step:
        case Opening() | Closing():
            reach = 2 * floor(step.radius / spacing[0]) + 1
        case Smooth():
            reach = smoothing_reach(step.sigma, spacing)[0]
        case FillHoles(by_slice=True):
            reach = 0
        case FillHoles() | RemoveSmall() | KeepLargest():
            reach = depth
    return slice(max(0, wanted.start - reach), min(depth, wanted.stop + reach))


def _apply(step: RefineStep, volume: _Volume, needed: slice) -> Iterator[int]:
    """Do one step on the labels of a volume; yield the classes done. Only ``needed`` slices must come out right."""
    labels, spacing = volume.labels, volume.spacing
    match step:
        case Opening():
            yield from opening(labels, step.classes, radius=step.radius, spacing=spacing)
        case Closing():
            yield from closing(labels, step.classes, radius=step.radius, spacing=spacing)
        case FillHoles():
            yield from fill_holes(labels, step.classes, by_slice=step.by_slice)
        case RemoveSmall():
            fewest = max(step.voxels, _voxels(step.volume, spacing) if len(labels) > 1 else 0)
            remove_small(labels, step.classes, fewest=fewest, fixed=volume.fixed, slices=needed)
        case KeepLargest():
            yield from keep_largest(labels, step.classes, count=step.pieces, fixed=volume.fixed)
        case Smooth():
            yield from smooth(labels, step.classes, sigma=step.sigma, spacing=spacing)


def _voxels(volume: float, spacing: Spacing) -> int:
    """Give the fewest voxels that make up a volume in ml (a piece of just that volume is not below it)."""
    return ceil(volume * 1000 / prod(spacing) * (1 - 1e-9))


def _wanted(slices: int | Sequence[int], total: int, depth: int) -> dict[int, list[int]]:
    """Sort the wanted slices by the first slice of their volume."""
    by_volume: dict[int, list[int]] = {}
    for z in sorted(set(range(slices) if isinstance(slices, int) else slices)):
        if not 0 <= z < total:
            raise BadInput(f"slice {z} is not among the {total} slices of the mask (0 to {total - 1}).")
        by_volume.setdefault(z - z % depth, []).append(z)
    return by_volume


def _check(
    mask: NDArray[np.uint8],
    spacing: Spacing,
    depth: int | None,
    protected: NDArray[np.bool_] | None,
    out: NDArray[np.uint8] | None,
) -> None:
    if mask.ndim != 3 or mask.dtype != np.uint8:
        raise BadInput(f"a mask to refine is (Z, Y, X) uint8; this one is {mask.shape} {mask.dtype}.")
    as_mask(mask)
    if len(spacing) != 3 or not all(0 < length < np.inf for length in spacing):
        raise BadInput(f"the spacing {tuple(spacing)} is not three lengths in mm (z, y, x) above 0.")
    if depth is not None and (depth < 1 or len(mask) % depth):
        raise BadInput(f"{len(mask)} slices cannot be volumes of {depth} slices each.")
    for array, what in ((protected, "the protected voxels are"), (out, "the array for the result is")):
        if array is not None and array.shape != mask.shape:
            raise BadInput(f"{what} {array.shape} but the mask is {mask.shape}: they must have one shape.")


def _text(steps: Sequence[RefineStep], place: int, label: int) -> str:
    text = f"step {place + 1} of {len(steps)}: {steps[place].kind.replace('-', ' ')}"
    return f"{text}, class {label}" if label else text


def _seconds_left(began: float, fraction: float) -> float | None:
    return (monotonic() - began) * (1 / fraction - 1) if fraction else None


def _by_class(counts: NDArray[np.int64]) -> dict[int, int]:
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts) if label}
