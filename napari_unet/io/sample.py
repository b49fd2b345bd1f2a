"""The bundled scan: a chest CT, its true segmentation, and four of its slices painted."""

from pathlib import Path

import napari_unet
from napari_unet.errors import MissingDependency

SCAN = "chest.nrrd"
"""The scan, int16, in Hounsfield units."""
TRUTH = "chest-truth.seg.nrrd"
"""The segmentation of the whole scan."""
PAINT = "chest-paint.nrrd"
"""The paint: four whole slices of the segmentation, the rest not painted."""


def sample_folder() -> Path:
    """Find the folder with the bundled files, in an installed package or in a checkout of the sources.

    Raises
    ------
    MissingDependency
        It was not installed.
    """
    package = Path(napari_unet.__file__).parent
    for folder in (package / "assets" / "sample", package.parent / "assets" / "sample"):
        if (folder / SCAN).is_file():
            return folder
    raise MissingDependency(
        "the sample scan is not installed: install napari-unet-paint again, or use a scan of yours."
    )
