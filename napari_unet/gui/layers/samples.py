"""The scan behind File > Open Sample."""

from napari.types import LayerData

from napari_unet.gui.layers.masks import mask_layer_data
from napari_unet.gui.layers.scans import layer_data
from napari_unet.io import read_mask, read_scan
from napari_unet.io.sample import PAINT, SCAN, sample_folder


def chest() -> list[LayerData]:
    """Open the bundled chest CT, and a paint layer with four of its slices painted.

    Raises
    ------
    MissingDependency
        The sample was not installed.
    """
    folder = sample_folder()
    scan = read_scan(folder / SCAN)
    return [layer_data(scan), mask_layer_data(read_mask(folder / PAINT), f"{scan.name} paint")]
