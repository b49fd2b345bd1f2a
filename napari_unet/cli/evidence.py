"""What the steps of a refinement look at beside the mask, read from files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from napari_unet.cli.reading import Reading
from napari_unet.errors import BadInput
from napari_unet.io import Mask
from napari_unet.scan import Scan

if TYPE_CHECKING:
    from napari_unet.refinement import Probabilities


def intensities_on(mask: Mask, file: Path | None) -> NDArray[Any] | None:
    """Read the scan of a mask as (C, Z, Y, X).

    Raises
    ------
    BadInput
        It cannot be read, or the mask does not lie on it.
    """
    if file is None:
        return None
    scan = Reading().scan(file)
    mask.folded_onto(scan)
    return scan.array


def probabilities_on(grid: Scan, mask: Mask, file: Path | None) -> "Probabilities | None":
    """Read the probabilities of a mask's classes.

    Raises
    ------
    BadInput
        The file is none that ``predict --probabilities`` wrote, or was written for another scan.
    """
    # Imported here: SciPy would keep --help waiting.
    from napari_unet.refinement import Probabilities

    if file is None:
        return None
    try:
        with np.load(file) as stored:
            array, labels = stored["probabilities"], stored["labels"]
    except (OSError, KeyError, ValueError, TypeError, BadZipFile) as error:
        raise BadInput(
            f"cannot read the probabilities {file}: it is no file that predict --probabilities wrote."
        ) from error
    if array.shape[:1] != labels.shape or _without_ones(array.shape[1:]) != _without_ones(mask.labels.shape):
        raise BadInput(
            f"the probabilities {file} are for a scan of {array.shape[1:]} but the mask is {mask.labels.shape}: give "
            "those that were predicted with this mask."
        )
    return Probabilities(
        np.stack([grid.fold(of_class.reshape(mask.labels.shape)) for of_class in array]), tuple(labels.tolist())
    )


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)
