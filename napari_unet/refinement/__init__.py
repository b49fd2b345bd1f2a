"""Making a mask cleaner, its shapes, its pieces, its edges; and filling paint between slices."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import as_mask, as_paint
from napari_unet.config import FillBetweenConfig, RefineConfig
from napari_unet.errors import BadInput
from napari_unet.events import result_of
from napari_unet.refinement import between
from napari_unet.refinement.between import Filled, fill_between_job
from napari_unet.refinement.distances import Spacing
from napari_unet.refinement.pipeline import DEFAULT, Refined, refine_job
from napari_unet.refinement.suggestions import Suggestion, advice, suggest_job
from napari_unet.refinement.volume import Probabilities
from napari_unet.scan import Geometry

__all__ = [
    "Filled",
    "Probabilities",
    "Refined",
    "Suggestion",
    "advice",
    "fill_between",
    "fill_between_job",
    "refine",
    "refine_job",
    "suggest",
    "suggest_job",
]


def refine(
    mask: NDArray[Any],
    config: RefineConfig = DEFAULT,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    protected: NDArray[np.bool_] | None = None,
    intensities: NDArray[Any] | None = None,
    probabilities: Probabilities | None = None,
    region: NDArray[Any] | None = None,
    geometry: Geometry | None = None,
) -> Refined:
    """Refine a mask and wait for it.

    Parameters
    ----------
    mask
        (Y, X), (Z, Y, X), or with further axes in front, whose volumes are refined one by one; whole numbers:
        0 background, 1..254 classes. It is not changed.
    config
        The steps.
    spacing
        Distance between voxel centres in mm, (z, y, x), or (y, x) for a flat mask.
    protected
        Voxels that do not change, same shape; a connected piece that holds some is not removed.
    intensities
        The scan, for steps that look at it: the shape of ``mask``, or with a channel axis in front of it.
    probabilities
        Of the classes, for steps that look at them; its (K, Z, Y, X) has the axes of ``mask`` folded into Z.
    region
        Another mask of the same shape, for the step that keeps what lies within it.
    geometry
        Where the voxels lie in the patient, for points that are given in mm there.

    Returns
    -------
    Refined
        Its labels have the shape of ``mask``.

    Raises
    ------
    BadInput
        The mask is not one, the arguments do not fit it, or a step needs what is missing.

    Examples
    --------
    >>> import numpy as np
    >>> ring = np.zeros((5, 5), np.uint8)
    >>> ring[1:4, 1:4] = 1
    >>> ring[2, 2] = 0
    >>> int(refine(ring).labels[2, 2])
    1
    """
    if mask.ndim < 2:
        raise BadInput(f"a mask has rows and columns at least, (Y, X); this one is {mask.shape}.")
    grids = {
        "the protected voxels are": None if protected is None else protected.shape,
        "the scan is": None if intensities is None else intensities.shape[-mask.ndim :],
        "the region is": None if region is None else region.shape,
    }
    for what, shape in grids.items():
        if shape is not None and shape != mask.shape:
            raise BadInput(f"{what} {shape} but the mask is {mask.shape}.")
    grid = (-1, *mask.shape[-2:])
    job = refine_job(
        as_mask(mask).reshape(grid),
        config,
        spacing=_solid(spacing),
        depth=mask.shape[-3] if mask.ndim > 2 else 1,
        protected=None if protected is None else protected.reshape(grid),
        intensities=_folded(intensities, mask),
        probabilities=probabilities,
        region=None if region is None else as_mask(region, "the region").reshape(grid),
        geometry=geometry,
    )
    refined = result_of(job)
    return replace(refined, labels=refined.labels.reshape(mask.shape))


def fill_between(
    paint: NDArray[Any],
    config: FillBetweenConfig = between.DEFAULT,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> Filled:
    """Fill the slices between painted ones and wait for it; see :func:`fill_between_job` for the rules.

    Parameters
    ----------
    paint
        (Z, Y, X), or with further axes in front, whose volumes are filled one by one; whole numbers: 0 not
        painted, 1..254 classes, 255 background. It is not changed.
    config
        Across which axis, how far, and which classes.
    spacing
        Distance between voxel centres in mm, (z, y, x).

    Returns
    -------
    Filled
        Its paint has the shape of ``paint``.

    Raises
    ------
    NothingPainted
        No slices lie between painted ones.
    BadInput
        The paint is none, or has no slices.

    Examples
    --------
    >>> import numpy as np
    >>> squares = np.zeros((3, 9, 9), np.uint8)
    >>> squares[0, 1:8, 1:8] = squares[2, 3:6, 3:6] = 1
    >>> int(fill_between(squares).paint[1].sum())
    25
    """
    if paint.ndim < 3:
        raise BadInput(f"paint to fill has slices, rows and columns, (Z, Y, X); this is {paint.shape}.")
    folded = as_paint(paint).reshape(-1, *paint.shape[-2:])
    job = fill_between_job(folded, config, spacing=tuple(spacing), depth=paint.shape[-3])  # type: ignore[arg-type]
    filled = result_of(job)
    return replace(filled, paint=filled.paint.reshape(paint.shape))


def suggest(
    mask: NDArray[np.uint8],
    paint: NDArray[np.uint8],
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    intensities: NDArray[Any] | None = None,
    probabilities: Probabilities | None = None,
) -> tuple[Suggestion, ...]:
    """Try a few refinements of a mask on the painted slices and wait for it; see :func:`suggest_job`.

    Parameters
    ----------
    mask
        (Y, X) or (Z, Y, X): 0 background, 1..254 classes, as it was predicted.
    paint
        The same shape: 0 not painted, 1..254 classes, 255 background.
    spacing
        Distance between voxel centres in mm, (z, y, x), or (y, x) for a flat mask.
    intensities
        The scan: the shape of ``mask``, or with a channel axis in front of it.
    probabilities
        Of the classes, as predicted, (K, Z, Y, X).

    Returns
    -------
    tuple of Suggestion
        Best first; its :func:`advice` is a sentence.

    Raises
    ------
    NothingPainted
        No class is painted.
    BadInput
        The arrays do not fit together.
    """
    grid = (-1, *mask.shape[-2:])
    job = suggest_job(
        as_mask(mask).reshape(grid),
        as_paint(paint).reshape(grid),
        spacing=_solid(spacing),
        intensities=_folded(intensities, mask),
        probabilities=probabilities,
    )
    return result_of(job)


def _solid(spacing: Sequence[float]) -> Spacing:
    """Give a spacing along (z, y, x); a flat one counts as 1 mm thick."""
    z, y, x = (*(1.0,) * (3 - len(spacing)), *spacing)
    return (z, y, x)


def _folded(intensities: NDArray[Any] | None, mask: NDArray[Any]) -> NDArray[Any] | None:
    """Bring a scan, with channels in front of the axes of a mask or without, into (C, Z, Y, X)."""
    if intensities is None:
        return None
    channels = 1 if intensities.ndim == mask.ndim else len(intensities)
    return intensities.reshape(channels, -1, *mask.shape[-2:])
