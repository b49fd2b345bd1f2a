"""What is kept of a labels layer beside its voxels, and the layer made of it anew."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_unet.annotation import ClassInfo
from napari_unet.gui.layers.edits import applied, note_applied
from napari_unet.gui.layers.scans import (
    DICOM,
    METADATA,
    OPENED,
    REVIEW,
    SCAN_LAYERS,
    SHOWN,
    class_look,
    classes_of,
    images_beneath,
    is_of_another_scan,
    place_of,
)
from napari_unet.keeping.journal import Stored
from napari_unet.review.corrections import Review
from napari_unet.review.looking import Look
from napari_unet.scan import Geometry

WRITTEN, VOUCHED, REFINED = OF_REVIEW = ("-written", "-vouched", "-refined")
"""End the keys of what the model wrote of a mask, which voxels somebody stood for before, what refinements wrote."""
PLACE = ("scale", "translate", "rotate", "shear", "affine")


def origin_of(image: Image) -> list[str]:
    """Say where a scan came from: its file, or the plugin and the name of a sample; nothing when neither is known."""
    if image.source.path:
        return [str(image.source.path)]
    return list(image.source.sample or ())


def set_visible(layer: Layer, visible: bool) -> None:
    """Show or hide a layer; when another scan of the project is in view, as soon as its own comes into view."""
    if is_of_another_scan(layer):
        layer.metadata[METADATA] = {**layer.metadata[METADATA], SHOWN: visible}
    else:
        layer.visible = visible


def about_layer(viewer: ViewerModel, layer: Labels) -> dict[str, Any]:
    """Say of a layer, as JSON values, what it takes to make it anew."""
    place = place_of(layer)
    mine = place["metadata"][METADATA]
    geometry: Geometry | None = mine.get("geometry")
    return {
        "name": layer.name,
        "opacity": float(layer.opacity),
        "visible": bool(layer.metadata.get(METADATA, {}).get(SHOWN, layer.visible)),
        **{key: np.asarray(place[key]).tolist() for key in PLACE},
        "units": [str(unit) for unit in place["units"]],
        "axis_labels": list(place["axis_labels"]),
        "classes": [info.model_dump(mode="json") for info in classes_of(layer)],
        "geometry": None if geometry is None else [geometry.affine.tolist(), dict(geometry.source)],
        "scans": [origin_of(image) for image in images_beneath(viewer, layer)],
        "applied": applied(layer),
        OPENED: layer.metadata.get(METADATA, {}).get(OPENED),
    }


def kept_layer(stored: Stored, review: Review | None, images: Sequence[Image]) -> Labels:
    """Make a layer as it was, on the layers of its scan, as far as those are there."""
    about = stored.about
    mine: dict[str, Any] = {}
    for image in images:
        mine |= {key: value for key, value in image.metadata.get(METADATA, {}).items() if key == DICOM}
    if about["geometry"] is not None:
        affine, source = about["geometry"]
        mine["geometry"] = Geometry(np.array(affine), source)
    if images and len(images) == len(about["scans"]):
        mine[SCAN_LAYERS] = tuple(image.name for image in images)
    if review is not None:
        mine[REVIEW] = review
    if about.get(OPENED) is not None:
        mine[OPENED] = about[OPENED]
    layer = Labels(
        stored.array,
        **{key: about[key] for key in ("name", "opacity", "visible", "units", "axis_labels")},
        **{key: np.array(about[key]) for key in PLACE},
        **class_look([ClassInfo(**info) for info in about["classes"]]),
        metadata={METADATA: mine},
    )
    note_applied(layer, about.get("applied", ()))
    return layer


def keys_of(keys: Iterable[str]) -> list[str]:
    """Give all keys of some layers: theirs, and those of their reviews."""
    return [f"{key}{end}" for key in keys for end in ("", *OF_REVIEW)]


def is_layer(key: str) -> bool:
    """Whether a key is that of a layer, not of a part of its review."""
    return not key.endswith(OF_REVIEW)


def looks_in(review: Review) -> dict[str, Any]:
    """Say, as JSON values, what a prediction found out in passing."""
    looks = tuple(review.looks.items())
    return {"looks": [[z, x.unsure, x.doubt, list(x.place), np.round(x.features, 4).tolist()] for z, x in looks]}


def review_in(arrays: Mapping[str, Stored], key: str, folder: Path) -> Review | None:
    """Give the review of a layer as the journal in ``folder`` has it; None when it has none."""
    written, said = arrays.get(f"{key}{WRITTEN}"), arrays[key].about.get("review")
    if written is None or said is None:
        return None
    review = Review(folder / said["model"])
    review.take_notes(said)
    for z, plane in enumerate(written.array):
        review.note(z, plane)
    for z, unsure, doubt, (y, x), features in written.about.get("looks", ()):
        review.looks[z] = Look(unsure, doubt, (y, x), np.array(features, np.float32))
    if (vouched := arrays.get(f"{key}{VOUCHED}")) is not None:
        for z, plane in enumerate(vouched.array):
            review.vouch(z, plane > 0)
    if (refined := arrays.get(f"{key}{REFINED}")) is not None:
        for z, plane in enumerate(refined.array):
            review.note_refined(z, plane)
    return review
