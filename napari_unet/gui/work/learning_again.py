"""Learning from corrections: the model at hand goes on with them, and predicts again, beside what was there."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import Signal

from napari_unet.annotation import with_background
from napari_unet.config import PRESETS, Unpainted
from napari_unet.errors import BadInput, UnetError
from napari_unet.gui.layers.kept import set_visible
from napari_unet.gui.layers.live_labels import Kept
from napari_unet.gui.layers.scans import classes_of, images_beneath, review_of, scan_of, voxels_of
from napari_unet.gui.widgets.beginnings import Beginning
from napari_unet.gui.work.activity import Ending, How, Surroundings, Work
from napari_unet.gui.work.predicting import Prediction, Wish
from napari_unet.gui.work.scoring import Asked, Compared, Scoring
from napari_unet.gui.work.training import Lesson, Painted, Reading, Training
from napari_unet.gui.work.undoing import Switched
from napari_unet.review.comparison import Ground, slices_found_right, verdict
from napari_unet.session import TrainedModel, Verb

if TYPE_CHECKING:
    from pathlib import Path

MOST_COMPARED = 6
"""Scans beside its own that a new model is compared on."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Two masks and their models, between which a person has to choose; until then the model from before counts."""

    before: Labels
    after: Labels
    model_before: TrainedModel
    model_after: TrainedModel
    compared: tuple[Compared, ...]
    verdict: str
    """What was gained and lost, in words."""


