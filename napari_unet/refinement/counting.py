"""Counting the voxels of pieces: one pass over them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.compiled import compiled


@compiled
def tally(
    pieces: NDArray[Any], labels: NDArray[np.uint8], sizes: NDArray[np.int64], class_of: NDArray[np.uint8]
) -> None:
    """Count the voxels of each piece, and note its label.

    Parameters
    ----------
    pieces
        (N,) unsigned integers, the number of the piece of each voxel.
    labels
        (N,) uint8, the label of each voxel.
    sizes, class_of
        One for each piece, to be filled.
    """
    for i in range(len(pieces)):
        piece = pieces[i]
        sizes[piece] += 1
        class_of[piece] = labels[i]
