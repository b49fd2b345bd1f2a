"""What each step of a refinement needs, how far it sees, and what it does to a volume."""

from collections.abc import Iterator, Sequence
from math import ceil, prod

import numpy as np

from napari_unet.config import (
    Closing,
    DenseCRF,
    FillHoles,
    Grow,
    KeepLargest,
    KeepTouching,
    Opening,
    RefineStep,
    RemoveSmall,
    Shrink,
    Smooth,
    Split,
    WithinIntensities,
    WithinRegion,
)
from napari_unet.errors import BadInput
from napari_unet.refinement.distances import Spacing, voxels_within
from napari_unet.refinement.limits import within_intensities, within_region
from napari_unet.refinement.morphology import closing, fill_holes, grow, opening, shrink
from napari_unet.refinement.pieces import keep_largest, keep_touching, remove_small
from napari_unet.refinement.progress import Done
from napari_unet.refinement.smoothing import (
    distance_smoothing_reach,
    smooth_distance,
    smooth_together,
    smoothing_reach,
)
from napari_unet.refinement.splitting import split
from napari_unet.refinement.volume import Evidence, Volume
from napari_unet.scan import Geometry

SEEN_TO_SPLIT = 6
"""How many slices to either side tell where objects are split on a slice, unless they are numbered."""


def check_needs(steps: Sequence[RefineStep], known: Evidence) -> None:
    """Raise unless everything that the steps look at is there.

    Raises
    ------
    BadInput
        A step looks at the scan or at another mask, and there is none, or not that channel of it.
    """
    for step in steps:
        if "scan" in step.looks_at and known.intensities is None:
            raise BadInput(
                f'the step "{step_name(step)}" looks at the scan, and none was given: give the scan that the mask '
                "belongs to (on the command line --scan SCAN)."
            )
        match step:
            case WithinIntensities() if known.intensities is not None:
                channels = known.intensities.shape[0]
                if step.channel >= channels:
                    raise BadInput(
                        f'the step "within intensities" looks at channel {step.channel}, but the scan has the channels '
                        f"0 to {channels - 1} only: choose one of them."
                    )
            case WithinRegion() if known.region is None:
                raise BadInput(
                    'the step "within region" needs another mask, the region, and none was given: give one on the '
                    "same grid (on the command line --region MASK)."
                )


def step_name(step: RefineStep) -> str:
    """Give the name of a step in words ("remove small")."""
    return step.kind.replace("-", " ").replace("crf", "CRF")


def in_voxels(step: RefineStep, geometry: Geometry | None) -> RefineStep:
    """Give a step whose points are (z, y, x) in voxels, wherever they were given.

    Raises
    ------
    BadInput
        They lie in the patient, and nobody knows where the mask lies.
    """
    if not isinstance(step, KeepTouching) or step.points_in == "voxels":
        return step
    if geometry is None:
        raise BadInput(
            "the points to keep are given in mm in the patient, but the mask does not say where it lies: give them in "
            "voxels (slice, row, column)."
        )
    to_voxels = np.linalg.inv(geometry.affine)
    points = tuple(tuple((to_voxels @ (*point, 1.0))[2::-1].tolist()) for point in step.points)
    return step.model_copy(update={"points": points, "points_in": "voxels"})


def slices_seen(step: RefineStep, wanted: slice, depth: int, spacing: Spacing) -> slice:
    """Give the slices, of ``depth``, that a step must see to get the wanted ones right.

    They come out as in the whole volume. In three dimensions a dense CRF, where every voxel is joined with every
    other, and splitting, where each is joined with all of its object, would take seconds: with these slices they come
    out nearly so.
    """
    match step:
        case Opening() | Closing():
            reach = 2 * voxels_within(step.radius, spacing)[0]
        case Grow() | Shrink():
            reach = voxels_within(step.radius, spacing)[0]
        case Smooth(method="together"):
            reach = smoothing_reach(step.sigma, spacing)[0]
        case Smooth():
            reach = distance_smoothing_reach(step.sigma, spacing)[0]
        case WithinRegion():
            reach = voxels_within(step.margin, spacing)[0]
        case DenseCRF(by_slice=False):
            # All voxels are joined, if ever so weakly; beyond this the result hardly changes.
            reach = voxels_within(2 * max(step.appearance_width, step.smoothness_width), spacing)[0]
        case DenseCRF() | FillHoles(by_slice=True) | Split(by_slice=True, number=False) | WithinIntensities():
            reach = 0
        case Split(by_slice=False, number=False):
            reach = SEEN_TO_SPLIT
        case FillHoles() | RemoveSmall() | KeepLargest() | KeepTouching() | Split():
            reach = depth
    return slice(max(0, wanted.start - reach), min(depth, wanted.stop + reach))


