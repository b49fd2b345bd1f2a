"""The Review dock: how far a mask is looked through, what was corrected, and learning from it."""

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_unet.errors import UnetError
from napari_unet.gui.docks.dock import Dock, line, rows
from napari_unet.gui.docks.train_dock import TIMES
from napari_unet.gui.layers.scans import classes_of, images_beneath, review_of, scan_of, voxels_of
from napari_unet.gui.layers.stored_labels import too_large
from napari_unet.gui.widgets.choosers import NO_MASK, ComboBox, LayerChooser, is_labels
from napari_unet.gui.widgets.comparison_panel import ComparisonPanel
from napari_unet.gui.widgets.effort_panel import EffortPanel
from napari_unet.gui.widgets.job_panel import JobPanel
from napari_unet.gui.widgets.live_panel import LivePanel
from napari_unet.gui.widgets.next_panel import NEXT_KEY, NextPanel
from napari_unet.gui.widgets.slice_strip import SliceStrip, legend
from napari_unet.gui.widgets.undo_buttons import UndoButtons
from napari_unet.gui.work.activity import Ending, How, is_along_slices, look_at_place, look_at_slice, slice_in_view
from napari_unet.gui.work.recount import Recount
from napari_unet.gui.work.refining import amount, names_of
from napari_unet.review.corrections import Review, ReviewSummary
from napari_unet.review.effort import duration
from napari_unet.review.looking import Suggestion
from napari_unet.session import Ready, ReviewInfo, State, Verb

REVIEWED_KEY, ALL_REVIEWED_KEY = "R", "Shift-R"
NOT_PREDICTED = "This mask was not predicted here, so nobody knows what was corrected: choose a prediction."
DEFAULT_SECONDS = 30


