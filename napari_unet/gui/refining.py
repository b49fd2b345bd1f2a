"""Refinement in the window: a preview of the slice in view, and a new layer with the result."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, as_mask
from napari_unet.config import RefineConfig
from napari_unet.gui.activity import Activity, Ending, slice_in_view
from napari_unet.gui.jobs import JobRunner
from napari_unet.gui.layers import classes_of, scan_of, voxels_of
from napari_unet.gui.live_labels import LiveLabels
from napari_unet.runner import Exchange, RefineDone, RefineRequest, SharedArray
from napari_unet.scan import Scan
from napari_unet.session import Session, Verb

PREVIEW_NAME = "Refine preview"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A refinement that was asked for: all of it, or a preview of one slice."""

    mask: Labels
    scan: Scan
    classes: tuple[ClassInfo, ...]
    slices: tuple[int, ...] | None


class Refinement(Activity):
    """Refines a labels layer into a new one; the layer itself stays as it is.

    Parameters
    ----------
    preview
        Whether it refines only the slice in view, into a preview layer.
    """

    verb = Verb.REFINE

    def __init__(
        self,
        viewer: weakref.ref[ViewerModel],
        session: Session,
        exchange: Exchange,
        runner: JobRunner,
        *,
        preview: bool = False,
    ) -> None:
        super().__init__(viewer, session, exchange, runner)
        self.announced = not preview
        self._wanted: _Wanted | None = None
        self._out: SharedArray | None = None
        self._preview: LiveLabels | None = None
        self._preview_of: Labels | None = None

    def start(self, mask: Labels, config: RefineConfig, paint: Labels | None = None) -> None:
        """Begin to refine.

        Parameters
        ----------
        mask
            The layer to refine.
        config
            The steps.
        paint
            A layer on the same scan whose painted voxels keep what the mask has there.

        Raises
        ------
        BadInput
            The layer is no mask.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        scan = scan_of(mask)
        voxels, name = voxels_of(mask), mask.name
        painted = None if paint is None else voxels_of(paint)
        slices = (slice_in_view(viewer, mask),) if not self.announced else None
        self._wanted = _Wanted(mask, scan, classes_of(mask), slices)
        exchange = self._exchange
        spacing = scan.spacing if scan.unit == "mm" else (1.0, 1.0, 1.0)

        def make_request() -> RefineRequest:
            folded = as_mask(np.asarray(scan.fold(voxels)), f'"{name}"')
            self._out = self._lend(exchange.empty(scan.grid, np.uint8))
            protected = None
            if painted is not None:
                protected = self._lend(exchange.put(np.asarray(scan.fold(painted)) != 0))
            return RefineRequest(
                mask=self._lend(exchange.put(folded)),
                out=self._out,
                config=config,
                spacing=spacing,
                depth=scan.depth,
                protected=protected,
                slices=slices,
            )

        self._begin(make_request)

    def remove_preview(self) -> None:
        """Take the preview away."""
        preview, self._preview = self._preview, None
        if preview is not None:
            preview.remove()

    def _on_result(self, result: object) -> str:
        assert isinstance(result, RefineDone)
        viewer, wanted = self._viewer(), self._wanted
        if viewer is None or wanted is None or self._out is None or wanted.mask not in viewer.layers:
            return "The mask was taken away meanwhile: there is no layer to show."
        out = self._out.open()
        what = _changes(result, wanted.classes, wanted.scan)
        if wanted.slices is not None:
            self._show_preview(viewer, wanted, out)
            return f"On this slice: {what}"
        name = f"{wanted.mask.name.removesuffix(' prediction')} refined"
        layer = LiveLabels(viewer, wanted.scan, wanted.mask, name, wanted.classes)
        layer.write(range(len(out)), out)
        return f'Result: layer "{layer.layer.name}": {what}'

    def _show_preview(self, viewer: ViewerModel, wanted: _Wanted, out: NDArray[np.uint8]) -> None:
        if self._preview is None or not self._preview.shown or self._preview_of is not wanted.mask:
            self.remove_preview()
            self._preview_of = wanted.mask
            self._preview = LiveLabels(viewer, wanted.scan, wanted.mask, PREVIEW_NAME, wanted.classes, editable=False)
        for z in wanted.slices or ():
            self._preview.replace(z, out)

    def _clean_up(self, ending: Ending) -> None:
        self._out = self._wanted = None


def _changes(done: RefineDone, classes: Sequence[ClassInfo], scan: Scan) -> str:
    """Say what a refinement changed ("+2.1 ml, -0.4 ml in ribs, right lung")."""
    added, removed = sum(done.added.values()), sum(done.removed.values())
    if not added and not removed:
        return "nothing changed."
    names = {info.label: info.name for info in classes}
    changed = ", ".join(names.get(label, f"class {label}") for label in sorted({*done.added, *done.removed}))
    if scan.unit == "mm" and scan.depth > 1:
        return f"+{added * done.voxel_ml:.1f} ml, \N{MINUS SIGN}{removed * done.voxel_ml:.1f} ml in {changed}."
    return f"+{added:,}, \N{MINUS SIGN}{removed:,} voxels in {changed}."
