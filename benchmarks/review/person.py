"""A simulated person who corrects a few slices, each completely, lets the model go on with them, and corrects more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import napari_unet as nu
from benchmarks.quality.painter import whole_slices
from benchmarks.quality.sets import Labels
from benchmarks.review.stacks import Stack, of_name
from napari_unet.inference.prediction import Prediction
from napari_unet.review.corrections import mean_dice
from napari_unet.review.looking import Look, where_next
from napari_unet.training import Start

PAINTED = 2
"""Slices that are painted before the first model is trained, drawn at random of those with something on them."""
AT_ONCE = 3
"""Slices that are corrected before the model goes on with them."""
FIRST, MORE, ALL_PAINTED = 150, 100, 600
"""Steps of the first model, of each time it goes on, and of the model that learns from all slices."""


@dataclass
class Done:
    """How far a review is.

    Parameters
    ----------
    slices
        How many there are.
    looked_at
        Those that were painted or corrected, in that order.
    looks
        What the latest prediction found out about slices.
    random
        For those who choose at random.
    """

    slices: int
    looked_at: list[int]
    random: np.random.Generator
    looks: dict[int, Look] = field(default_factory=dict)


def suggested(done: Done) -> int:
    """Choose as *Next to look at* does."""
    return _next(done, done.looks)


def evenly(done: Done) -> int:
    """Choose the slice that is furthest from all looked at: in the middle of the largest gap."""
    return _next(done, {})


def at_random(done: Done) -> int:
    """Choose any slice that was not looked at."""
    return int(done.random.choice([z for z in range(done.slices) if z not in done.looked_at]))


def _next(done: Done, looks: dict[int, Look]) -> int:
    suggestion = where_next(done.slices, done.looked_at, looks)
    assert suggestion is not None
    return suggestion.z


Choice = Callable[[Done], int]
CHOICES: dict[str, Choice] = {"suggested": suggested, "evenly spaced": evenly, "at random": at_random}


def all_painted(name: str, data: Path | None) -> float:
    """Give the Dice of a model that learned from all slices of a set."""
    stack = of_name(name, data)
    model = train(stack, range(len(stack.truth)), ALL_PAINTED, seed=0)
    return mean_dice(_labels(_predict(model, stack), stack), stack.truth)


def courses(name: str, data: Path | None, rounds: int, seed: int) -> dict[str, list[float]]:
    """Correct slices of a set and go on with them, ``rounds`` times, chosen in each of the ways, from one beginning.

    Returns
    -------
    dict
        The Dice before and after each round, by how slices were chosen.
    """
    stack = of_name(name, data)
    held = np.flatnonzero(stack.truth.any((1, 2)))
    painted = [int(z) for z in np.random.default_rng(seed).choice(held, PAINTED, replace=False)]
    first = train(stack, painted, FIRST, seed)
    return {how: _course(stack, choose, painted, first, rounds, seed) for how, choose in CHOICES.items()}


def _course(stack: Stack, choose: Choice, painted: list[int], model: nu.Model, rounds: int, seed: int) -> list[float]:
    done = Done(len(stack.truth), list(painted), np.random.default_rng(seed))
    old = Start(model, [stack.scan], [whole_slices(stack.truth, painted)])
    dice = []
    while True:
        prediction = _predict(model, stack)
        done.looks = dict(prediction.looks)
        mask = _labels(prediction, stack)
        mask[done.looked_at] = stack.truth[done.looked_at]
        dice.append(mean_dice(mask, stack.truth))
        if len(dice) > rounds:
            return dice
        for _ in range(AT_ONCE):
            done.looked_at.append(choose(done))
        model = train(stack, done.looked_at[PAINTED:], MORE, seed, Start(model, old.scans, old.paints))


def train(stack: Stack, slices: Sequence[int], steps: int, seed: int, start: Start | None = None) -> nu.Model:
    """Train with the defaults on slices that are painted whole, for so many steps of one thread."""
    changes = {"threads": 1, "steps": steps, "time_limit": 1e6, "seed": seed}
    paint = stack.scan.unfold(whole_slices(stack.truth, slices))
    return nu.train(stack.scan, paint, nu.PRESETS["fast"].train.model_copy(update=changes), start=start)


def _predict(model: nu.Model, stack: Stack) -> Prediction:
    return nu.predict(model, stack.scan, nu.PredictConfig(threads=1))


def _labels(prediction: Prediction, stack: Stack) -> Labels:
    return prediction.labels.reshape(stack.truth.shape).copy()
