"""Filling between painted slices in the window: first as outlines, then as one step of the paint layer's undo."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import Signal

from napari_unet.annotation import BACKGROUND, as_paint
from napari_unet.config import FillBetweenConfig
from napari_unet.errors import BadInput
from napari_unet.gui.layers.edits import Edit, SlicePart, can_edit, compare, make_edit, revision, size_of
from napari_unet.gui.layers.outlines import Outlines
from napari_unet.gui.layers.scans import classes_of, scan_of, voxels_of
from napari_unet.gui.work.activity import Ending, LabelsActivity, Surroundings
from napari_unet.gui.work.jobs import JobRunner
from napari_unet.gui.work.refining import amount, names_of
from napari_unet.history import UNDO_BYTES
from napari_unet.runner import FillDone, FillRequest
from napari_unet.session import Verb

if TYPE_CHECKING:
    from napari_unet.scan import Scan

PREVIEW_NAME = "Fill preview"
NAME = "filling between slices"


@dataclass(frozen=True, slots=True)
class _Offer:
    """What would be painted."""

    paint: Labels
    revision: object
    parts: list[SlicePart]


class Filling(LabelsActivity):
    """Fills unpainted voxels of a paint layer between painted slices.

    ``offered`` says whether there is a filling to apply: it is there once it has been computed, and goes when it is
    applied or discarded, or when somebody paints on, which makes another one.
    """

    verb = Verb.FILL
    offered = Signal(bool)

    def __init__(self, surroundings: Surroundings, runner: JobRunner) -> None:
        super().__init__(surroundings, runner)
        self._paint: Labels | None = None
        self._scan: Scan | None = None
        self._request: FillRequest | None = None
        self._revision: object = None
        self._edit = Edit(NAME, {})
        self._outlines: Outlines | None = None
        self._offer: _Offer | None = None

    @property
    def offer(self) -> bool:
        """Whether there is a filling to apply."""
        return self._offer is not None

    def start(self, paint: Labels, config: FillBetweenConfig) -> None:
        """Begin to compute what would be painted, and show it.

        Raises
        ------
        BadInput
            The layer cannot be filled.
        """
        if self._viewer() is None:
            return
        self.discard()
        if not can_edit(paint):
            raise BadInput(f'"{paint.name}" lies on a disk or cannot be painted on: fill a layer that is in memory.')
        scan = scan_of(paint)
        self._paint, self._scan, self._revision = paint, scan, revision(paint)
        self._edit = Edit(NAME, {"fill_between": config.model_dump(mode="json")})
        voxels, name, exchange = voxels_of(paint), paint.name, self._exchange

        def make_request() -> FillRequest:
            folded = as_paint(np.asarray(scan.fold(voxels)), f'"{name}"')
            self._request = FillRequest(
                paint=self._lend(exchange.put(folded)),
                out=self._lend(exchange.empty(scan.grid, np.uint8)),
                config=config,
                spacing=scan.spacing_in_mm,
                depth=scan.depth,
            )
            return self._request

        self._begin(make_request)

    def apply(self) -> str:
        """Paint what was offered, as one step of the layer's undo; say what came of it."""
        offer, viewer = self._offer, self._viewer()
        self.discard()
        if offer is None or viewer is None or offer.paint not in viewer.layers:
            return "The paint layer was taken away meanwhile."
        viewer.layers.selection.active = offer.paint
        make_edit(offer.paint, offer.parts)
        return f"Painted {_slices(offer.parts)}. Ctrl+Z takes it back."

    def discard(self) -> None:
        """Forget what was offered, and take its outlines away."""
        outlines, self._outlines = self._outlines, None
        if outlines is not None:
            outlines.remove()
        offer, self._offer = self._offer, None
        if offer is not None:
            offer.paint.events.paint.disconnect(self._painted)
            offer.paint.events.set_data.disconnect(self._painted)
            self.offered.emit(False)

    def _ready(self, result: FillDone) -> Callable[[], tuple[list[SlicePart], Mapping[int, NDArray[np.uint8]]]]:
        paint, request, edit = self._paint, self._request, self._edit
        assert paint is not None
        assert request is not None
        leading = paint.data.shape[:-2]

        def ready() -> tuple[list[SlicePart], Mapping[int, NDArray[np.uint8]]]:
            before, after = request.paint.open(), request.out.open()
            parts = compare(edit, leading, before, after)
            changed = [int(np.ravel_multi_index(part.place, leading)) for part in parts]
            # Background has no outline: it would be around everything.
            return parts, {z: after[z] * ((before[z] != after[z]) & (after[z] != BACKGROUND)) for z in changed}

        return ready

    def _show(self, result: FillDone, made_ready: tuple[list[SlicePart], Mapping[int, NDArray[np.uint8]]]) -> str:
        viewer, paint, scan = self._viewer(), self._paint, self._scan
        if viewer is None or paint is None or scan is None or paint not in viewer.layers:
            return "The paint layer was taken away meanwhile."
        parts, outlines = made_ready
        if revision(paint) != self._revision:
            return "You painted on meanwhile: preview again."
        if not parts:
            return "There is nothing left to fill: all voxels that would be are painted."
        if size_of(parts) > UNDO_BYTES:
            return "Too many places would be painted to undo it: fill fewer classes, or narrower gaps."
        self._outlines = Outlines(viewer, scan, paint, PREVIEW_NAME, classes_of(paint))
        self._outlines.show(outlines)
        self._offer = _Offer(paint, self._revision, parts)
        paint.events.paint.connect(self._painted)
        paint.events.set_data.connect(self._painted)
        self.offered.emit(True)
        labels = [label for label in sorted(result.added) if label != BACKGROUND]
        gained = amount(sum(result.added[label] for label in labels), result.voxel_ml if scan.unit == "mm" else None)
        what = f": {gained} of {names_of(labels, classes_of(paint))}" if labels else ""
        return f"Would paint {_slices(parts)}{what}. Look through them, then press Fill."

    def _painted(self, event: object = None) -> None:
        if self._offer is not None and revision(self._offer.paint) != self._offer.revision:
            self.discard()

    def _clean_up(self, ending: Ending) -> None:
        self._paint = self._scan = self._request = None


def _slices(parts: list[SlicePart]) -> str:
    return f"{len(parts)} slice{'s' * (len(parts) != 1)}"
