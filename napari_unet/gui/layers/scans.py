"""Between layers and scans: what a napari layer is to the program, and how results are put beside it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import dask.array as da
import numpy as np
import pint
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.types import LayerData
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND, ClassInfo, new_class
from napari_unet.errors import BadInput
from napari_unet.io.zarr_file import ZarrImage
from napari_unet.review.corrections import Review
from napari_unet.scan import Geometry, Scan, Unit, stack_channels

METADATA = "napari_unet"
"""Key of this program's part of a layer's metadata."""
SCAN_LAYERS = "scan_layers"
"""Key, in there, of the names of the layers that a mask was predicted from."""
DICOM = "dicom"
"""Key, in there, of the files of the DICOM series that a layer lies on."""
PROBABILITIES = "probabilities"
"""Key, in there, of how likely a mask's classes were: (K, Z, Y, X) with all other axes folded into Z, and which class
each of the K is, ascending."""
REVIEW = "review"
"""Key, in there, of the ``Review`` of a predicted mask: what the model wrote, and which slices are right."""
OPENED = "opened"
"""Key, in there, of what is known of the file that a mask was opened from: where it came from, or its checksum."""
SHOWN = "shown"
"""Key, in there, of whether a layer is visible when its scan is: those of other scans are hidden."""
PAINTED_BACKGROUND = (0.35, 0.35, 0.35)
"""Colour of label 255."""
CLEAR = (0.0, 0.0, 0.0, 0.0)


def layer_data(scan: Scan) -> LayerData:
    """Make what napari needs to show a scan as an image layer, channels as an axis of their own or as colours."""
    axes = scan.axes.replace("C", "")
    if scan.channels == 1:
        data = scan.unfold(np.asarray(scan.array[0]))
    else:
        data = np.stack([scan.unfold(np.asarray(channel)) for channel in scan.array])
    scale = [_step(scan, axis) for axis in axes]
    units: list[str] = [scan.unit if axis in "ZYX" else "pixel" for axis in axes]
    labels = [axis.lower() for axis in axes]
    rgb = scan.channels == 3 and scan.array.dtype == np.uint8
    if rgb:
        data = np.moveaxis(data, 0, -1)
    elif scan.channels > 1:
        scale, units, labels = [1.0, *scale], ["pixel", *units], ["c", *labels]
    place = {"scale": scale, "units": units, "axis_labels": labels, "rgb": rgb}
    about: dict[str, Any] = {"geometry": scan.geometry, "axes": scan.axes, "channel_names": scan.channel_names}
    if scan.dicom:
        about[DICOM] = scan.dicom
    return data, {"name": scan.name, "metadata": {METADATA: about}, **place}, "image"


def image_on_disk(image: ZarrImage, name: str) -> LayerData:
    """Make what napari needs to show an image in a Zarr folder; voxels are read as they come into view."""
    steps = dict(zip("ZYX", image.spacing, strict=True))
    attributes = {
        "name": name,
        "scale": [steps.get(axis, 1.0) for axis in image.axes],
        "units": [image.unit if axis in steps else "pixel" for axis in image.axes],
        "axis_labels": [axis.lower() for axis in image.axes],
        "metadata": {METADATA: {"geometry": None, "axes": image.axes, "channel_names": image.channel_names}},
    }
    several = len(image.levels) > 1
    return list(image.levels) if several else image.levels[0], {**attributes, "multiscale": several}, "image"


def _step(scan: Scan, axis: str) -> float:
    return dict(zip("ZYX", scan.spacing, strict=True)).get(axis, 1.0)


def scan_of(layer: Image | Labels) -> Scan:
    """See a layer as a scan; voxels stay where they are, lazy ones lazy.

    Parameters
    ----------
    layer
        2-D, a volume, a stack, a time series, RGB, with a channel axis (an axis labelled "c" or "channel"),
        multiscale (its finest level), dask or Zarr.

    Raises
    ------
    BadInput
        It holds complex numbers or nothing.
    """
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    if not hasattr(data, "reshape"):
        data = da.from_array(data)  # Zarr and its like slice, but do not reshape
    rgb = bool(getattr(layer, "rgb", False))
    axes = axes_of(layer)
    if rgb:
        axes += "C"
        data = data[..., :3]  # transparency is not a colour
    spacing, unit = _spacing(layer, axes)
    about = layer.metadata.get(METADATA, {})
    geometry = about.get("geometry")
    if geometry is not None and not np.allclose(geometry.spacing, spacing, rtol=1e-3):
        geometry = None  # somebody gave the layer another scale: that one counts
    if geometry is None and unit == "mm":
        geometry = Geometry.from_spacing(spacing)
    names: tuple[str, ...] = ("red", "green", "blue") if rgb else ()
    if len(about.get("channel_names", ())) == (data.shape[axes.index("C")] if "C" in axes else 1):
        names = tuple(about["channel_names"])
    return Scan.from_array(
        data,
        axes,
        spacing=spacing,
        unit=unit,
        geometry=geometry,
        channel_names=names,
        name=layer.name,
        dicom=about.get(DICOM, ()),
    )


def scan_of_layers(layers: Sequence[Image]) -> Scan:
    """See several layers on one grid as one scan with their channels.

    Raises
    ------
    BadInput
        Their shapes or places differ, or none was given.
    """
    if not layers:
        raise BadInput("Choose an image layer.")
    return stack_channels([scan_of(layer) for layer in layers])


def axes_of(layer: Layer) -> str:
    """Name a layer's axes, without the colours of an RGB image: the last are Y and X, then Z, then others."""
    ndim = layer.ndim
    labels = [label.lower() for label in layer.axis_labels]
    channel = next((i for i, label in enumerate(labels[:-2]) if label in ("c", "channel", "channels")), None)
    others = [i for i in range(ndim) if i != channel]
    names = "YX" if len(others) == 2 else "TUVWABDEFGH"[: len(others) - 3] + "ZYX"
    if len(others) == 3 and labels[others[0]] in ("t", "time"):
        names = "TYX"
    by_axis = dict(zip(others, names, strict=True))
    return "".join(by_axis.get(i, "C") for i in range(ndim))


