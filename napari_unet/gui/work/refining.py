"""Refinement in the window: a preview of the slice in view, and a new layer or the same one with the result."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo
from napari_unet.config import DenseCRF
from napari_unet.gui.layers.edits import (
    Edit,
    SlicePart,
    applied,
    can_edit,
    compare,
    make_edit,
    note_applied,
    size_of,
)
from napari_unet.gui.layers.outlines import Outlines, outline_labels
from napari_unet.gui.layers.scans import METADATA, REVIEW, class_look, place_of, review_of, voxels_of
from napari_unet.gui.widgets.step_words import pipeline_words
from napari_unet.gui.work.activity import Activity, Ending, LabelsActivity, Surroundings, slice_in_view
from napari_unet.gui.work.jobs import JobRunner
from napari_unet.gui.work.refine_material import Chosen, Material
from napari_unet.gui.work.undoing import Shown
from napari_unet.history import UNDO_BYTES
from napari_unet.review.corrections import Review
from napari_unet.runner import RefineDone, RefineRequest
from napari_unet.session import Verb

if TYPE_CHECKING:
    from napari_unet.normalisation import Normalisation

PREVIEW_NAME = "Refine preview"
NAMED_CLASSES = 3
"""So many classes are named in a sentence."""


class RefinePreview(Activity):
    """Refines the slice in view, quietly, and shows what would change as outlines."""

    verb = Verb.REFINE
    announced = False

    def __init__(self, surroundings: Surroundings, runner: JobRunner) -> None:
        super().__init__(surroundings, runner)
        self._outlines: Outlines | None = None
        self._chosen: Chosen | None = None
        self._material: Material | None = None
        self._request: RefineRequest | None = None
        self._z = 0
        self._measured_on: tuple[weakref.ref[Image], ...] = ()
        self._measured: tuple[Normalisation, ...] = ()

    def start(self, chosen: Chosen) -> None:
        """Begin to refine the slice in view.

        Raises
        ------
        BadInput
            The layer is no mask.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        self._chosen, self._material = chosen, Material(chosen)
        self._z = slice_in_view(viewer, chosen.mask)
        material, z, exchange = self._material, self._z, self._exchange
        images = tuple(map(weakref.ref, chosen.images))

        def make_request() -> RefineRequest:
            # Imported here: SciPy is of no use to a window that previews nothing.
            from napari_unet.refinement.pipeline import slab_seen

            slab = slab_seen(material.config, z, material.scan.depth, material.spacing)
            if any(isinstance(step, DenseCRF) for step in material.config.enabled) and self._measured_on != images:
                self._measured_on, self._measured = images, material.measure()  # the slab alone has another range
            self._request = material.request(exchange, self._lend, slab, z, self._measured)
            return self._request

        self._begin(make_request)

    def show_nothing(self) -> None:
        """Show no outlines; their layer stays, since napari takes long to add one."""
        if self._outlines is not None:
            self._outlines.show({})

    def remove_preview(self) -> None:
        """Take the outlines away."""
        outlines, self._outlines = self._outlines, None
        if outlines is not None:
            outlines.remove()

    def _on_result(self, result: object) -> str:
        assert isinstance(result, RefineDone)
        viewer, chosen, material, request = self._viewer(), self._chosen, self._material, self._request
        if viewer is None or chosen is None or material is None or request is None or chosen.mask not in viewer.layers:
            return "The mask was taken away meanwhile: there is nothing to preview."
        (z,) = request.slices or (0,)
        kept = None if request.protected is None else request.protected.open()[z]
        labels = outline_labels(request.mask.open()[z], request.out.open()[z], kept)
        if self._outlines is None or not self._outlines.lies_on(chosen.mask):
            self.remove_preview()
            self._outlines = Outlines(viewer, material.scan, chosen.mask, PREVIEW_NAME)
        self._outlines.show({self._z: labels})
        return f"On this slice: {_changes(result, material)} {_stay(kept)}".strip()

    def _clean_up(self, ending: Ending) -> None:
        self._chosen = self._material = self._request = None


@dataclass(frozen=True, eq=False)
class _Refined:
    """A result that is ready for its layer: the changes, or all labels of a new one; what stays; who made it what."""

    parts: list[SlicePart]
    labels: NDArray[np.uint8] | None
    kept: str
    review: Review | None


