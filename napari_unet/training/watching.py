"""What somebody who watches a training is shown of it, and may tell it."""

from collections.abc import Generator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from napari_unet.events import Command, Event, Job, LookAt, Preview, Progress, Result, Stop
from napari_unet.normalisation import Normalisation
from napari_unet.scan import Scan
from napari_unet.training.course import Course
from napari_unet.training.learner import Learner

PREVIEW_SHARE = 0.08
"""Previews take no more than this share of the time, where nobody said otherwise."""


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

    def heard(self, work: Generator[None, None, Result], progress: Event) -> Job[Result]:
        """Do work in parts, between which ``progress`` is reported and commands are taken in."""
        while True:
            try:
                next(work)
            except StopIteration as end:
                result: Result = end.value
                return result
            self.hear((yield progress))


class Previews:
    """Fills slices of the preview while the model learns, in a small share of the time.

    Parameters
    ----------
    learner
        Which learns.
    scan, normalisation
        What is looked at.
    preview
        (Z, Y, X) uint8, the slices to fill.
    share
        Of the time that previews take, at most, 0..1.
    """

    def __init__(
        self,
        learner: Learner,
        scan: Scan,
        normalisation: tuple[Normalisation, ...],
        preview: NDArray[np.uint8],
        share: float = PREVIEW_SHARE,
    ) -> None:
        self.learner = learner
        self.scan = scan
        self.normalisation = normalisation
        self.preview = preview
        self.share = share
        self.spent = 0.0
        self.last = 0.0

    def due(self, course: Course, wishes: Wishes) -> bool:
        """Whether to look now: at once at a slice just asked for, else once a second where that is affordable."""
        affordable = self.spent <= self.share * course.seconds and course.seconds - self.last >= 1.0
        due = wishes.preview_now or (wishes.look_at is not None and affordable)
        self.last = course.seconds if due else self.last
        return due

    def paint(self, wishes: Wishes, progress: Progress) -> Job[None]:
        """Fill the slice that is looked at, and report it; ``progress`` is reported in between."""
        z = min(max(wishes.look_at or 0, 0), len(self.preview) - 1)
        wishes.preview_now = False
        begun = perf_counter()
        look = self.learner.look(self.scan, self.normalisation, z)
        self.preview[z] = yield from wishes.heard(look, progress)
        self.spent += perf_counter() - begun
        wishes.hear((yield Preview(z)))
