"""How far a training is, and which of its models is the best."""

from dataclasses import dataclass, field
from time import perf_counter

from napari_unet.config import Schedule, TrainConfig
from napari_unet.events import EpochDone
from napari_unet.training.learner import Score

CHANCE = 4.0
"""A later model less than so many standard errors below the highest Dice is kept: it has learned longer.

Twice the usual two, because the standard error takes voxels as independent and neighbours err together.
"""
SETTLED = 0.5
"""Share of a schedule that falls over the time after which models are compared."""
TIME_LAGS = 0.05
"""How far the clock must be ahead of the step count before it, too, moves the schedule of a run with ``steps``."""


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
        """How long it has been training, without the time between a stop and going on."""
        return perf_counter() - self.begun

    def go_on(self, step: int, seconds: float) -> None:
        """Count on from where a training stood."""
        self.step, self.begun = step, perf_counter() - seconds

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


@dataclass
class Standing:
    """Where a training stands, but for what the learner holds.

    Parameters
    ----------
    course
        How far it is.
    best
        The best model so far.
    losses
        Of the steps of the round that is under way.
    rounds
        Those that are over.
    """

    course: Course
    best: Best = field(default_factory=Best)
    losses: list[float] = field(default_factory=list)
    rounds: list[EpochDone] = field(default_factory=list)
