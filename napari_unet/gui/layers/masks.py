"""A mask on disk and the Labels layer it becomes, and back.

Names are kept in the layer's features, where napari shows them as a tooltip; colours are the layer's own.
Where it lies is kept as for any scan, by :mod:`napari_unet.gui.layers.scans`.
"""

from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.types import LayerData
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, as_paint
from napari_unet.gui.layers import scans
from napari_unet.gui.layers.scans import class_look, layer_data, scan_of, with_colour
from napari_unet.io import Mask
from napari_unet.io.mask import named

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "metadata")
"""What a layer and its mask have in common."""


def mask_layer_data(mask: Mask, name: str) -> LayerData:
    """Make what napari needs for a Labels layer of a mask or a paint.

    Parameters
    ----------
    mask
        The mask.
    name
        The layer's name.
    """
    attributes = layer_data(mask.as_scan(name))[1]
    place = {key: attributes[key] for key in PLACE if key in attributes}
    return mask.labels, place | class_look(mask.classes) | {"name": name}, "labels"


def mask_of(data: Any, attributes: dict[str, Any]) -> Mask:
    """Make the mask of a Labels layer, of any plugin, as napari hands it to a writer.

    Parameters
    ----------
    data
        The layer's labels; may be lazy.
    attributes
        The layer's attributes by name.

    Raises
    ------
    BadInput
        It holds labels over 255.
    """
    if attributes.get("multiscale"):
        data = data[0]
    name = str(attributes.get("name", "the mask"))
    labels = as_paint(np.asarray(data), f'"{name}"')
    # As an image it is a scan like any other, which is where the program knows axes and spacings from.
    image = Image(labels, rgb=False, name=name, **{key: attributes[key] for key in PLACE if key in attributes})
    return Mask.on(scan_of(image), labels, classes_of(labels, attributes))


def classes_of(labels: NDArray[np.uint8], attributes: dict[str, Any]) -> tuple[ClassInfo, ...]:
    """Collect names and colours of the classes of a Labels layer: those that it names, and those that occur.

    Parameters
    ----------
    labels
        The layer's labels.
    attributes
        The layer's attributes by name; "features" and "colormap" count.
    """
    layer = Labels(
        np.zeros((1, 1), np.uint8),
        **{key: attributes[key] for key in ("features", "colormap") if attributes.get(key) is not None},
    )
    return tuple(with_colour(info, layer) for info in named(labels, scans.classes_of(layer)))
