"""Learning from corrections: the model at hand goes on with them, and predicts again, beside what was there."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Signal

from napari_unet.annotation import with_background
from napari_unet.config import PRESETS, Unpainted
from napari_unet.errors import BadInput, UnetError
from napari_unet.gui.layers.live_labels import Kept
from napari_unet.gui.layers.scans import classes_of, images_beneath, review_of, scan_of, voxels_of
from napari_unet.gui.widgets.beginnings import Beginning
from napari_unet.gui.work.activity import Ending, How, Surroundings, Work
from napari_unet.gui.work.predicting import Prediction, Wish
from napari_unet.gui.work.training import Lesson, Training
from napari_unet.gui.work.undoing import Switched
from napari_unet.session import Verb


class LearningAgain(Work):
    """Trains on the paint, the reviewed slices and the corrections of a mask, then predicts into a new layer.

    What a person stands for is in the new layer as it is in the old one, which is hidden and stays.
    """

    shown = Signal(object)
    """This mask is shown in the place of another."""

    def __init__(self, surroundings: Surroundings, training: Training, prediction: Prediction) -> None:
        super().__init__()
        self._viewer = surroundings.viewer
        self._session = surroundings.session
        self._background = surroundings.background
        self._history = surroundings.history
        self._training = training
        self._prediction = prediction
        self._mask: Labels | None = None
        self._kept: Kept | None = None
        self._before: Labels | None = None
        self._round = 0
        for activity in (training, prediction):
            activity.reported.connect(self._report)
        training.ended.connect(self._trained)
        prediction.ended.connect(self._predicted)

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self._mask is not None

    @property
    def before(self) -> Labels | None:
        """The mask from before the last time, while it is there and not shown."""
        viewer, before = self._viewer(), self._before
        there = viewer is not None and before is not None and before in viewer.layers and not before.visible
        return before if there else None

    def cancel(self, *, patiently: bool = False) -> None:
        """End it within a second; the mask is as it was."""
        if not self.running:
            return
        if self._training.running:
            self._training.cancel(patiently=patiently)
        elif self._prediction.running:
            self._prediction.cancel(patiently=patiently)
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
        chosen = {"unpainted": Unpainted.UNKNOWN, "time_limit": seconds}
        self._training.start(
            images,
            mask,
            PRESETS["fast"].train.model_copy(update=chosen),
            classes_of(mask),
            Beginning(model=model),
            Lesson(review.lesson, paint, partial(with_background, unpainted=unpainted)),
        )
        self._round += 1
        self._mask = mask
        self._session.started(Verb.REVIEW)
        self.began.emit()

    def go_back(self) -> None:
        """Show the mask from before, and choose its model; the new one is hidden and stays."""
        before, after = self.before, self._prediction.layer()
        if before is not None and after is not None:
            self.show(before, after)
            self._history.add(Switched("going back to the mask from before", self._viewer, before, after, self.show))

    def show(self, mask: Labels, instead_of: Labels) -> None:
        """Show a mask in the place of another, and choose its model; the other is hidden and stays."""
        viewer, review = self._viewer(), review_of(mask)
        instead_of.visible = False
        mask.visible = True
        if viewer is not None:
            viewer.layers.selection.active = mask
        for model in self._session.models:
            if review is not None and model.path == review.model:
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
        try:
            self._prediction.start(images, Wish((self._session.models[0],)), kept=kept)
        except UnetError as error:
            self._finish(Ending(How.FAILED, str(error)))

    def _predicted(self, ending: Ending) -> None:
        mask, after = self._mask, self._prediction.layer()
        if mask is None:
            return
        if ending.how is not How.DONE or after is None:
            self._finish(ending)
            return
        review, new = review_of(mask), review_of(after)
        assert review is not None
        assert new is not None
        scan, voxels, number = scan_of(mask), voxels_of(mask), self._round

        kept = self._kept
        assert kept is not None

        def compare() -> str:
            truth = np.asarray(scan.fold(voxels))
            new.take_over(review, review.effort(truth))
            for z, where in enumerate(kept.where):
                if z not in new.reviewed:
                    new.vouch(z, where)
            return comparison(review.dice(truth), new.dice(truth))

        def show(text: str) -> None:
            if self.running and number == self._round:
                self._before = mask
                self.show(after, mask)
                self._history.add(Switched("learning from corrections", self._viewer, after, mask, self.show))
                self._finish(Ending(How.DONE, f'New result: layer "{after.name}". {text}'))

        def failed(error: Exception) -> None:
            show(f"The two could not be compared ({error}).")

        self._background.run(compare, show, failed)

    def _finish(self, ending: Ending) -> None:
        self._mask = self._kept = None
        self._session.ended(Verb.REVIEW)
        self.ended.emit(ending)


def comparison(before: dict[int, float], after: dict[int, float]) -> str:
    """Say whether a model is better than the one before it on the slices that a person found right.

    Parameters
    ----------
    before, after
        The Dice coefficient by slice, of the same slices.
    """
    if not before:
        return "No slice is marked as right, so the two models cannot be compared: look before you keep it."
    better, worse = ([z for z in before if sign * (after[z] - before[z]) > 0.002] for sign in (1, -1))
    mean = [sum(dice.values()) / len(dice) for dice in (before, after)]
    return (
        f"On the {_slices(list(before))} you found right: Dice {mean[0]:.3f} before, {mean[1]:.3f} now; "
        f"better on {len(better)}, worse on {len(worse)}{_which(worse)}."
    )


def _slices(slices: Sequence[int]) -> str:
    return "slice" if len(slices) == 1 else f"{len(slices)} slices"


def _which(slices: Sequence[int]) -> str:
    return f" ({', '.join(map(str, slices[:5]))}{', …' if len(slices) > 5 else ''})" if slices else ""
