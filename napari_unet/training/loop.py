"""The training loop."""

import gc
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet import __version__
from napari_unet.annotation import ClassInfo
from napari_unet.config import TrainConfig
from napari_unet.errors import BadInput, OutOfMemory
from napari_unet.events import Command, EpochDone, Event, Job, Note, Progress, Started
from napari_unet.keeping.checksums import voxel_checksum
from napari_unet.model_file import LearnedFrom, Model, ModelDescription, Source
from napari_unet.networks import Compute, choose, decided
from napari_unet.networks.memory import memory_kept
from napari_unet.networks.pace import Pace
from napari_unet.scan import Scan
from napari_unet.training.course import CHANCE, Course, Standing
from napari_unet.training.evidence import Evidence
from napari_unet.training.given import Given
from napari_unet.training.learner import FIRST_LOOK, Learner, Score, ran_out_of_memory
from napari_unet.training.material import Material, gather, normaliser_for
from napari_unet.training.start import Start, added_to, continued, grown
from napari_unet.training.teacher import taught
from napari_unet.training.unfinished import Unfinished
from napari_unet.training.watching import Previews, Wishes

ROUND_STEPS = 25
"""Steps of a round at least; measuring is then a small part of it."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of a training.

    Parameters
    ----------
    model
        The best model.
    finished
        Whether it came to its end, and was not stopped before.
    rounds
        How it went.
    evidence
        What the model makes of the paint that was held out; None when there was too little.
    """

    model: Model
    finished: bool
    rounds: Sequence[EpochDone]
    evidence: Evidence | None


