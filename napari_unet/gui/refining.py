"""Refinement in the window: a preview of the slice in view, and a new layer or the same one with the result."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, as_mask
from napari_unet.config import DenseCRF, RefineConfig
from napari_unet.gui.activity import Activity, Ending, LabelsActivity, slice_in_view
from napari_unet.gui.background import Background
from napari_unet.gui.edits import (
    UNDO_BYTES,
    Edit,
    SlicePart,
    applied,
    can_edit,
    compare,
    make_edit,
    note_applied,
    size_of,
)
from napari_unet.gui.jobs import JobRunner
from napari_unet.gui.layers import METADATA, PROBABILITIES, class_look, classes_of, place_of, scan_of, voxels_of
from napari_unet.gui.outlines import Outlines, outline_labels
from napari_unet.gui.step_words import pipeline_words
from napari_unet.normalisation import Normalisation, measure
from napari_unet.runner import Exchange, RefineDone, RefineRequest, SharedArray
from napari_unet.session import Session, Verb

PREVIEW_NAME = "Refine preview"
NAMED_CLASSES = 3
"""So many classes are named in a sentence."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to refine, and what there is to look at.

    Parameters
    ----------
    mask
        The layer to refine.
    config
        The steps.
    paint
        A layer on the same scan whose painted voxels keep what the mask has there.
    images
        The scan, for steps that look at it: one layer, or several whose data become its channels.
    region
        Another mask on the same scan, for steps that look at it.
    """

    mask: Labels
    config: RefineConfig
    paint: Labels | None = None
    images: tuple[Image, ...] = ()
    region: Labels | None = None


class _Material:
    """The voxels of what was chosen: noted in the window's thread, copied in another.

    Raises
    ------
    BadInput
        The mask or the scan is none.
    """

    def __init__(self, chosen: Chosen) -> None:
        mask, self.config = chosen.mask, chosen.config
        looks_at = chosen.config.looks_at
        self.name = mask.name
        self.scan = scan_of(mask)
        self.voxels = voxels_of(mask)
        self.classes = classes_of(mask)
        self.spacing = self.scan.spacing if self.scan.unit == "mm" else (1.0, 1.0, 1.0)
        self._paint = None if chosen.paint is None else voxels_of(chosen.paint)
        self._scans = [scan_of(image) for image in chosen.images] if "scan" in looks_at else []
        self._region = voxels_of(chosen.region) if chosen.region is not None and "region" in looks_at else None
        known = mask.metadata.get(METADATA, {}).get(PROBABILITIES)
        self._known = known if "probabilities" in looks_at else None

    def measure(self) -> tuple[Normalisation, ...]:
        """Measure the range of each channel of the scan."""
        return tuple(channel for scan in self._scans for channel in measure(scan))

    def request(
        self,
        exchange: Exchange,
        lend: Callable[[SharedArray], SharedArray],
        slab: slice,
        z: int | None = None,
        measured: tuple[Normalisation, ...] = (),
    ) -> RefineRequest:
        """Copy some slices, to refine all of them or one."""

        def put(array: Any) -> SharedArray:
            return lend(exchange.put(array))

        region = None if self._region is None else as_mask(self._folded(self._region, slab), "the region")
        known = self._known
        return RefineRequest(
            mask=put(as_mask(self._folded(self.voxels, slab), f'"{self.name}"')),
            out=lend(exchange.empty((slab.stop - slab.start, *self.scan.grid[1:]), np.uint8)),
            config=self.config,
            spacing=self.spacing,
            depth=self.scan.depth if z is None else slab.stop - slab.start,
            protected=None if self._paint is None else put(self._folded(self._paint, slab) != 0),
            intensities=put(self._intensities(slab)) if self._scans else None,
            probabilities=None if known is None else (put(known[0][:, slab]), known[1]),
            region=None if region is None else put(region),
            measured=measured,
            geometry=self.scan.geometry,
            slices=None if z is None else (z - slab.start,),
        )

    def _folded(self, voxels: Any, slab: slice) -> NDArray[Any]:
        return np.asarray(self.scan.fold(voxels)[slab])

    def _intensities(self, slab: slice) -> Any:
        channels = [scan.array[:, slab] for scan in self._scans]
        return channels[0] if len(channels) == 1 else np.concatenate([np.asarray(channel) for channel in channels])


class RefinePreview(Activity):
    """Refines the slice in view, quietly, and shows what would change as outlines."""

    verb = Verb.REFINE
    announced = False

    def __init__(
        self, viewer: weakref.ref[ViewerModel], session: Session, exchange: Exchange, runner: JobRunner
    ) -> None:
        super().__init__(viewer, session, exchange, runner)
        self._outlines: Outlines | None = None
        self._chosen: Chosen | None = None
        self._material: _Material | None = None
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
        self._chosen, self._material = chosen, _Material(chosen)
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


class Refinement(LabelsActivity):
    """Refines a labels layer, into a new one or in place as one step of its undo."""

    verb = Verb.REFINE

    def __init__(
        self,
        viewer: weakref.ref[ViewerModel],
        session: Session,
        exchange: Exchange,
        runner: JobRunner,
        background: Background,
    ) -> None:
        super().__init__(viewer, session, exchange, runner, background)
        self._chosen: Chosen | None = None
        self._material: _Material | None = None
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
        self._chosen, self._material, self._in_place = chosen, _Material(chosen), in_place
        if in_place:
            viewer.layers.selection.active = chosen.mask
        material, exchange = self._material, self._exchange

        def make_request() -> RefineRequest:
            self._request = material.request(exchange, self._lend, slice(0, material.scan.grid[0]))
            return self._request

        self._begin(make_request)

    def _ready(self, result: RefineDone) -> Callable[[], tuple[list[SlicePart], NDArray[np.uint8] | None, str]]:
        chosen, material, request, in_place = self._chosen, self._material, self._request, self._in_place
        assert chosen is not None
        assert material is not None
        assert request is not None
        edit = Edit(pipeline_words(chosen.config), chosen.config.model_dump(mode="json"))

        def ready() -> tuple[list[SlicePart], NDArray[np.uint8] | None, str]:
            kept = _stay(None if request.protected is None else request.protected.open())
            after = request.out.open()
            parts = compare(edit, material.voxels.shape[:-2], request.mask.open(), after) if in_place else []
            # An edit too large for the undo goes into a new layer.
            return parts, np.array(after) if not in_place or size_of(parts) > UNDO_BYTES else None, kept

        return ready

    def _show(self, result: RefineDone, made_ready: tuple[list[SlicePart], NDArray[np.uint8] | None, str]) -> str:
        viewer, chosen, material = self._viewer(), self._chosen, self._material
        if viewer is None or chosen is None or material is None or chosen.mask not in viewer.layers:
            return "The mask was taken away meanwhile: there is no layer to show."
        parts, labels, kept = made_ready
        what = f"{_changes(result, material)} {kept}".strip()
        if labels is not None:
            layer = self._add_layer(viewer, chosen, material, labels)
            why = " The mask changed in too many places for its undo." if self._in_place else ""
            return f'Result: layer "{layer.name}": {what}{why}'
        if not can_edit(chosen.mask) or voxels_of(chosen.mask) is not material.voxels:
            return f'"{chosen.mask.name}" got other voxels meanwhile and stays as it is: apply again.'
        painted = make_edit(chosen.mask, parts)
        voxels = f"{painted:,} voxel{'s stay' if painted != 1 else ' stays'}"
        meanwhile = f" {voxels} as you painted meanwhile." if painted else ""
        return f'Changed "{chosen.mask.name}": {what}{meanwhile} Ctrl+Z takes it back.'

    def _add_layer(self, viewer: ViewerModel, chosen: Chosen, material: _Material, labels: NDArray[np.uint8]) -> Labels:
        active = viewer.layers.selection.active
        name = f"{chosen.mask.name.removesuffix(' prediction').removesuffix(' refined')} refined"
        look = {**place_of(chosen.mask), **class_look(material.classes)}
        layer: Labels = viewer.add_labels(material.scan.unfold(labels), name=name, opacity=0.6, **look)
        note_applied(layer, [*applied(chosen.mask), chosen.config.model_dump(mode="json")])
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active
        return layer

    def _clean_up(self, ending: Ending) -> None:
        self._chosen = self._material = self._request = None


def amount(voxels: int, voxel_ml: float | None) -> str:
    """Say how much some voxels are ("0.31 ml"); by their number when ``voxel_ml``, the volume of one, is unknown."""
    if voxel_ml is None:
        return f"{voxels:,} voxel{'s' * (voxels != 1)}"
    volume = voxels * voxel_ml
    return f"{volume:,.2f} ml" if volume < 10 else f"{volume:,.1f} ml"


def names_of(labels: Sequence[int], classes: Sequence[ClassInfo]) -> str:
    """List classes by their names, many of them by their number."""
    names = {info.label: info.name for info in classes}
    if len(labels) > NAMED_CLASSES:
        return f"{len(labels)} classes"
    return ", ".join(names.get(label, f"class {label}") for label in labels)


def _changes(done: RefineDone, material: _Material) -> str:
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
