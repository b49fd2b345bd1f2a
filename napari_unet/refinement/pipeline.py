"""The steps of a refinement, one after the other, on whole masks or on the few slices somebody looks at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import as_mask
from napari_unet.config import DenseCRF, RefineConfig, RefineStep, RemoveSmall
from napari_unet.errors import BadInput
from napari_unet.events import Job, Note, Progress, SlicesDone, Started, Stop
from napari_unet.normalisation import Normalisation, measure
from napari_unet.refinement.distances import Spacing
from napari_unet.refinement.progress import Done
from napari_unet.refinement.steps import apply, check_needs, in_voxels, slices_seen, step_name
from napari_unet.refinement.volume import Evidence, Probabilities, Volume
from napari_unet.scan import Geometry, Scan

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
    intensities: NDArray[Any] | None = None,
    probabilities: Probabilities | None = None,
    region: NDArray[np.uint8] | None = None,
    measured: Sequence[Normalisation] = (),
    geometry: Geometry | None = None,
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
    intensities
        (C, Z, Y, X): the scan, for the steps that look at it; may be lazy.
    probabilities
        Of the classes, for the steps that look at them.
    region
        (Z, Y, X) uint8: another mask, for the step that keeps what lies within it.
    measured
        The range of each channel, where ``intensities`` are but a part of the scan, for the dense CRF; else it is
        measured on them.
    geometry
        Where the voxels lie in the patient, for points that are given in mm there.
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
        The mask holds painted background (255), the arguments do not fit it, or a step needs what is missing.
    """
    known = Evidence(protected, intensities, probabilities, region, tuple(measured))
    steps = [in_voxels(step, geometry) for step in config.enabled]
    _check(mask, spacing, depth, known, out)
    check_needs(steps, known)
    if intensities is not None and not measured and any(isinstance(step, DenseCRF) for step in steps):
        known = replace(known, measured=measure(Scan(intensities)))
    depth = len(mask) if depth is None else depth
    out = np.empty_like(mask) if out is None else out
    np.copyto(out, mask)
    volumes = _wanted(len(mask) if slices is None else slices, len(mask), depth)
    yield Started("refining the mask", "CPU")
    if depth == 1 and any(isinstance(step, RemoveSmall) and step.volume for step in steps):
        yield Note("A single slice has no volume: small pieces are told by their number of voxels only.")
    began, stopped = monotonic(), False
    added, removed = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for number, (start, wanted) in enumerate(volumes.items()):
        whole = slice(start, start + depth)
        volume = Volume(mask[whole].copy(), mask[whole], spacing, known.part(whole))
        for place, done in _refined(volume, steps, slice(wanted[0] - start, wanted[-1] + 1 - start)):
            if stopped and done is None:
                break
            fraction = (number + (place + (done.share if done else 0)) / len(steps)) / len(volumes)
            command = yield Progress(fraction, _text(steps, place, done), _seconds_left(began, fraction))
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


def slab_seen(config: RefineConfig, z: int, depth: int, spacing: Spacing) -> slice:
    """Give the slices that tell how slice ``z`` comes out: refined alone, they give what the whole mask gives.

    Parameters
    ----------
    config
        The steps.
    z
        A slice, counted through all volumes when several are folded into Z.
    depth
        Slices of one volume.
    spacing
        Distance between voxel centres, (z, y, x) in mm.
    """
    start = z - z % depth
    wanted = slice(z - start, z - start + 1)
    for step in reversed(config.enabled):
        wanted = slices_seen(step, wanted, depth, spacing)
    return slice(start + wanted.start, start + wanted.stop)


def _refined(volume: Volume, steps: Sequence[RefineStep], wanted: slice) -> Iterator[tuple[int, Done | None]]:
    """Do the steps so that the wanted slices come out right; yield (step, None) before each, and how far it is."""
    plan: list[tuple[RefineStep, slice, slice]] = []
    for step in reversed(steps):
        seen = slices_seen(step, wanted, len(volume.labels), volume.spacing)
        plan.append((step, seen, slice(wanted.start - seen.start, wanted.stop - seen.start)))
        wanted = seen
    for place, (step, seen, needed) in enumerate(reversed(plan)):
        yield place, None
        part = volume.part(seen)
        for done in apply(step, part, needed):
            yield place, done
        part.restore()


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
    known: Evidence,
    out: NDArray[np.uint8] | None,
) -> None:
    if mask.ndim != 3 or mask.dtype != np.uint8:
        raise BadInput(f"a mask to refine is (Z, Y, X) uint8; this one is {mask.shape} {mask.dtype}.")
    as_mask(mask)
    if len(spacing) != 3 or not all(0 < length < np.inf for length in spacing):
        raise BadInput(f"the spacing {tuple(spacing)} is not three lengths in mm (z, y, x) above 0.")
    if depth is not None and (depth < 1 or len(mask) % depth):
        raise BadInput(f"{len(mask)} slices cannot be volumes of {depth} slices each.")
    known.check(mask.shape)
    if out is not None and out.shape != mask.shape:
        raise BadInput(f"the array for the result is {out.shape} but the mask is {mask.shape}: they must be alike.")


def _text(steps: Sequence[RefineStep], place: int, done: Done | None) -> str:
    text = f"step {place + 1} of {len(steps)}: {step_name(steps[place])}"
    return f"{text}, {done.what}" if done and done.what else text


def _seconds_left(began: float, fraction: float) -> float | None:
    return (monotonic() - began) * (1 / fraction - 1) if fraction else None


def _by_class(counts: NDArray[np.int64]) -> dict[int, int]:
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts) if label}