def _spacing(layer: Layer, axes: str) -> tuple[tuple[float, float, float], Unit]:
    """Measure the (z, y, x) spacing of a layer: in mm where its units are lengths, else in pixels."""
    steps = {"Z": 1.0, "Y": 1.0, "X": 1.0}
    lengths = True
    for axis, scale, unit in zip(axes, layer.scale, layer.units, strict=False):
        if axis not in steps:
            continue
        try:
            factor = float((1 * unit).to("mm").magnitude)
        except pint.DimensionalityError:
            factor, lengths = 1.0, False
        steps[axis] = abs(float(scale)) * factor
    return (steps["Z"], steps["Y"], steps["X"]), "mm" if lengths else "pixel"


def place_of(layer: Image | Labels) -> dict[str, Any]:
    """Give the attributes that put a mask of an image layer exactly onto it.

    A channel axis is left out, as in the mask.
    """
    keep = [i for i, axis in enumerate(axes_of(layer)) if axis != "C"]
    affine = layer.affine.affine_matrix
    corner = [*keep, len(affine) - 1]
    shear = np.asarray(layer.shear)
    if shear.ndim == 1:  # napari gives the values above the diagonal row by row
        values, shear = shear, np.eye(layer.ndim)
        shear[np.triu_indices(layer.ndim, 1)] = values
    place: dict[str, Any] = {
        "scale": np.asarray(layer.scale)[keep],
        "translate": np.asarray(layer.translate)[keep],
        "rotate": np.asarray(layer.rotate)[np.ix_(keep, keep)],
        "shear": shear[np.ix_(keep, keep)],
        "affine": affine[np.ix_(corner, corner)],
        "units": tuple(layer.units[i] for i in keep),
        "axis_labels": tuple(layer.axis_labels[i] for i in keep),
    }
    about = layer.metadata.get(METADATA, {})
    place["metadata"] = {METADATA: {key: about[key] for key in ("geometry", DICOM, SCAN_LAYERS) if key in about}}
    return place