def apply(step: RefineStep, volume: Volume, needed: slice) -> Iterator[Done]:
    """Do one step on the labels of a volume; yield how far it is. Only ``needed`` slices must come out right."""
    largest = max(1, int(volume.labels.max(initial=0)))
    match step:
        case Opening() | Closing() | Grow() | Shrink() | FillHoles() | Smooth():
            yield from (Done(label / largest, f"class {label}") for label in _reshape(step, volume, needed))
        case RemoveSmall() | KeepLargest() | KeepTouching() | Split():
            yield from (Done(label / largest, f"class {label}") for label in _sort_pieces(step, volume, needed))
        case DenseCRF():
            # Imported here: numba takes a second to load.
            from napari_unet.refinement.edges import follow_edges

            yield from follow_edges(volume, step)
        case WithinIntensities() | WithinRegion():
            _limit(step, volume)


def _reshape(
    step: Opening | Closing | Grow | Shrink | FillHoles | Smooth, volume: Volume, slices: slice
) -> Iterator[int]:
    labels, spacing, classes = volume.labels, volume.spacing, step.classes
    match step:
        case Opening():
            yield from opening(labels, classes, radius=step.radius, spacing=spacing, slices=slices)
        case Closing():
            yield from closing(labels, classes, radius=step.radius, spacing=spacing, slices=slices)
        case Grow():
            yield from grow(labels, classes, radius=step.radius, spacing=spacing, into=step.into, slices=slices)
        case Shrink():
            apart = step.from_neighbours
            yield from shrink(
                labels, classes, radius=step.radius, spacing=spacing, from_neighbours=apart, slices=slices
            )
        case FillHoles():
            yield from fill_holes(labels, classes, by_slice=step.by_slice, slices=slices)
        case Smooth():
            smooth = smooth_together if step.method == "together" else smooth_distance
            yield from smooth(labels, classes, sigma=step.sigma, spacing=spacing, slices=slices)


def _sort_pieces(
    step: RemoveSmall | KeepLargest | KeepTouching | Split, volume: Volume, needed: slice
) -> Iterator[int]:
    labels, spacing, fixed = volume.labels, volume.spacing, volume.known.protected
    match step:
        case RemoveSmall():
            fewest = max(step.voxels, _voxels(step.volume, spacing) if len(labels) > 1 else 0)
            remove_small(labels, step.classes, fewest=fewest, fixed=fixed, slices=needed)
        case KeepLargest():
            keep_largest(labels, step.classes, count=step.pieces, fixed=fixed, slices=needed)
        case KeepTouching():
            yield from keep_touching(
                labels,
                step.classes,
                points=step.points,
                reach=step.reach,
                spacing=spacing,
                fixed=fixed,
                slices=needed,
            )
        case Split():
            yield from split(
                labels,
                step.classes,
                neck=step.neck,
                spacing=spacing,
                by_slice=step.by_slice,
                number=step.number,
                slices=needed,
            )


def _limit(step: WithinIntensities | WithinRegion, volume: Volume) -> None:
    labels, known = volume.labels, volume.known
    if isinstance(step, WithinRegion) and known.region is not None:
        within_region(
            labels,
            step.classes,
            region=known.region,
            parts=step.parts,
            margin=step.margin,
            spacing=volume.spacing,
        )
    elif isinstance(step, WithinIntensities) and known.intensities is not None:
        within_intensities(
            labels,
            step.classes,
            intensities=known.intensities[step.channel],
            lowest=step.lowest,
            highest=step.highest,
        )


def _voxels(volume: float, spacing: Spacing) -> int:
    """Give the fewest voxels that make up a volume in ml (a piece of just that volume is not below it)."""
    return ceil(volume * 1000 / prod(spacing) * (1 - 1e-9))