def train_job(
    scans: Sequence[Scan],
    paints: Sequence[NDArray[np.uint8]],
    config: TrainConfig = TrainConfig(),
    *,
    classes: Sequence[ClassInfo] = (),
    start: Start | None = None,
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
    start
        A model to go on from; its network and classes are kept. A class that is new is added.
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
        The best by Dice on held-out paint; the last one when too little was painted to hold any out. When a model
        goes on and gains nothing, it is given as it was.

    Raises
    ------
    NothingPainted
        There is too little paint to learn from.
    BadInput
        A scan, its paint or the device cannot be used, or the training diverged at once.
    ModelMismatch
        The model to go on from has other channels.
    OutOfMemory
        Not even a small patch fits.
    """
    given = Given(scans, paints, config, classes, start, preview, look_at)
    return (yield from training(given)).model


def training(given: Given) -> Job[Trained]:
    """Train as :func:`train_job`, and tell also how it went; the state is kept in a file where one is named.

    With ``given.unfinished`` the state is written to that file now and then and when it is stopped, and with
    ``given.resume`` it goes on from there. The file is removed by whoever has saved the model.
    """
    compute = choose(given.config, training=True)
    wishes = Wishes(look_at=given.look_at)
    try:
        yield from _report(Started("Training", compute.sentence), wishes)
        with memory_kept():
            return (yield from _train(given, compute, wishes))
    except RuntimeError as error:
        if not ran_out_of_memory(error):
            raise
        raise OutOfMemory(_TOO_LARGE) from error
    finally:
        gc.collect()
        if compute.device.type == "cuda":
            torch.cuda.empty_cache()


def train_to_file(given: Given, path: Path) -> Job[Trained]:
    """Train, save the model, and then remove the state of a training that came to its end."""
    trained = yield from training(given)
    trained.model.save(path)
    if trained.finished and given.unfinished is not None:
        given.unfinished.unlink(missing_ok=True)
    return trained


def _train(given: Given, compute: Compute, wishes: Wishes) -> Job[Trained]:
    """Hold everything that takes memory, so that all of it is gone when this ends."""
    standing = Standing(Course(given.config))
    material = gather(
        given.scans, given.paints, given.config, given.classes, compute.device, given.start, given.corrections
    )
    whole = given.start is not None and given.start.nothing_is_missing(given.scans, given.paints)
    config = _decided(given, material, whole=whole)
    unfinished = None if given.unfinished is None else Unfinished(given.unfinished, config, material)
    material = taught(given.scans, material, config, begins=given.start is None)
    for text in material.notes:
        yield from _report(Note(text), wishes)
    start = None if given.start is None else given.start.model
    weights = None if start is None else grown(start.weights, start.description.labels, material.labels)
    learner = Learner(material, config, compute, weights, whole=whole)
    before = None if given.start is None else learner.score(0)
    if unfinished is not None and given.resume:
        unfinished.read_into(learner, standing)
        for done in standing.rounds:
            yield from _report(done, wishes)
    previews = None
    if given.preview is not None:
        previews = Previews(learner, given.scans[0], material.normalisation, given.preview)
    yield from wishes.heard(learner.look_first(), Progress(0.0, FIRST_LOOK))
    best, finished = yield from _learn(learner, standing, wishes, previews, unfinished)
    if before is not None and before.dice is not None:
        best, text = _better_of(before, best)
        yield from _report(Note(text), wishes)
    model = Model(described(given, config, material, best, standing.course), best.weights)
    return Trained(model, finished, tuple(standing.rounds), learner.evidence(best, material.classes))


def _decided(given: Given, material: Material, *, whole: bool) -> TrainConfig:
    """Decide what the config leaves to the model that goes on, or to the scan and its paint."""
    if given.start is not None:
        return continued(given.config, given.start, material.labels, whole=whole)
    network = decided(given.config.network, given.scans[0].spacing)
    network = network.model_copy(update={"normalisation": normaliser_for(given.config, material)})
    return given.config.model_copy(update={"network": network})


def _better_of(before: Score, after: Score) -> tuple[Score, str]:
    """Give a model as it was rather than one that is worse by more than chance on held-out paint, and say so."""
    was, now = before.dice or 0.0, after.dice or 0.0
    if now < was - CHANCE * before.chance:
        return before, f"Going on gained nothing (Dice {now:.2f} on held-out paint, {was:.2f} before): it is as it was."
    return after, f"On held-out paint the Dice was {was:.2f} before, and is {now:.2f} now."


_TOO_LARGE = "The network does not fit into the memory: choose a smaller width or patch, or close other programs."
Reports = Generator[Event, Command | None, None]


def _report(event: Event, wishes: Wishes) -> Reports:
    wishes.hear((yield event))


def _learn(
    learner: Learner,
    standing: Standing,
    wishes: Wishes,
    previews: Previews | None,
    unfinished: Unfinished | None,
) -> Generator[Event, Command | None, tuple[Score, bool]]:
    """Take steps, measure after every round, and keep the best; tell whether it came to its end."""
    course, best, losses = standing.course, standing.best, standing.losses
    # What its steps end can be repeated exactly, and on other threads sums come in another order.
    pace = Pace(learner.compute.threads, fixed=bool(course.config.threads or course.config.steps))
    while True:
        with pace.kept():
            loss = learner.step(course.fraction)
        if loss is None:
            yield from _report(Note(learner.shrink()), wishes)
            continue
        if not isfinite(loss):
            if best.score is None:
                raise BadInput("The training diverged (the loss is not a number): lower the learning rate.")
            yield from _report(Note("The training diverged and was ended: the best model before is kept."), wishes)
            return best.score, True
        course.step += 1
        losses.append(loss)
        text = f"step {course.step}, loss {loss:.3f}"
        progress = Progress(course.fraction, text, course.seconds_left)
        yield from _report(progress, wishes)
        if previews is not None and previews.due(course, wishes):
            yield from previews.paint(wishes, progress)
        done = course.fraction >= 1
        if done or len(losses) >= max(ROUND_STEPS, learner.round_steps):
            yield from _report(_round(learner, standing), wishes)
            if done or 0 < course.config.early_stopping <= best.rounds_since_highest:
                return best.score or learner.score(course.step), True
        if wishes.stop:
            if unfinished is not None:
                unfinished.write(learner, standing)
            return best.score or learner.score(course.step, measured=False), False
        if unfinished is not None and (text := unfinished.write_if_due(learner, standing)):
            yield from _report(Note(text), wishes)


def _round(learner: Learner, standing: Standing) -> EpochDone:
    """Measure, keep the best, and begin another round."""
    course, loss = standing.course, float(np.mean(standing.losses))
    score = learner.score(course.step)
    kept = standing.best.take(score, settled=course.settled)
    learner.round_done(score, loss)
    done = EpochDone(
        step=course.step,
        seconds=course.seconds,
        train_loss=loss,
        validation_loss=score.loss,
        validation_dice=score.dice,
        dice_per_class=score.dice_per_class,
        learning_rate=learner.learning_rate,
        best=kept,
    )
    standing.rounds.append(done)
    standing.losses.clear()
    return done


def described(given: Given, config: TrainConfig, material: Material, best: Score, course: Course) -> ModelDescription:
    """Describe a model: what it was given, how it learned from that, and how good it is."""
    first = given.scans[0]
    learned = LearnedFrom(
        scans=len(given.scans),
        slices=material.slices,
        voxels=material.voxels,
        steps=best.step,
        seconds=course.seconds,
        validation_dice=best.dice,
        dice_per_class=best.dice_per_class,
        held_out=material.measured,
        sources=tuple(
            Source(scan=voxel_checksum(scan.array), paint=voxel_checksum(paint))
            for scan, paint in zip(given.scans, given.paints, strict=False)  # one that learns live has no paint as such
        ),
    )
    return ModelDescription(
        program=f"napari-unet-paint {__version__}",
        network=config.network,
        channel_names=first.channel_names,
        classes=material.classes,
        spacing=first.spacing,
        unit=first.unit,
        normalisation=material.normalisation,
        darkest=_darkest(material, given),
        training=config,
        learned_from=learned if given.start is None else added_to(given.start.model.description.learned_from, learned),
    )


def _darkest(material: Material, given: Given) -> tuple[float, ...]:
    """Give the lowest intensity of a structure, that of what was learned before included."""
    if given.start is None:
        return material.darkest
    before = given.start.model.description.darkest
    return tuple(map(min, material.darkest, before)) if len(before) == len(material.darkest) else ()