class ReviewDock(Dock):
    """Look through a predicted mask, correct it, and let the model learn from that."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self._summary: ReviewSummary | None = None
        self._followed_paint = self.workspace.paint_on(None)
        self._make_controls()
        self._lay_out()
        self._connect()
        self._show_choice()
        self._take_mask()

    def _make_controls(self) -> None:
        self.mask_box = LayerChooser(self.workspace.viewer, is_labels, NO_MASK)
        self.strip = SliceStrip()
        self.strip.describe = self._describe
        self.legend = QLabel(legend())
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.progress = line("progress")
        self.here = line("here")
        self.right_button = QPushButton(f"This slice is right ({REVIEWED_KEY})")
        self.right_button.setCheckable(True)
        self.right_button.setToolTip(
            "Every voxel of this slice is right: the model learns from all of it, and never changes it.\n"
            "Shift+R marks all slices."
        )
        self.next = NextPanel()
        self.time = ComboBox()
        for seconds, words in TIMES.items():
            self.time.addItem(words, seconds)
        self.time.setCurrentIndex(self.time.findData(DEFAULT_SECONDS))
        self.effort = EffortPanel()
        self.panel = JobPanel(self.workspace.learning_again, "Learn from corrections", can_stop=True)
        self.live = LivePanel(self.workspace.live, self._images)
        self.comparison = ComparisonPanel(self.workspace.learning_again)
        self.undo = UndoButtons(self.workspace.history, self.workspace.undoing)
        self.recount = Recount(self.workspace.background, self)

    def _lay_out(self) -> None:
        choices = rows()
        choices.addRow("Mask", self.mask_box)
        self.column.addLayout(choices)
        for widget in (self.strip, self.legend, self.progress, self.here):
            self.column.addWidget(widget)
        self.column.addWidget(self.right_button)
        self.column.addWidget(self.next)
        self.column.addWidget(self.effort)
        how_long = rows()
        how_long.addRow("Time", self.time)
        self.column.addLayout(how_long)
        self.column.addWidget(self.panel)
        self.column.addWidget(self.comparison)
        self.column.addWidget(self.live)
        self.column.addWidget(self.undo)
        self.column.addStretch()

    def _connect(self) -> None:
        viewer, learning = self.workspace.viewer, self.workspace.learning_again
        self.mask_box.chosen.connect(self._take_mask)
        for signal in (self.strip.chosen, self.effort.chosen):
            signal.connect(self._look_at)
        self.workspace.clock.looked_at.connect(self._looked_at)
        self.workspace.clock.counted.connect(self._show_slice)
        self.right_button.clicked.connect(self.mark_slice)
        self.next.button.clicked.connect(self.go_to_next)
        self.next.chosen.connect(self._go_to)
        self.panel.pressed.connect(self.start)
        self.panel.stop.connect(self.workspace.training.stop_and_keep)
        self.comparison.chosen.connect(self._show_compared)
        learning.choice_changed.connect(self._show_choice)
        self.recount.counted.connect(self._take_summary)
        self.recount.failed.connect(self._take_problem)
        self.workspace.marking.changed.connect(self._marked)
        self.session.changed.connect(self._show_state)
        for event in (viewer.dims.events.current_step, viewer.dims.events.order, viewer.dims.events.ndisplay):
            event.connect(self._show_slice)
        viewer.bind_key(REVIEWED_KEY, lambda _: self.mark_slice(), overwrite=True)
        viewer.bind_key(ALL_REVIEWED_KEY, lambda _: self.mark_all(), overwrite=True)
        viewer.bind_key(NEXT_KEY, lambda _: self.go_to_next(), overwrite=True)

    def choices(self) -> dict[str, QWidget]:
        """Name the controls in which something is chosen that a project keeps."""
        return {"time": self.time}

    def take_scan(self, images: list[Image]) -> None:
        """Choose the mask of a scan that came into view."""
        self.mask_box.choose(self.workspace.newest_on(images, reviewed=True))

    def take_mask(self, mask: Labels) -> None:
        """Choose a mask that was just predicted, or is shown in the place of another."""
        self.mask_box.choose(mask)

    def leave(self) -> None:
        """Let go of everything that outlives the dock."""
        viewer, learning = self.workspace.viewer, self.workspace.learning_again
        for key in (REVIEWED_KEY, ALL_REVIEWED_KEY, NEXT_KEY):
            viewer.bind_key(key, None)
        for event in (viewer.dims.events.current_step, viewer.dims.events.order, viewer.dims.events.ndisplay):
            event.disconnect(self._show_slice)
        self.session.changed.disconnect(self._show_state)
        learning.choice_changed.disconnect(self._show_choice)
        self.comparison.disconnect_learning()
        self.workspace.marking.changed.disconnect(self._marked)
        self.undo.disconnect_history()
        self.panel.disconnect_activity()
        self.live.disconnect_live()
        self.recount.follow((), None)
        self.workspace.clock.looked_at.disconnect(self._looked_at)
        self.workspace.clock.counted.disconnect(self._show_slice)
        self.workspace.clock.follow(None)
        self.mask_box.disconnect_viewer()

    def start(self) -> None:
        """Learn from the corrections and predict again."""
        mask = self.mask_box.layer
        if mask is None or not isinstance(self.session.readiness(Verb.REVIEW), Ready):
            return
        paint = self.workspace.paint_on(mask)
        try:
            self.workspace.learning_again.start(
                mask, paint, self.session.state.unpainted, float(self.time.currentData())
            )
        except UnetError as error:
            self.panel.show_problem(str(error))

    def mark_slice(self) -> None:
        """Mark the slice in view as right everywhere, or take the mark back."""
        mask = self.mask_box.layer
        if mask is not None and is_along_slices(self.workspace.viewer, mask):
            self.workspace.marking.mark(mask, {slice_in_view(self.workspace.viewer, mask)})

    def mark_all(self) -> None:
        """Mark all slices as right everywhere; when all are, take the marks back."""
        mask = self.mask_box.layer
        if mask is not None:
            self.workspace.marking.mark(mask, range(scan_of(mask).grid[0]))

    def _marked(self, mask: Labels) -> None:
        if mask is self.mask_box.layer:
            self.recount.count()

    def _looked_at(self, mask: Labels) -> None:
        if mask is self.mask_box.layer:
            self.recount.count_soon()

    def go_to_next(self) -> None:
        """Show the slice to look at next, with the place on it in the middle."""
        mask = self.mask_box.layer
        if mask is not None:
            self.next.go(slice_in_view(self.workspace.viewer, mask))

    def _go_to(self, suggestion: Suggestion) -> None:
        self._look_at(suggestion.z)
        if self.mask_box.layer is not None and suggestion.place is not None:
            look_at_place(self.workspace.viewer, self.mask_box.layer, suggestion.place)

    # --- what is chosen

    def _images(self) -> list[Image]:
        return [] if self.mask_box.layer is None else images_beneath(self.workspace.viewer, self.mask_box.layer)

    def _review(self) -> Review | None:
        return None if self.mask_box.layer is None else review_of(self.mask_box.layer)

    def _take_mask(self) -> None:
        mask, review = self.mask_box.layer, self._review()
        paint = self._followed_paint = self.workspace.paint_on(mask)
        self._summary = None
        self.next.follow(review)
        self.strip.show_states(())
        self.effort.show_effort((), (), str, str)
        self.workspace.clock.follow(None if review is None else mask)
        if mask is None or review is None:
            self.recount.follow((), None)
            info = None if mask is None else ReviewInfo(mask.name, problem=too_large(mask) or NOT_PREDICTED)
        else:
            scan, info = scan_of(mask), ReviewInfo(mask.name)

            def count() -> ReviewSummary:
                painted = None if paint is None else scan.fold(voxels_of(paint))
                return review.summary(scan.fold(voxels_of(mask)), painted)

            self.recount.follow([layer for layer in (mask, paint) if layer is not None], count)
        self.session.update(review=info)
        self._show_slice()
        self._show_state(self.session.state)

    def _take_summary(self, summary: ReviewSummary) -> None:
        if self.mask_box.layer is not None:
            self._summary = summary
            self.session.update(review=ReviewInfo(self.mask_box.layer.name, summary))
            self.strip.show_states(summary.states)
            self.next.show_summary(summary)
            self.effort.show_effort(summary.effort, summary.earlier, self._amount, self._class_name)
            self._show_slice()

    def _take_problem(self, text: str) -> None:
        if self.mask_box.layer is not None:
            self.session.update(review=ReviewInfo(self.mask_box.layer.name, problem=text))

    # --- what is shown

    def _look_at(self, z: int) -> None:
        if self.mask_box.layer is not None:
            look_at_slice(self.workspace.viewer, self.mask_box.layer, z)

    def _show_state(self, state: State) -> None:
        if self.workspace.paint_on(self.mask_box.layer) is not self._followed_paint:
            self._take_mask()
            return
        self.panel.set_readiness(self.session.readiness(Verb.REVIEW))
        self.live.look_for_scan()
        summary = None if state.review is None else state.review.summary
        for widget in (self.strip, self.legend, self.progress, self.here, self.right_button, self.next):
            widget.setVisible(summary is not None)
        if summary is not None:
            self.progress.setText(summary.sentence())

    def _amount(self, voxels: int) -> str:
        mask = self.mask_box.layer
        return amount(voxels, None if mask is None else scan_of(mask).voxel_ml)

    def _class_name(self, label: int) -> str:
        return names_of([label], () if self.mask_box.layer is None else classes_of(self.mask_box.layer))

    def _describe(self, z: int) -> str:
        """Say of a slice how far it is, what was changed, and how long that took."""
        summary, review = self._summary, self._review()
        if summary is None or review is None:
            return f"slice {z}"
        changed, seconds = summary.corrected.get(z, 0), review.seconds.get(z, 0.0)
        by_person = f"{self._amount(changed)} changed or accepted" * bool(changed)
        words = (summary.states[z].value, by_person, _time(seconds))
        return f"slice {z}: {', '.join(filter(None, words))}"

    def _show_slice(self, event: object = None) -> None:
        mask, summary = self.mask_box.layer, self._summary
        if mask is None or summary is None:
            return
        along = is_along_slices(self.workspace.viewer, mask)
        self.right_button.setEnabled(along)
        z = slice_in_view(self.workspace.viewer, mask)
        if z >= len(summary.states):
            return
        if not along:
            self.here.setText("The view is in 3-D or cuts across the slices: turn it back to correct or mark a slice.")
            return
        self.strip.show_current(z)
        self.right_button.setChecked(z in summary.reviewed)
        changed = summary.corrected.get(z, 0)
        how_much = self._amount(changed)
        if z in summary.reviewed:
            what = f"right everywhere; the model wrote {how_much} of it differently" if changed else "right everywhere"
        else:
            what = f"you changed or accepted {how_much}" if changed else "as the model wrote it"
        time = _time(0.0 if (review := self._review()) is None else review.seconds.get(z, 0.0))
        self.here.setText(f"Slice {z}: {what}{f'; {time}' * bool(time)}.")

    def _show_choice(self) -> None:
        choice = self.workspace.learning_again.choice
        if choice is None:
            self.panel.forget_ending()
        else:
            self.panel.show_ending(Ending(How.DONE, choice.verdict))

    def _show_compared(self, layer: Labels | None, z: int) -> None:
        viewer = self.workspace.viewer
        if layer is not None and layer in viewer.layers:
            look_at_slice(viewer, layer, z)


def _time(seconds: float) -> str:
    """Say how long was spent on a slice; "" when it was only passed."""
    return f"{duration(seconds)} spent" if seconds >= 1 else ""
