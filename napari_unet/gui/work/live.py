"""Learning while a person paints: after a pause a network learns for a while, and shows the slice in view.

It has a process of its own, whose network stays from round to round. A stroke ends a round at the next batch, so that
nothing else wants the processor while somebody paints; and a round ends by itself, so that a window at rest is at rest.
"""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QTimer, Signal

from napari_unet.annotation import ClassInfo, classes_for
from napari_unet.errors import UnetError
from napari_unet.events import Event, Preview, Progress, Started
from napari_unet.gui.layers.edits import revision
from napari_unet.gui.layers.live_labels import LiveLabels
from napari_unet.gui.layers.outlines import outlined
from napari_unet.gui.layers.paint import chosen_paint
from napari_unet.gui.layers.scans import (
    classes_of,
    images_beneath,
    review_of,
    scan_of,
    show_classes,
    voxels_of,
    with_colour,
)
from napari_unet.gui.work.activity import Ending, How, ScanActivity, Surroundings
from napari_unet.gui.work.jobs import JobRunner
from napari_unet.gui.work.live_table import Said, Table
from napari_unet.gui.work.naming import free_name
from napari_unet.model_file import SUFFIX
from napari_unet.runner.live import LiveDone, LiveRequest
from napari_unet.scan import stack_channels
from napari_unet.session import TrainedModel, Verb

LIVE_NAME = "U-Net live"
LIVE_ENGINES = ("napari_unet.training.live",)
PAUSE_MS = 1500
"""How long nobody paints before it learns."""
GLANCE_MS = 200
"""How long a slice is in view before it is shown what the network makes of it."""
ROUND_SECONDS = 30.0
"""How long it learns after the last stroke."""
OUTLINE = 256
"""So many times as wide as an outline is a slice: what is beneath is to be seen, since it is painted on."""
BUSY = (Verb.REVIEW, Verb.TRAIN, Verb.PREDICT)
"""It makes room for these."""


