"""Making a mask cleaner: its shapes, its pieces, its edges."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import as_mask
from napari_unet.config import RefineConfig
from napari_unet.errors import BadInput
from napari_unet.events import result_of
from napari_unet.refinement.pipeline import DEFAULT, Refined, refine_job

__all__ = ["Refined", "refine", "refine_job"]


def refine(
    mask: NDArray[Any],
    config: RefineConfig = DEFAULT,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    protected: NDArray[np.bool_] | None = None,
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

    Returns
    -------
    Refined
        Its labels have the shape of ``mask``.

    Raises
    ------
    BadInput
        The mask is not one, or the arguments do not fit it.

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
    if protected is not None and protected.shape != mask.shape:
        raise BadInput(f"the protected voxels are {protected.shape} but the mask is {mask.shape}.")
    grid = (-1, *mask.shape[-2:])
    job = refine_job(
        as_mask(mask).reshape(grid),
        config,
        spacing=(*(1.0,) * (3 - len(spacing)), *spacing),  # type: ignore[arg-type]
        depth=mask.shape[-3] if mask.ndim > 2 else 1,
        protected=None if protected is None else protected.reshape(grid),
    )
    refined = result_of(job)
    return replace(refined, labels=refined.labels.reshape(mask.shape))
