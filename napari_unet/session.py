"""What one window is about: what is chosen, what runs, which models there are. No Qt, no napari.

One session belongs to one viewer. The docks write what the user chose into it and show what it says; whether
something can be done is derived, never stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from psygnal import Signal

from napari_unet.annotation import PaintSummary
from napari_unet.config import FillBetweenConfig, RefineConfig, RefineStep, Unpainted, WithinIntensities
from napari_unet.errors import UnetError
from napari_unet.model_file import ModelDescription, read_description
from napari_unet.review.corrections import ReviewSummary


class Verb(StrEnum):
    """What the user can ask for."""

    TRAIN = "training"
    PREDICT = "prediction"
    REFINE = "refinement"
    FILL = "filling between slices"
    SUGGEST = "trial of refinements"
    REVIEW = "learning from corrections"


@dataclass(frozen=True, slots=True)
class Ready:
    """It can be done now."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """It cannot be done, for this reason, told as what to do next."""

    reason: str


Readiness: TypeAlias = Ready | Blocked


@dataclass(frozen=True, slots=True)
class ScanInfo:
    """What the session knows of a scan: enough to say what can be done with it.

    Parameters
    ----------
    name
        Of the layer or file.
    mask_shape
        Shape of a mask for it, as the user sees it.
    channel_names
        One for each channel.
    """

    name: str
    mask_shape: tuple[int, ...]
    channel_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MaskInfo:
    """What the session knows of a paint layer or mask.

    Parameters
    ----------
    name
        Of the layer or file.
    shape
        As the user sees it.
    problem
        Why it cannot be used at all, or "".
    """

    name: str
    shape: tuple[int, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ReviewInfo:
    """What the session knows of a predicted mask that a person corrects.

    Parameters
    ----------
    name
        Of the layer.
    summary
        How far the review is; None while it is being counted.
    problem
        Why there is nothing to review in it, or "".
    """

    name: str
    summary: ReviewSummary | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model that this window can predict with."""

    name: str
    path: Path
    description: ModelDescription

    @classmethod
    def from_file(cls, path: str | Path) -> "TrainedModel":
        """Take a model from a file.

        Raises
        ------
        BadModelFile
            It is no model.
        """
        return cls(Path(path).stem, Path(path), read_description(path))


@dataclass(frozen=True, slots=True)
class State:
    """What is chosen and what runs; each verb has a scan of its own, so that one can train here and predict there.

    Parameters
    ----------
    train_scan, paint, paint_summary, unpainted
        For training. The summary is None while it is being counted.
    predict_scan, model
        For prediction.
    fill_config
        For filling between the painted slices.
    mask, refine_config, refine_scan, region
        For refinement. The scan and the region (another mask) are for the steps that look at them.
    review
        For learning from corrections.
    train_problem, predict_problem, refine_problem
        Why the chosen scan of the verb cannot be used, or "".
    running
        The verbs that are under way.
    """

    train_scan: ScanInfo | None = None
    paint: MaskInfo | None = None
    paint_summary: PaintSummary | None = None
    unpainted: Unpainted = Unpainted.UNKNOWN
    predict_scan: ScanInfo | None = None
    model: TrainedModel | None = None
    mask: MaskInfo | None = None
    refine_config: RefineConfig = RefineConfig()
    refine_scan: ScanInfo | None = None
    region: MaskInfo | None = None
    fill_config: FillBetweenConfig = FillBetweenConfig()
    review: ReviewInfo | None = None
    train_problem: str = ""
    predict_problem: str = ""
    refine_problem: str = ""
    running: frozenset[Verb] = frozenset()


def readiness(state: State, verb: Verb) -> Readiness:
    """Say whether a verb can be done, and if not, what the user has to do first."""
    if verb in state.running:
        return Blocked(f"The {verb} is running.")
    rules = {
        Verb.TRAIN: _can_train,
        Verb.PREDICT: _can_predict,
        Verb.REFINE: _can_refine,
        Verb.FILL: _can_fill,
        Verb.SUGGEST: _can_suggest,
        Verb.REVIEW: _can_review,
    }
    return rules[verb](state)