class LearningAgain(Work):
    """Trains on the paint, the reviewed slices and the corrections of masks, then predicts one into a new layer.

    What a person stands for is in the new layer as it is in the old one, which is hidden and stays. Both models are
    compared on everything that was found right and on earlier paint; the new one is chosen when somebody keeps it.
    """

    shown = Signal(object)
    """This mask is shown in the place of another."""
    choice_changed = Signal()
    """There is nothing to choose between any more, or what there was is so again."""

    def __init__(
        self, surroundings: Surroundings, training: Training, prediction: Prediction, scoring: Scoring
    ) -> None:
        super().__init__()
        self._viewer = surroundings.viewer
        self._session = surroundings.session
        self._background = surroundings.background
        self._history = surroundings.history
        self._training = training
        self._prediction = prediction
        self._scoring = scoring
        self.choice: Choice | None = None
        """What there is to choose between."""
        self._went_back: Choice | None = None
        self.measured: dict[Path, float] = {}
        """By the file of a model: its mean Dice on the slices that were found right when it was made."""
        self._read_paint: Reading | None = None
        self._models: tuple[TrainedModel, ...] = ()
        self._mask: Labels | None = None
        self._kept: Kept | None = None
        self._new: Labels | None = None
        self._compared: tuple[Compared, ...] = ()
        self._round = 0
        for activity in (training, prediction, scoring):
            activity.reported.connect(self._report)
        training.ended.connect(self._trained)
        prediction.ended.connect(self._predicted)
        scoring.ended.connect(self._scored)

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self._mask is not None

    def cancel(self, *, patiently: bool = False) -> None:
        """End it within a second; the mask is as it was."""
        if not self.running:
            return
        if self._training.running:
            self._training.cancel(patiently=patiently)
        elif self._prediction.running:
            self._prediction.cancel(patiently=patiently)
        elif self._scoring.running:
            self._scoring.cancel(patiently=patiently)
        else:
            self._finish(Ending(How.CANCELLED, "Cancelled."))

    def start(self, mask: Labels, paint: Labels | None, unpainted: Unpainted, seconds: float) -> None:
        """Begin.

        Parameters
        ----------
        mask
            A mask that was predicted in this window, as a person corrected it.
        paint
            The paint of the same scan, if there is some.
        unpainted
            What voxels without paint count as in that.
        seconds
            How long it may learn.

        Raises
        ------
        BadInput
            The scan or the model of the mask is not there any more.
        """
        viewer, review = self._viewer(), review_of(mask)
        if viewer is None or review is None:
            return
        model = next((model for model in self._session.models if model.path == review.model), None)
        images = images_beneath(viewer, mask)
        if model is None or not images:
            raise BadInput(f'The {"scan" if model else "model"} of "{mask.name}" is not here any more: predict again.')
        if self.choice is not None and mask is self.choice.after:
            self.keep()  # whoever goes on with the new mask has chosen
        self._read_paint = partial(with_background, unpainted=unpainted)
        # All that a person said teaches, and nothing is held out: what is said of slices is what it is measured on.
        chosen = {"unpainted": Unpainted.UNKNOWN, "time_limit": seconds, "validation": 0.0}
        others = [_as_painted(layer, of) for layer, of in self._others(viewer, images)]
        self._training.start(
            images,
            mask,
            PRESETS["fast"].train.model_copy(update=chosen),
            classes_of(mask),
            Beginning(model=model),
            Lesson(_as_painted(mask, images), others, paint, self._read_paint),
        )
        self._round += 1
        self._mask, self._models = mask, (model,)
        self._decide()
        self._session.started(Verb.REVIEW)
        self.began.emit()

    def _others(self, viewer: ViewerModel, images: list[Image]) -> list[tuple[Labels, list[Image]]]:
        """Find the topmost mask that was predicted of each other scan like this one, and the layers of that scan."""
        channels = sum(scan_of(image).channels for image in images)
        found: dict[tuple[Image, ...], Labels] = {}
        for layer in viewer.layers:
            if not isinstance(layer, Labels) or review_of(layer) is None:
                continue
            of = images_beneath(viewer, layer)
            if of and not set(of) & set(images) and sum(scan_of(image).channels for image in of) == channels:
                found[tuple(of)] = layer
        return [(layer, list(of)) for of, layer in found.items()]

    def keep(self) -> None:
        """Choose the new model."""
        if self.choice is not None:
            self._session.update(model=self.choice.model_after)
            self._decide()
            self._went_back = None

    def go_back(self) -> None:
        """Show the mask from before, whose model stays chosen; the new one is hidden and stays."""
        choice, viewer = self.choice, self._viewer()
        if choice is not None and viewer is not None and choice.before in viewer.layers:
            self.show(choice.before, choice.after)
            name = "going back to the mask from before"
            self._history.add(Switched(name, self._viewer, choice.before, choice.after, self.show))

    def _decide(self) -> None:
        self._went_back = self.choice
        if self.choice is not None:
            self.choice = None
            self.choice_changed.emit()

    def _ask_again(self, mask: Labels) -> None:
        """Let a person choose anew who took back that the mask from before was chosen."""
        choice, models = self._went_back, self._session.models
        if choice is None or mask is not choice.after:
            return
        if choice.model_before in models and choice.model_after in models:
            self.choice, self._went_back = choice, None
            self.choice_changed.emit()

    def show(self, mask: Labels, instead_of: Labels) -> None:
        """Show a mask in the place of another, and choose its model unless that is undecided; the other stays."""
        viewer, review = self._viewer(), review_of(mask)
        if self.choice is not None and mask is self.choice.before:
            self._decide()  # undone
        self._ask_again(mask)
        # Whoever corrects goes on with the same brush; napari puts it down where a layer is hidden.
        label, size, mode = instead_of.selected_label, instead_of.brush_size, instead_of.mode
        set_visible(instead_of, False)
        set_visible(mask, True)
        if viewer is not None and mask.visible:  # not while another scan of the project is in view
            viewer.layers.selection.active = mask
        mask.selected_label, mask.brush_size, mask.mode = label, size, mode
        undecided = self._models[1:] if self.running else (self.choice.model_after,) if self.choice else ()
        for model in self._session.models:
            if review is not None and model.path == review.model and model not in undecided:
                self._session.update(model=model)
        self.shown.emit(mask)

    def _report(self, event: object) -> None:
        if self.running:
            self.reported.emit(event)

    def _trained(self, ending: Ending) -> None:
        mask = self._mask
        if mask is None:
            return
        if ending.how is not How.DONE:
            self._finish(ending)
            return
        review, scan, voxels = review_of(mask), scan_of(mask), voxels_of(mask)
        number = self._round
        assert review is not None

        def what_is_kept() -> Kept:
            labels = np.array(scan.fold(voxels))
            return Kept(review.vouched_for(labels), labels)

        def predict(kept: Kept) -> None:
            if self.running and number == self._round:
                self._kept = kept
                self._predict(kept)

        def failed(error: Exception) -> None:
            if self.running and number == self._round:
                self._finish(Ending(How.FAILED, f"The corrections could not be read ({error}): the mask is as it was."))

        self._background.run(what_is_kept, predict, failed)

    def _predict(self, kept: Kept) -> None:
        viewer, mask = self._viewer(), self._mask
        images = [] if viewer is None or mask is None or mask not in viewer.layers else images_beneath(viewer, mask)
        if not images:
            self._finish(Ending(How.FAILED, "The mask or its scan was taken away meanwhile: the new model is there."))
            return
        self._training.hide_preview()
        self._models = (self._models[0], self._session.models[0])
        try:
            self._prediction.start(images, Wish((self._models[1],)), kept=kept)
        except UnetError as error:
            self._finish(Ending(How.FAILED, str(error)))

    def _predicted(self, ending: Ending) -> None:
        mask, after, viewer = self._mask, self._prediction.layer(), self._viewer()
        if mask is None:
            return
        if ending.how is not How.DONE or after is None or viewer is None or after not in viewer.layers:
            self._finish(ending)
            return
        review, new = review_of(mask), review_of(after)
        assert review is not None
        assert new is not None
        scan, voxels, number = scan_of(mask), voxels_of(mask), self._round
        labels, kept = scan.fold(voxels_of(after)), self._kept
        assert kept is not None

        def compare() -> Ground | None:
            truth = np.asarray(scan.fold(voxels))
            new.take_over(review, review.effort(truth))
            for z, where in enumerate(kept.where):
                said = where | (z in new.reviewed) | (truth[z] != kept.labels[z])
                np.copyto(labels[z], truth[z], where=said & ~where)  # what was said while it predicted
                if z not in new.reviewed:
                    new.vouch(z, said)
            before, now = review.dice(truth), new.dice(truth)
            pairs = {z: (before[z], now[z]) for z in before if z in now}
            return Ground(slices_found_right(len(pairs)), pairs) if pairs else None

        def show(ground: Ground | None) -> None:
            if self.running and number == self._round:
                self._new = after
                after.refresh(thumbnail=False, extent=False)
                self.show(after, mask)
                self._history.add(Switched("learning from corrections", self._viewer, after, mask, self.show))
                self._compared = () if ground is None else (Compared(ground, after),)
                self._compare_elsewhere(mask)

        self._background.run(compare, show, lambda error: show(None))

    def _compare_elsewhere(self, mask: Labels) -> None:
        """Compare the models on what was found right on other scans, and on the paint they learned from before."""
        viewer, read = self._viewer(), self._read_paint
        assert viewer is not None
        assert read is not None
        images, beginning = images_beneath(viewer, mask), Beginning(model=self._models[0])
        asked = []
        for layer, of in self._others(viewer, images):
            review = review_of(layer)
            assert review is not None
            right = replace(_as_painted(layer, of), read=review.found_right, corrected=None)
            asked.append(Asked(f'slices you found right of "{layer.name}"', partial(_given, right), layer))
        for painted in self._training.learned_before(beginning, None):
            words, known = f'the paint "{painted.name}" from before', replace(painted, read=read)
            asked.append(Asked(words, partial(_given, known), layer_called(viewer, painted.name)))
        asked += [
            Asked("what you said of another scan of the project", partial(find, read))
            for find in self._training.unopened(images, beginning)
        ]
        before, now = (model.path for model in self._models)
        self._scoring.start(before, now, asked[:MOST_COMPARED])  # with nothing to compare it is over at once

    def _scored(self, ending: Ending) -> None:
        if not self.running or self._new is None or self._mask is None:
            return
        after, (before, now) = self._new, self._models
        compared = (*self._compared, *(self._scoring.found if ending.how is How.DONE else ()))
        if self._compared:
            self.measured[now.path] = self._compared[0].ground.now
        text = verdict([one.ground for one in compared])
        if ending.how is How.FAILED:
            text = f"{text} On other scans they could not be compared: {ending.text}"
        text = f'New result: layer "{after.name}". {text}'
        self.choice = Choice(self._mask, after, before, now, compared, text)
        self._finish(Ending(How.DONE, text))

    def _finish(self, ending: Ending) -> None:
        self._mask = self._new = self._kept = None
        self._session.ended(Verb.REVIEW)
        self.ended.emit(ending)


def _as_painted(mask: Labels, images: list[Image]) -> Painted:
    """Give what a person made of a mask as paint of its scan."""
    review = review_of(mask)
    assert review is not None
    scans = [scan_of(image) for image in images]
    return Painted(scans, voxels_of(mask), mask.name, review.lesson, classes_of(mask), review.corrections)


def layer_called(viewer: ViewerModel, name: str) -> Labels | None:
    """Find a labels layer by its name."""
    return next((layer for layer in viewer.layers if isinstance(layer, Labels) and layer.name == name), None)


def _given(painted: Painted) -> Painted:
    return painted