def class_look(classes: Sequence[ClassInfo]) -> dict[str, Any]:
    """Give the attributes that show classes by name and colour, and painted background in grey."""
    colours: dict[int | None, tuple[float, ...]] = {
        None: (*new_class(1).colour, 1.0),
        0: CLEAR,
        BACKGROUND: (*PAINTED_BACKGROUND, 1.0),
    }
    colours |= {info.label: (*info.colour, 1.0) for info in classes if info.label}
    named = [info for info in classes if info.label]
    features = {"index": [info.label for info in named], "name": [info.name for info in named]}
    return {"colormap": DirectLabelColormap(color_dict=colours), "features": features}


def classes_of(layer: Labels) -> tuple[ClassInfo, ...]:
    """Collect the classes a labels layer names, with the colours it shows them in; rows of other kinds are let be."""
    if not {"index", "name"} <= set(layer.features.columns):
        return ()
    names: dict[int, str] = {}
    for label, name in zip(layer.features["index"], layer.features["name"], strict=True):
        with suppress(TypeError, ValueError, OverflowError):
            names[int(label)] = str(name)
    return tuple(
        with_colour(new_class(label, names[label]), layer) for label in sorted(names) if 0 < label < BACKGROUND
    )


def with_colour(info: ClassInfo, layer: Labels) -> ClassInfo:
    """Give a class the colour that a layer has for it, also while it shows the selected class only."""
    colour = layer.colormap.model_copy(update={"use_selection": False}).map(info.label)
    if colour is None or colour[3] == 0:
        return info
    return info.model_copy(update={"colour": tuple(round(float(part), 6) for part in colour[:3])})


def show_classes(layer: Labels, classes: Sequence[ClassInfo]) -> None:
    """Give a layer the names and colours of classes; its voxels stay as they are."""
    look = class_look(classes)
    layer.colormap = look["colormap"]
    layer.features = look["features"]


def mask_shape_of(layer: Labels) -> tuple[int, ...]:
    """Shape of a labels layer's finest level."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    return tuple(int(n) for n in data.shape)


def is_of_another_scan(layer: Layer) -> bool:
    """Whether a layer is hidden because another scan of the project is in view."""
    return SHOWN in layer.metadata.get(METADATA, {})


def images_beneath(viewer: ViewerModel, mask: Labels) -> list[Image]:
    """Find the scan of a mask: the layers it was predicted from, else the nearest image beneath it on its grid.

    When there is none beneath it, it is the topmost. Both are in view, or both are hidden because another scan is.
    """

    def fits(layer: Layer) -> bool:
        with suppress(BadInput):
            return isinstance(layer, Image) and scan_of(layer).mask_shape == mask_shape_of(mask)
        return False

    names = mask.metadata.get(METADATA, {}).get(SCAN_LAYERS, ())
    known = [viewer.layers[name] for name in names if name in viewer.layers]
    if known and len(known) == len(names) and all(map(fits, known)):
        return known
    layers = [
        layer for layer in viewer.layers if layer is mask or is_of_another_scan(layer) == is_of_another_scan(mask)
    ]
    beneath = layers[: layers.index(mask)] if mask in layers else []
    return next(([layer] for layer in (*reversed(beneath), *reversed(layers)) if fits(layer)), [])


def voxels_of(layer: Labels) -> NDArray[Any]:
    """Give the labels themselves, of the finest level; lazy ones lazy."""
    voxels: NDArray[Any] = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    return voxels if hasattr(voxels, "reshape") else da.from_array(voxels)


def review_of(layer: Labels) -> Review | None:
    """Give the review of a mask that was predicted in this window."""
    review: Review | None = layer.metadata.get(METADATA, {}).get(REVIEW)
    return review


def give_own_review(layer: Labels) -> None:
    """Let a layer that napari made of another have a review of its own: napari hands on the very same."""
    if (review := review_of(layer)) is not None and layer.source.parent is not None:
        layer.metadata[METADATA] = {**layer.metadata[METADATA], REVIEW: review.copy()}


def read_units() -> None:
    """Let pint read its units: it does on first use, and must not do so in two threads at once."""
    pint.Unit("pixel")


def warm_up_colours() -> None:
    """Let napari compile how it colours classes, which takes it a second the first time; safe in a thread."""
    Labels(np.zeros((2, 2), np.uint8), **class_look([new_class(1)]))
