"""Learning while a person paints: a network that stays between rounds, and is shown what has changed.

A round is a job, which can be closed at any yield: the next one goes on with the same network, its optimiser and
what it learned from. That is how interactive learning is in RootPainter (Smith et al. 2022, doi:10.1111/nph.18387)
and, with a random forest, in ilastik (Berg et al. 2019, doi:10.1038/s41592-019-0582-9).
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND, IGNORE, UNPAINTED, ClassInfo, training_targets
from napari_unet.config import PRESETS, Schedule, TrainConfig, Unpainted
from napari_unet.errors import BadInput, NothingPainted
from napari_unet.events import Job, Note, Progress, Started
from napari_unet.model_file import Model
from napari_unet.networks import choose, decided
from napari_unet.networks.device import threads_but_one
from napari_unet.normalisation import measure, with_neighbours
from napari_unet.scan import Scan
from napari_unet.training.course import Course
from napari_unet.training.given import Given
from napari_unet.training.learner import FIRST_LOOK, Learner
from napari_unet.training.loop import described
from napari_unet.training.material import Material, classes_of_channels, normaliser_for
from napari_unet.training.sampling import Source
from napari_unet.training.start import Start, check_start, continued, grown
from napari_unet.training.watching import Previews, Wishes

LIVE = PRESETS["fast"].train.model_copy(
    update={
        "validation": 0.0,
        "teacher": 0.0,
        "schedule": Schedule.CONSTANT,
        "learning_rate": 2e-3,
        "batch": 1,
        "time_limit": 10.0,
    }
)
"""How it learns: evenly, since nobody knows when it ends; from all there is, since one sees how good it is; and
in the smallest steps, since a stroke waits for the end of a half of one. Its time limit is for the first look, which
is shown soon on a busy machine too."""
LIVE_SHARE = 0.15
"""Previews take no more than this share of a round."""


class LiveLearning:
    """A network that learns from what a person says of one scan, for as long as that person works on it.

    Parameters
    ----------
    scan
        The scan.
    classes
        Names and colours of classes, where known.
    model
        What it goes on from, held near where it was, see ``TrainConfig.hold``; None begins anew.
    config
        How it learns.

    Raises
    ------
    BadInput
        The scan is constant.
    ModelMismatch
        The model has other channels.
    """

    def __init__(
        self, scan: Scan, classes: Sequence[ClassInfo] = (), model: Model | None = None, config: TrainConfig = LIVE
    ) -> None:
        if model is not None:
            check_start(Start(model), [scan])
        self.scan = scan
        self.steps = 0
        self.looked = False
        """Whether it took a first look."""
        self.seconds = 0.0
        self.learner: Learner | None = None
        self._start = None if model is None else Start(model)
        self._known_classes = classes if model is None else (*model.description.foreground, *classes)
        self._labels = () if model is None else model.description.labels
        self._network = decided(config.network, scan.spacing) if model is None else model.description.network
        self._config = config if config.threads else config.model_copy(update={"threads": threads_but_one()})
        self._compute = choose(self._config, training=True)
        self.normalisation = measure(scan)
        self._sources: dict[int, Source] = {}

    def take(self, known: NDArray[np.uint8], slices: Collection[int]) -> Learner:
        """Take over what is known on slices that changed; what a person has just said there counts more until the next.

        Parameters
        ----------
        known
            (Z, Y, X) uint8 paint on the grid of the scan; what is not painted is unknown.
        slices
            Those that are not as they were, indices along Z.

        Returns
        -------
        Learner
            Which has not learned from it yet.

        Raises
        ------
        NothingPainted
            There is nothing to learn from, or one class only.
        """
        said = {int(label) for z in slices for label in np.unique(known[z])} - {UNPAINTED}
        labels = tuple(sorted({*self._labels, *(0 if label == BACKGROUND else label for label in said)}))
        fresh = labels != self._labels
        before, self._labels = self._labels, labels
        self._gather(known, range(len(known)) if fresh else slices)
        if not self._sources:
            raise NothingPainted("Paint some of a class, and some background: then it learns.")
        if len(labels) < 2:
            raise NothingPainted("Only one class is painted: paint some background too (key G).")
        material = self._material()
        if self.learner is None or fresh:
            weights = None
            if self.learner is not None and self.learner.untaught is None:
                weights = grown(self.learner.score(0).weights, before, labels)
            elif self._start is not None:
                weights = grown(self._start.model.weights, before, labels)
            whole = self._start is None
            self.learner = Learner(material, self._decided(material), self._compute, weights, whole=whole)
        elif slices:
            self.learner.show(material)
        return self.learner

    def model(self) -> Model:
        """Give the model as it is now.

        Raises
        ------
        NothingPainted
            It learned nothing yet.
        """
        if self.learner is None or not (self.steps or self.looked):
            raise NothingPainted("It has not learned anything yet: paint, and wait a moment.")
        score, course = replace(self.learner.score(self.steps), step=self.steps), Course(self.learner.config)
        course.go_on(self.steps, self.seconds)
        given = Given([self.scan], [], self.learner.config, start=self._start)
        return Model(described(given, self.learner.config, self._material(), score, course), score.weights)

    def _gather(self, known: NDArray[np.uint8], slices: Collection[int]) -> None:
        """Make sources of these slices, or of the volumes they lie in; images that are there already are kept."""
        of_piece = {number: replace(source, stressed=False) for number, source in self._sources.items()}
        deep = self._network.dimensions == 3
        pieces = self.scan.volumes() if deep else [slice(z, z + 1) for z in slices]
        for piece in pieces:
            if deep and not any(piece.start <= z < piece.stop for z in slices):
                continue
            targets = training_targets(known[piece], Unpainted.UNKNOWN, self._labels)
            before = of_piece.pop(piece.start, None)
            if (targets == IGNORE).all():
                continue
            if before is None:
                seen = with_neighbours(self.scan, self.normalisation, piece, self._network.context)
                image = torch.from_numpy(seen).to(self._compute.device)
            else:
                image = before.image
            there = torch.from_numpy(targets).to(self._compute.device)
            of_piece[piece.start] = Source(image, there, self.scan.spacing, stressed=True)
        self._sources = of_piece

    def _material(self) -> Material:
        sources = tuple(self._sources.values())
        targets = (source.targets.cpu().numpy().ravel() for source in sources)
        counts = np.array([np.bincount(of_source, minlength=256)[: len(self._labels)] for of_source in targets])
        voxels = dict(zip(self._labels, counts.sum(axis=0).tolist(), strict=True))
        everywhere = frozenset(label for label, of_label in zip(self._labels, counts.T, strict=True) if of_label.all())
        classes = classes_of_channels(self._labels, self._known_classes)
        return Material(classes, self.normalisation, sources, (), len(sources), voxels, everywhere, ())

    def _decided(self, material: Material) -> TrainConfig:
        config = self._config.model_copy(update={"network": self._network})
        if self._start is not None:
            return continued(config, self._start, self._labels)
        if self.learner is None:
            self._network = self._network.model_copy(update={"normalisation": normaliser_for(config, material)})
        return config.model_copy(update={"network": self._network, "hold": 0.0})


def live_job(
    live: LiveLearning,
    known: NDArray[np.uint8],
    changed: Collection[int],
    *,
    seconds: float,
    preview: NDArray[np.uint8],
    look_at: int,
) -> Job[None]:
    """Learn for a round, and show the slice that is looked at.

    Parameters
    ----------
    live
        Which goes on.
    known, changed
        As for :meth:`LiveLearning.take`.
    seconds
        How long; 0 only looks.
    preview
        (Z, Y, X) uint8, slices of which are filled.
    look_at
        The slice to show; ``LookAt`` changes it.

    Yields
    ------
    Event
        Started, Progress after every step, Note, Preview about every second and at the end.

    Raises
    ------
    NothingPainted
        There is nothing to learn from.
    BadInput
        The training diverged.
    OutOfMemory
        Not even a small patch fits.
    """
    learner = live.take(known, changed)
    wishes = Wishes(look_at=look_at)
    previews = Previews(learner, live.scan, live.normalisation, preview, LIVE_SHARE)
    yield Started("Learning")
    progress = Progress(0.0, f"step {live.steps}" if learner.untaught is None else FIRST_LOOK)
    if learner.untaught is not None:
        yield from wishes.heard(learner.look_first(), progress)
        live.looked = True
        yield from previews.paint(wishes, progress)
    course = Course(learner.config.model_copy(update={"time_limit": seconds}))
    try:
        while seconds and course.fraction < 1 and not wishes.stop:
            loss = yield from wishes.heard(learner.step_in_parts(0.0), progress)
            if loss is None:
                wishes.hear((yield Note(learner.shrink())))
                continue
            if not isfinite(loss):
                raise BadInput("The training diverged (the loss is not a number): switch it off, and on again.")
            course.step += 1
            progress = Progress(course.fraction, f"step {live.steps + course.step}", course.seconds_left)
            wishes.hear((yield progress))
            if previews.due(course, wishes):
                yield from previews.paint(wishes, progress)
    finally:
        live.steps += course.step
        live.seconds += course.seconds
    yield from previews.paint(wishes, progress)
