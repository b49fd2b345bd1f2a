"""The training loop."""

import gc
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet import __version__
from napari_unet.annotation import ClassInfo
from napari_unet.config import Schedule, TrainConfig
from napari_unet.errors import BadInput, OutOfMemory
from napari_unet.events import Command, EpochDone, Event, Job, LookAt, Note, Preview, Progress, Started, Stop
from napari_unet.model_file import LearnedFrom, Model, ModelDescription
from napari_unet.networks import Compute, choose, decided
from napari_unet.normalisation import Normalisation
from napari_unet.scan import Scan
from napari_unet.training.learner import Learner, Score, ran_out_of_memory
from napari_unet.training.material import Material, gather, normaliser_for

ROUND_STEPS = 25
"""Steps of a round at least; measuring is then a small part of it."""
CHANCE = 4.0
"""A later model less than so many standard errors below the highest Dice is kept: it has learned longer.

Twice the usual two, because the standard error takes voxels as independent and neighbours err together.
"""
SETTLED = 0.5
"""Share of a schedule that falls over the time after which models are compared."""
PREVIEW_SHARE = 0.08
"""Previews take no more than this share of the time."""
TIME_LAGS = 0.05
"""How far the clock must be ahead of the step count before it, too, moves the schedule of a run with ``steps``."""


@dataclass
class Wishes:
    """What the job was told and has not done yet."""

    stop: bool = False
    look_at: int | None = None
    preview_now: bool = False

    def hear(self, command: Command | None) -> None:
        """Take in a command."""
        if isinstance(command, Stop):
            self.stop = True
        elif isinstance(command, LookAt):
            self.look_at, self.preview_now = command.z, True


@dataclass
class Best:
    """The best model so far."""

    score: Score | None = None
    highest: float = 0.0
    rounds_since_highest: int = 0

    def take(self, score: Score, *, settled: bool = True) -> bool:
        """Keep a model if it is better, or no worse than chance and trained for longer; say whether it was kept.

        Until the training has ``settled`` every later model replaces the one before, and none competes with those to
        come: a good Dice while the learning rate is high is luck.
        """
        if not settled:
            self.score = score
            return True
        dice = 1.0 if score.dice is None else score.dice
        self.rounds_since_highest = 0 if score.dice is None or dice > self.highest else self.rounds_since_highest + 1
        kept = self.score is None or dice >= self.highest - CHANCE * score.chance
        if kept:
            self.score = score
        self.highest = max(self.highest, score.dice or 0.0)
        return kept