class Refinement(LabelsActivity):
    """Refines a labels layer, into a new one or in place as one step of its undo."""

    verb = Verb.REFINE

    def __init__(self, surroundings: Surroundings, runner: JobRunner) -> None:
        super().__init__(surroundings, runner)
        self._chosen: Chosen | None = None
        self._material: Material | None = None
        self._request: RefineRequest | None = None
        self._in_place = False

    def start(self, chosen: Chosen, *, in_place: bool = False) -> None:
        """Begin to refine.

        Parameters
        ----------
        chosen
            The mask, the steps, and what they look at.
        in_place
            Change the layer itself, once the whole result is there; it is selected, so that Ctrl+Z means it.

        Raises
        ------
        BadInput
            The layer is no mask.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        self._chosen, self._material, self._in_place = chosen, Material(chosen), in_place
        if in_place:
            viewer.layers.selection.active = chosen.mask
        material, exchange = self._material, self._exchange

        def make_request() -> RefineRequest:
            self._request = material.request(exchange, self._lend, slice(0, material.scan.grid[0]))
            return self._request

        self._begin(make_request)

    def _ready(self, result: RefineDone) -> "Callable[[], _Refined]":
        chosen, material, request, in_place = self._chosen, self._material, self._request, self._in_place
        assert chosen is not None
        assert material is not None
        assert request is not None
        edit = Edit(pipeline_words(chosen.config), chosen.config.model_dump(mode="json"))
        review = review_of(chosen.mask)

        def ready() -> _Refined:
            kept = _stay(None if request.protected is None else request.protected.open())
            before, after = request.mask.open(), request.out.open()
            parts = compare(edit, material.voxels.shape[:-2], before, after) if in_place else []
            # An edit too large for the undo goes into a new layer.
            new_layer = not in_place or size_of(parts) > UNDO_BYTES
            known = review.copy() if review is not None and new_layer else review
            if known is not None:
                for z in range(len(after)):
                    known.refine(z, before[z], after[z])
            return _Refined(parts, np.array(after) if new_layer else None, kept, known)

        return ready

    def _show(self, result: RefineDone, made_ready: "_Refined") -> str:
        viewer, chosen, material = self._viewer(), self._chosen, self._material
        if viewer is None or chosen is None or material is None or chosen.mask not in viewer.layers:
            return "The mask was taken away meanwhile: there is no layer to show."
        what = f"{_changes(result, material)} {made_ready.kept}".strip()
        if made_ready.labels is not None:
            layer = self._add_layer(viewer, chosen, material, made_ready.labels)
            if made_ready.review is not None:
                layer.metadata[METADATA] = {**layer.metadata.get(METADATA, {}), REVIEW: made_ready.review}
            why = " The mask changed in too many places for its undo." if self._in_place else ""
            return f'Result: layer "{layer.name}": {what}{why}'
        if not can_edit(chosen.mask) or voxels_of(chosen.mask) is not material.voxels:
            return f'"{chosen.mask.name}" got other voxels meanwhile and stays as it is: apply again.'
        painted = make_edit(chosen.mask, made_ready.parts)
        voxels = f"{painted:,} voxel{'s stay' if painted != 1 else ' stays'}"
        meanwhile = f" {voxels} as you painted meanwhile." if painted else ""
        return f'Changed "{chosen.mask.name}": {what}{meanwhile} Ctrl+Z takes it back.'

    def _add_layer(self, viewer: ViewerModel, chosen: Chosen, material: Material, labels: NDArray[np.uint8]) -> Labels:
        active = viewer.layers.selection.active
        name = f"{chosen.mask.name.removesuffix(' prediction').removesuffix(' refined')} refined"
        look = {**place_of(chosen.mask), **class_look(material.classes)}
        layer: Labels = viewer.add_labels(material.scan.unfold(labels), name=name, opacity=0.6, **look)
        note_applied(layer, [*applied(chosen.mask), chosen.config.model_dump(mode="json")])
        self._history.add(Shown(f"{pipeline_words(chosen.config)} into a new layer", self._viewer, layer))
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active
        return layer

    def _clean_up(self, ending: Ending) -> None:
        self._chosen = self._material = self._request = None


def amount(voxels: int, voxel_ml: float | None) -> str:
    """Say how much some voxels are ("0.31 ml", "2.5 mm³"); by their number when the volume of one is unknown."""
    if voxel_ml is None:
        return f"{voxels:,} voxel{'s' * (voxels != 1)}"
    volume = voxels * voxel_ml
    if 0 < volume < 0.01:
        return f"{1000 * volume:.2g} mm³"
    return f"{volume:,.2f} ml" if volume < 10 else f"{volume:,.1f} ml"


def names_of(labels: Sequence[int], classes: Sequence[ClassInfo]) -> str:
    """List classes by their names, many of them by their number."""
    names = {info.label: info.name for info in classes}
    if len(labels) > NAMED_CLASSES:
        return f"{len(labels)} classes"
    return ", ".join(names.get(label, f"class {label}") for label in labels)


def _changes(done: RefineDone, material: Material) -> str:
    """Say what a refinement changed ("+2.1 ml, -0.40 ml in ribs, right lung.")."""
    if not done.added and not done.removed:
        return "nothing changes."
    voxel_ml = done.voxel_ml if material.scan.unit == "mm" and material.scan.depth > 1 else None
    added, removed = (amount(sum(by_class.values()), voxel_ml) for by_class in (done.added, done.removed))
    changed = names_of(sorted({*done.added, *done.removed}), material.classes)
    return f"+{added}, \N{MINUS SIGN}{removed} in {changed}."


def _stay(kept: NDArray[np.bool_] | None) -> str:
    """Say how many voxels a person painted and nothing changes."""
    number = 0 if kept is None else int(np.count_nonzero(kept))
    return f"{number:,} painted voxel{'s stay as they are' if number != 1 else ' stays as it is'}." if number else ""