def _can_train(state: State) -> Readiness:
    scan, paint = state.train_scan, state.paint
    if scan is None:
        return Blocked(state.train_problem or "Open a scan first: drop a file or folder onto the window.")
    if other := _busy(state, Verb.REVIEW, Verb.PREDICT):
        return other
    if paint is None:
        return Blocked("Press New to make a paint layer for this scan.")
    if paint.problem:
        return Blocked(paint.problem)
    if paint.shape != scan.mask_shape:
        return Blocked(
            f'"{paint.name}" is {paint.shape} but the scan is {scan.mask_shape}: paint on a layer made for this scan.'
        )
    if state.paint_summary is None:
        return Blocked("Counting what is painted.")
    try:
        state.paint_summary.check(state.unpainted)
    except UnetError as error:
        return Blocked(str(error))
    return Ready()


def _can_predict(state: State) -> Readiness:
    scan, model = state.predict_scan, state.model
    if model is None:
        return Blocked("Train a model first, or open one from a file.")
    if scan is None:
        return Blocked(state.predict_problem or "Open a scan first: drop a file or folder onto the window.")
    if other := _busy(state, Verb.REVIEW, Verb.TRAIN):
        return other
    expected = model.description.channel_names
    if len(scan.channel_names) != len(expected):
        return Blocked(
            f'The model expects {_channels(expected)} but "{scan.name}" has {_channels(scan.channel_names)}: '
            "choose a scan like the ones it learned from."
        )
    return Ready()


def _can_refine(state: State) -> Readiness:
    if state.mask is None:
        return Blocked("Predict first, or open a mask: there is no mask to refine.")
    if state.mask.problem:
        return Blocked(state.mask.problem)
    if not state.refine_config.enabled:
        return Blocked("Switch on at least one step.")
    if other := _busy(state, *REFINING):
        return other
    for step in state.refine_config.enabled:
        missing = _missing(state, state.mask, step)
        if missing:
            return Blocked(missing)
    return Ready()


def _missing(state: State, mask: MaskInfo, step: RefineStep) -> str:
    """Say what a step looks at and has not got; "" when it has all of it."""
    title = f'The step "{step.kind.replace("-", " ")}"'
    scan, region = state.refine_scan, state.region
    if "scan" in step.looks_at:
        if scan is None:
            return f"{title} looks at the scan: {state.refine_problem or 'open it and choose it above.'}"
        if scan.mask_shape != mask.shape:
            return (
                f'{title} looks at the scan, but "{scan.name}" is {scan.mask_shape} and "{mask.name}" is '
                f"{mask.shape}: choose the scan that this mask belongs to."
            )
        if isinstance(step, WithinIntensities) and step.channel >= len(scan.channel_names):
            return f'{title} looks at channel {step.channel}, but "{scan.name}" has {_channels(scan.channel_names)}.'
    if "region" in step.looks_at:
        if region is None:
            return f"{title} needs another mask on the same scan: choose it above as the region."
        if region.problem:
            return region.problem
        if region.shape != mask.shape:
            return (
                f'{title} needs a region like the mask, but "{region.name}" is {region.shape} and "{mask.name}" is '
                f"{mask.shape}: choose a mask on the same scan."
            )
    return ""


def _can_fill(state: State) -> Readiness:
    paint, summary, config = state.paint, state.paint_summary, state.fill_config
    if paint is None:
        return Blocked("Press New to make a paint layer for this scan.")
    if paint.problem:
        return Blocked(paint.problem)
    if summary is None:
        return Blocked("Counting what is painted.")
    if len(paint.shape) < 3:
        return Blocked("This scan has no slices to fill between.")
    if other := _busy(state, *REFINING):
        return other
    if not config.classes and config.axis == "z" and not summary.gaps(paint.shape[-3]):
        return Blocked("Nothing lies between painted slices: paint a slice, leave some out, paint another.")
    return Ready()