@dataclass
class Course:
    """How far the training is, by steps and by the clock."""

    config: TrainConfig
    begun: float = field(default_factory=lambda: perf_counter())
    step: int = 0

    @property
    def seconds(self) -> float:
        """Since the training began."""
        return perf_counter() - self.begun

    @property
    def fraction(self) -> float:
        """0..1 of the steps or of the time, whichever ends it first.

        A run that its steps end does not depend on the clock, so that it can be repeated exactly.
        """
        by_time = self.seconds / self.config.time_limit
        by_steps = self.step / self.config.steps if self.config.steps else 0.0
        return min(1.0, by_time if not self.config.steps or by_time > by_steps + TIME_LAGS else by_steps)

    @property
    def settled(self) -> bool:
        """Whether the learning rate is low enough for models to be compared."""
        falls_with_time = self.config.schedule not in {Schedule.CONSTANT, Schedule.PLATEAU}
        return not falls_with_time or self.fraction >= SETTLED

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the pace so far."""
        fraction = self.fraction
        return self.seconds * (1 - fraction) / fraction if self.step and fraction else None


def train_job(
    scans: Sequence[Scan],
    paints: Sequence[NDArray[np.uint8]],
    config: TrainConfig = TrainConfig(),
    *,
    classes: Sequence[ClassInfo] = (),
    preview: NDArray[np.uint8] | None = None,
    look_at: int | None = None,
) -> Job[Model]:
    """Train a network on painted scans.

    Parameters
    ----------
    scans
        With the same channels; their shapes may differ.
    paints
        (Z, Y, X) uint8 on the grid of each scan: 0 not painted, 1..254 classes, 255 painted as background.
    config
        Every choice.
    classes
        Names and colours of the classes, where known.
    preview
        (Z, Y, X) uint8 on the first scan's grid; slices of it are filled with labels while the model learns.
    look_at
        The slice to preview; ``LookAt`` changes it.

    Yields
    ------
    Event
        Started, Note, Progress after every step, EpochDone after every round, Preview.

    Returns
    -------
    Model
        The best by Dice on held-out paint; the last one when too little was painted to hold any out.

    Raises
    ------
    NothingPainted
        There is too little paint to learn from.
    BadInput
        A scan, its paint or the device cannot be used, or the training diverged at once.
    OutOfMemory
        Not even a small patch fits.
    """
    compute = choose(config, training=True)
    wishes = Wishes(look_at=look_at)
    try:
        yield from _report(Started("Training", compute.sentence), wishes)
        return (yield from _train(scans, paints, config, classes, compute, preview, wishes))
    except RuntimeError as error:
        if not ran_out_of_memory(error):
            raise
        raise OutOfMemory(_TOO_LARGE) from error
    finally:
        gc.collect()
        if compute.device.type == "cuda":
            torch.cuda.empty_cache()


def _train(
    scans: Sequence[Scan],
    paints: Sequence[NDArray[np.uint8]],
    config: TrainConfig,
    classes: Sequence[ClassInfo],
    compute: Compute,
    preview: NDArray[np.uint8] | None,
    wishes: "Wishes",
) -> Job[Model]:
    """Hold everything that takes memory, so that all of it is gone when this ends."""
    course = Course(config)
    material = gather(scans, paints, config, classes, compute.device)
    network = decided(config.network, scans[0].spacing)
    network = network.model_copy(update={"normalisation": normaliser_for(config, material)})
    config = config.model_copy(update={"network": network})
    for text in material.notes:
        yield from _report(Note(text), wishes)
    learner = Learner(material, config, compute)
    previews = None if preview is None else _Previews(learner, scans[0], material.normalisation, preview)
    best = yield from _learn(learner, course, wishes, previews)
    return Model(_description(scans, config, material, best, course), best.weights)


_TOO_LARGE = "The network does not fit into the memory: choose a smaller width or patch, or close other programs."
Reports = Generator[Event, Command | None, None]


def _report(event: Event, wishes: Wishes) -> Reports:
    wishes.hear((yield event))


def _learn(
    learner: Learner, course: Course, wishes: Wishes, previews: "_Previews | None"
) -> Generator[Event, Command | None, Score]:
    """Take steps, measure after every round, and keep the best."""
    best = Best()
    losses: list[float] = []
    while True:
        loss = learner.step(course.fraction)
        if loss is None:
            yield from _report(Note(learner.shrink()), wishes)
            continue
        if not isfinite(loss):
            if best.score is None:
                raise BadInput("The training diverged (the loss is not a number): lower the learning rate.")
            yield from _report(Note("The training diverged and was ended: the best model before is kept."), wishes)
            return best.score
        course.step += 1
        losses.append(loss)
        text = f"step {course.step}, loss {loss:.3f}"
        yield from _report(Progress(course.fraction, text, course.seconds_left), wishes)
        if previews is not None and previews.due(course, wishes):
            yield from _report(previews.paint(wishes), wishes)
        if wishes.stop:
            return best.score or learner.score(course.step, measured=False)
        done = course.fraction >= 1
        if done or len(losses) >= max(ROUND_STEPS, learner.round_steps):
            score = learner.score(course.step)
            kept = best.take(score, settled=course.settled)
            learner.round_done(score, float(np.mean(losses)))
            yield from _report(_round(course, losses, score, learner.learning_rate, kept), wishes)
            losses = []
            if done or 0 < course.config.early_stopping <= best.rounds_since_highest:
                return best.score or score


def _round(course: Course, losses: Sequence[float], score: Score, learning_rate: float, best: bool) -> EpochDone:
    return EpochDone(
        step=course.step,
        seconds=course.seconds,
        train_loss=float(np.mean(losses)),
        validation_loss=score.loss,
        validation_dice=score.dice,
        dice_per_class=score.dice_per_class,
        learning_rate=learning_rate,
        best=best,
    )


class _Previews:
    """Fills slices of the preview while the model learns, in a small share of the time."""

    def __init__(
        self,
        learner: Learner,
        scan: Scan,
        normalisation: tuple[Normalisation, ...],
        preview: NDArray[np.uint8],
    ) -> None:
        self.learner = learner
        self.scan = scan
        self.normalisation = normalisation
        self.preview = preview
        self.spent = 0.0
        self.last = 0.0

    def due(self, course: Course, wishes: Wishes) -> bool:
        """Whether to look now: at once at a slice just asked for, else once a second where that is affordable."""
        affordable = self.spent <= PREVIEW_SHARE * course.seconds and course.seconds - self.last >= 1.0
        due = wishes.preview_now or (wishes.look_at is not None and affordable)
        self.last = course.seconds if due else self.last
        return due

    def paint(self, wishes: Wishes) -> Preview:
        """Fill the slice that is looked at."""
        z = min(max(wishes.look_at or 0, 0), len(self.preview) - 1)
        begun = perf_counter()
        self.preview[z] = self.learner.look(self.scan, self.normalisation, z)
        self.spent += perf_counter() - begun
        wishes.preview_now = False
        return Preview(z)


def _description(
    scans: Sequence[Scan], config: TrainConfig, material: Material, best: Score, course: Course
) -> ModelDescription:
    first = scans[0]
    return ModelDescription(
        program=f"napari-unet-paint {__version__}",
        network=config.network,
        channel_names=first.channel_names,
        classes=material.classes,
        spacing=first.spacing,
        unit=first.unit,
        normalisation=material.normalisation,
        training=config,
        learned_from=LearnedFrom(
            scans=len(scans),
            slices=material.slices,
            voxels=material.voxels,
            steps=best.step,
            seconds=course.seconds,
            validation_dice=best.dice,
            dice_per_class=best.dice_per_class,
        ),
    )