class Live(ScanActivity):
    """Learns from paint and corrections while it is switched on; it changes neither."""

    verb = Verb.TRAIN
    announced = False
    switched = Signal(bool)
    """It is on, or off."""
    said = Signal(str)
    """What it does now, in words."""

    def __init__(self, surroundings: Surroundings, runner: JobRunner) -> None:
        super().__init__(surroundings, runner)
        self.on = False
        self.text = ""
        self._images: tuple[Image, ...] = ()
        self._layers: tuple[Labels, ...] = ()
        self._revisions: Sequence[object] = ()
        self._keys = map(str, count(1))
        self._table: Table | None = None
        self._from: object = None
        self._untold: set[int] = set()
        self._learned = False
        self._saves_to = ""
        self._why_off = ""
        self._classes: tuple[ClassInfo, ...] = ()
        self._preview: LiveLabels | None = None
        self._pause = self._timer(PAUSE_MS, self._learn)
        self._glance = self._timer(GLANCE_MS, self._show_view)

    def _timer(self, milliseconds: int, call: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(call)
        return timer

    def switch_on(self, images: Sequence[Image]) -> None:
        """Learn from now on from what is painted on a scan, and corrected on its mask.

        Parameters
        ----------
        images
            The scan: one layer, or several whose data become its channels.
        """
        viewer = self._viewer()
        if viewer is None or self.on or not images:
            return
        self.on, self._images = True, tuple(images)
        self._runner.warm()
        self._session.changed.connect(self._session_changed)
        viewer.dims.events.current_step.connect(self._view_changed)
        viewer.layers.events.removed.connect(self._layer_removed)
        self._lay_preview(viewer)
        self.switched.emit(True)
        self._say("Waits for paint.")
        self._session_changed()
        self._pause.start()

    def switch_off(self, why: str = "") -> None:
        """Learn no more; what was learned is a model of the window.

        Parameters
        ----------
        why
            A sentence, where it was not a person who switched it off.
        """
        if not self.on:
            return
        self._let_go(why)
        if self._active:
            self.cancel(patiently=True)
        else:
            self._settle()

    def end(self) -> None:
        """Switch off at once, with nothing kept."""
        if self.on:
            self._let_go()
        self.abandon()
        self._runner.close()
        self._clear()

    def _let_go(self, why: str = "") -> None:
        self.on, self._why_off = False, why
        self._pause.stop()
        self._glance.stop()
        self._follow_layers(())
        self._session.changed.disconnect(self._session_changed, missing_ok=True)
        viewer = self._viewer()
        if viewer is not None:
            viewer.dims.events.current_step.disconnect(self._view_changed)
            viewer.layers.events.removed.disconnect(self._layer_removed)
        self.switched.emit(False)
        self._say(why)

    # --- what a person does

    def _session_changed(self, state: object = None) -> None:
        """Follow the paint and the mask that are chosen now, and make room for what is under way."""
        self._follow_layers([layer for layer in self._chosen() if layer is not None])
        if waits := self._waits():
            self._pause.start()
            if self._active:
                self.cancel(patiently=True)
            else:
                self._say(waits)

    def _layer_removed(self, event: Any) -> None:
        if event.value in self._images:
            self.switch_off(f'"{event.value.name}" was removed: it learns no more.')

    def _waits(self) -> str:
        """Say what it waits for, if something else has the processor."""
        verb = next((verb for verb in BUSY if verb in self._session.state.running), None)
        return "" if verb is None else f"Waits until the {verb} is over."

    def _chosen(self) -> tuple[Labels | None, Labels | None]:
        """Give the paint and the mask under review that are chosen in the docks and lie on the scan."""
        viewer, state = self._viewer(), self._session.state
        if viewer is None:
            return None, None
        info = state.review
        layer = viewer.layers[info.name] if info is not None and info.name in viewer.layers else None
        mask = layer if isinstance(layer, Labels) and review_of(layer) is not None else None
        if mask is not None and images_beneath(viewer, mask)[:1] != list(self._images[:1]):
            mask = None
        paint = chosen_paint(viewer, state, self._images, self._shape())
        return None if paint is mask else paint, mask

    def _shape(self) -> tuple[int, ...]:
        return scan_of(self._images[0]).mask_shape

    def _follow_layers(self, layers: Sequence[Labels]) -> None:
        if tuple(layers) == self._layers:
            return
        for layer in self._layers:
            for event in (layer.events.paint, layer.events.data, layer.events.set_data):
                event.disconnect(self._changed)
            layer.events.labels_update.disconnect(self._brush)
        self._layers = tuple(layers)
        self._revisions = [revision(layer) for layer in self._layers]
        for layer in self._layers:
            for event in (layer.events.paint, layer.events.data, layer.events.set_data):
                event.connect(self._changed)
            layer.events.labels_update.connect(self._brush)

    def _changed(self, event: object = None) -> None:
        """Notice a stroke, an undo and the like; a layer is also drawn anew when nothing changed."""
        revisions = [revision(layer) for layer in self._layers]
        if revisions != self._revisions:
            self._revisions = revisions
            self._brush()

    def _brush(self, event: object = None) -> None:
        """Leave the processor to whoever paints, and learn once nobody does."""
        self._pause.start()
        if self._active:
            self.cancel(patiently=True)

    def _view_changed(self, event: object = None) -> None:
        if self._learned and not self._active:
            self._glance.start()

    # --- rounds

    def _learn(self) -> None:
        if self._runner.running or self._waits():
            self._pause.start()
            return
        try:
            self._ask(ROUND_SECONDS)
        except UnetError as error:  # the layers were changed so that they belong together no more
            self.end()
            self._say(str(error))

    def _show_view(self) -> None:
        if not (self._runner.running or self._pause.isActive() or self._waits()):
            self._ask(0.0)

    def _ask(self, seconds: float, model_path: str = "") -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        paint, mask = self._chosen()
        scans = self._follow(viewer, self._images)
        start = self._model_to_begin_with(mask, sum(scan.channels for scan in scans))
        if self._table is None or ((self._images, start) != self._from and not model_path):
            self._forget()
            self._from = (self._images, start)
        said = Said(
            None if paint is None else scans[0].fold(voxels_of(paint)),
            self._session.state.unpainted,
            None if mask is None else scans[0].fold(voxels_of(mask)),
            None if mask is None else review_of(mask),
        )
        key, exchange, looked_at = next(self._keys), self._exchange, self._looked_at
        classes = self._name_classes(paint, mask)

        def make_request() -> LiveRequest:
            table = self._table = self._table or Table.laid(key, stack_channels(scans), exchange)
            if not model_path:  # to be saved as it is, also when the paint went with the scan
                self._untold |= table.take(said)
            return LiveRequest(
                table.key,
                table.scan,
                table.known,
                table.preview,
                classes,
                "" if start is None else str(start.path),
                tuple(sorted(self._untold)),
                seconds,
                looked_at,
                model_path,
            )

        self._saves_to = model_path
        self._begin(make_request)
        summary = self._session.state.paint_summary
        teaches = mask is not None or (paint is not None and summary is not None and summary.labels)
        self._say("Learning …" if seconds and teaches else self.text)

    def _model_to_begin_with(self, mask: Labels | None, channels: int) -> TrainedModel | None:
        """Give the model of the mask that is reviewed, else the one at hand; none if that has other channels."""
        review, model = None if mask is None else review_of(mask), self._session.state.model
        if review is not None:
            model = next((known for known in self._session.models if known.path == review.model), model)
        return model if model is not None and len(model.description.channel_names) == channels else None

    def _name_classes(self, paint: Labels | None, mask: Labels | None) -> tuple[ClassInfo, ...]:
        """Give the classes that are named, and those that are painted, and show them in the colours of the paint."""
        named = [info for layer in (paint, mask) if layer is not None for info in classes_of(layer)]
        summary = self._session.state.paint_summary
        others = () if summary is None or paint is None else classes_for(summary.labels, named)
        known = {info.label for info in named}
        if paint is not None:
            named += [with_colour(info, paint) for info in others if info.label not in known]
        before, self._classes = self._classes, tuple({info.label: info for info in reversed(named)}.values())
        if self._preview is not None and self._preview.shown and self._classes != before:
            show_classes(self._preview.layer, self._classes)
        return self._classes

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Started):
            self._untold.clear()
        elif isinstance(event, Progress) and self.on:
            self._say(f"Learning: {event.text}.")
        elif isinstance(event, Preview):
            self._learned = True
            self._show(event.z)

    def _lay_preview(self, viewer: ViewerModel) -> None:
        """Add its layer with the click that switches it on: while one paints, that would hold up a stroke."""
        classes = self._name_classes(*self._chosen())
        self._preview = LiveLabels(
            viewer, scan_of(self._images[0]), self._images[0], LIVE_NAME, classes, editable=False
        )

    def _show(self, z: int) -> None:
        if self._preview is not None and self._preview.shown and self._table is not None:
            labels = self._table.preview.open()[z]
            self._preview.replace(z, outlined(labels, max(1, labels.shape[1] // OUTLINE)))

    def _on_result(self, result: object) -> str:
        assert isinstance(result, LiveDone)
        if result.description is not None:
            name = free_name(self._session, f"{self._images[0].name} live model")
            model = TrainedModel(name, Path(self._saves_to), result.description)
            self._session.add_model(model, choose=self._session.state.model is None)
            return f'What it learned is the model "{name}".'
        return f"Learned {result.steps:,} steps. It goes on when you paint." if result.steps else "Waits for paint."

    def _finish(self, ending: Ending) -> None:
        super()._finish(ending)
        cancelled = self._waits() or "Learns when you pause." if self.on else ""
        text = cancelled if ending.how is How.CANCELLED else ending.text
        self._say(f"{self._why_off} {text}".strip())
        if not self.on:
            QTimer.singleShot(0, self._settle)  # once everybody has heard of the ending

    # --- the end

    def _settle(self) -> None:
        """Save what was learned, once, and then let go of the process."""
        if self.on or self._active:
            return
        if self._learned and not self._saves_to:
            self._ask(0.0, str(self._exchange.path(SUFFIX)))
        else:
            self._runner.close()
            self._clear()

    def _clear(self) -> None:
        preview, self._preview = self._preview, None
        if preview is not None:
            preview.remove()
        self._forget()
        self._images, self._from = (), None

    def _forget(self) -> None:
        """Begin anew the next time."""
        table, self._table = self._table, None
        if table is not None:
            self._remove(table.scan, table.known, table.preview)
        self._untold.clear()
        self._learned, self._saves_to = False, ""

    def _say(self, text: str) -> None:
        self.text = text
        self.said.emit(text)