def _can_suggest(state: State) -> Readiness:
    mask, paint, summary, scan = state.mask, state.paint, state.paint_summary, state.refine_scan
    if mask is None:
        return Blocked("There is no mask yet.")
    if mask.problem:
        return Blocked(mask.problem)
    if other := _busy(state, *REFINING):
        return other
    if paint is None or paint.name == mask.name or paint.shape != mask.shape:
        return Blocked("Suggestions are told by paint: choose a paint layer on this scan in the Train dock.")
    if paint.problem:
        return Blocked(paint.problem)
    if summary is not None and not summary.labels:
        return Blocked("Suggestions are told by paint: paint a class on a slice or two, all of it.")
    if scan is None:
        return Blocked(f"Suggestions look at the scan: {state.refine_problem or 'open it and choose it above.'}")
    if scan.mask_shape != mask.shape:
        return Blocked(
            f'Suggestions look at the scan, but "{scan.name}" is {scan.mask_shape} and "{mask.name}" is {mask.shape}: '
            "choose the scan that this mask belongs to."
        )
    return Ready()


def _can_review(state: State) -> Readiness:
    review = state.review
    if review is None:
        return Blocked("Predict first: then correct the mask here, or mark the slices that are right.")
    if review.problem:
        return Blocked(review.problem)
    if other := _busy(state, Verb.TRAIN, Verb.PREDICT):
        return other
    if review.summary is None:
        return Blocked("Looking for corrections.")
    if not review.summary.can_teach:
        return Blocked("Correct the mask with the brush, or press R on a slice that is right: then it can learn.")
    return Ready()


UNDER_WAY = {
    Verb.TRAIN: "A training is running: wait for it, or press Stop and keep.",
    Verb.PREDICT: "A prediction is running: wait for it or cancel it first.",
    Verb.REVIEW: "A model learns from corrections: wait for it or cancel it first.",
    Verb.REFINE: "A refinement is running: wait for it or cancel it first.",
    Verb.FILL: "Slices are being filled: wait for it or cancel it first.",
    Verb.SUGGEST: "Refinements are being tried: wait for it or cancel it first.",
}
REFINING = (Verb.REFINE, Verb.FILL, Verb.SUGGEST)


def _busy(state: State, *verbs: Verb) -> Blocked | None:
    """Name which of the verbs that share a process keeps it busy, if one does."""
    return next((Blocked(UNDER_WAY[verb]) for verb in verbs if verb in state.running), None)


def _channels(names: Sequence[str]) -> str:
    return f"{len(names)} channel{'s' * (len(names) != 1)}"


class Session:
    """The state of one window, and signals for whoever shows it."""

    changed = Signal(State)
    """The state is now this."""
    models_changed = Signal(tuple)
    """The models there are, newest first."""

    def __init__(self) -> None:
        self._state = State()
        self._models: tuple[TrainedModel, ...] = ()

    @property
    def state(self) -> State:
        """What is chosen and what runs."""
        return self._state

    @property
    def models(self) -> tuple[TrainedModel, ...]:
        """The models there are, newest first."""
        return self._models

    def update(self, **changes: object) -> None:
        """Change fields of the state, and tell whoever listens when that made a difference."""
        state = replace(self._state, **changes)  # type: ignore[arg-type]
        if state != self._state:
            self._state = state
            self.changed.emit(state)

    def started(self, verb: Verb) -> None:
        """Note that a verb is under way."""
        self.update(running=self._state.running | {verb})

    def ended(self, verb: Verb) -> None:
        """Note that a verb is over."""
        self.update(running=self._state.running - {verb})

    def add_model(self, model: TrainedModel, *, choose: bool = True) -> None:
        """Put a model at the head of the list, in the place of one from the same file, and choose it."""
        self._models = (model, *(other for other in self._models if other.path != model.path))
        self.models_changed.emit(self._models)
        if choose:
            self.update(model=model)

    def forget_models(self, *models: TrainedModel) -> None:
        """Forget these models, or all when none is named; their files stay."""
        self._models = tuple(model for model in self._models if models and model not in models)
        if self._state.model not in self._models:
            self.update(model=next(iter(self._models), None))
        self.models_changed.emit(self._models)

    def forget_listeners(self) -> None:
        """Tell nobody any more, until somebody listens anew."""
        self.changed.disconnect()
        self.models_changed.disconnect()

    def readiness(self, verb: Verb) -> Readiness:
        """Say whether a verb can be done now."""
        return readiness(self._state, verb)
