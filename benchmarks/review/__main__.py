"""How fast a mask gets right while a person corrects slice after slice: ``python -m benchmarks.review [--data DIR]``.

One slice in the middle of a scan is painted and learned from. Then, again and again, a simulated person corrects one
slice of the prediction completely and marks it as right, and the model goes on with it, with its old paint shown again,
and predicts anew. Told is the Dice of the mask as it then is, what was corrected included, after each slice, for
several ways to choose the next: the one that the Review dock suggests, one at random, and evenly spaced ones.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from unittest.mock import patch

import numpy as np

import napari_unet as nu
from benchmarks.quality.methods import warm_up
from benchmarks.quality.painter import whole_slices
from benchmarks.quality.sets import Labels, Scored, ct_chest, mri_spine
from napari_unet.review import Review, mean_dice
from napari_unet.training import Start, course


@dataclass(frozen=True)
class Reviewed:
    """How far a simulated review is."""

    review: Review
    mask: Labels
    paint: Labels


Choice = Callable[[Reviewed, int, int], int]
"""Chooses the next slice of a review, of so many slices to come and the number of this one."""


def suggested(so_far: Reviewed, rounds: int, number: int) -> int:
    """Choose as the Review dock does."""
    z = so_far.review.summary(so_far.mask, so_far.paint).next_slice
    assert z is not None
    return z


def at_random(so_far: Reviewed, rounds: int, number: int) -> int:
    """Choose any slice that was not looked at."""
    left = [z for z, painted in enumerate(so_far.paint.any((1, 2))) if not painted and z not in so_far.review.reviewed]
    return int(np.random.default_rng(number).choice(left))


def evenly(so_far: Reviewed, rounds: int, number: int) -> int:
    """Choose slices as far from one another as ``rounds`` of them can be."""
    return round((number + 0.5) * len(so_far.mask) / rounds - 0.5)


CHOICES: dict[str, Choice] = {"suggested": suggested, "at random": at_random, "evenly spaced": evenly}


def train(scan: nu.Scan, paint: Labels, seconds: float, start: Start | None = None) -> nu.Model:
    """Train with the defaults, CPU seconds of one thread."""
    changes = {"threads": 1, "time_limit": seconds}
    with patch.object(course, "perf_counter", process_time):
        return nu.train(scan, scan.unfold(paint), nu.PRESETS["fast"].train.model_copy(update=changes), start=start)


def predicted(model: nu.Model, one: Scored, file: Path, reviewed: set[int]) -> Review:
    """Predict, and note what the model wrote."""
    review = Review(file, reviewed)
    for z, plane in enumerate(nu.predict(model, one.scan, nu.PredictConfig(threads=1)).labels.reshape(one.truth.shape)):
        review.note(z, plane)
    return review


def course_of(one: Scored, choose: Choice, rounds: int, first: float, more: float) -> list[float]:
    """Give the Dice before, and after each corrected slice."""
    truth, nowhere = one.truth, Path("model.unet")
    paint = whole_slices(truth, [len(truth) // 2])
    model = train(one.scan, paint, first)
    review = predicted(model, one, nowhere, set())
    dice = []
    for number in range(rounds + 1):
        mask = np.stack([review.written(z, plane.shape) for z, plane in enumerate(truth)])
        mask[len(truth) // 2] = truth[len(truth) // 2]
        mask[sorted(review.reviewed)] = truth[sorted(review.reviewed)]
        dice.append(mean_dice(mask, truth))
        if number == rounds:
            return dice
        z = choose(Reviewed(review, mask, paint), rounds, number)
        review.reviewed.add(z)
        mask[z] = truth[z]
        lesson = np.zeros_like(mask)
        for reviewed in review.reviewed:
            lesson[reviewed] = review.lesson(mask)[reviewed]
        model = train(one.scan, lesson, more, Start(model, [one.scan], [paint]))
        review = predicted(model, one, nowhere, review.reviewed)
    return dice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real scans; the bundled chest CT alone without")
    parser.add_argument("--rounds", type=int, default=5, help="slices that are corrected")
    parser.add_argument("--first", type=float, default=30, help="CPU seconds that the model learns at first")
    parser.add_argument("--more", type=float, default=15, help="CPU seconds that it goes on for after each slice")
    options = parser.parse_args()
    warm_up()
    columns = " | ".join(str(number) for number in range(options.rounds + 1))
    print(f"| set | next slice | {columns} |\n|---|---|{'---|' * (options.rounds + 1)}", flush=True)
    # Volumes with a truth on every slice.
    for task in (ct_chest(options.data), *((mri_spine(options.data),) if options.data else ())):
        (one,) = task.scored
        for how, choose in CHOICES.items():
            dice = course_of(one, choose, options.rounds, options.first, options.more)
            print(f"| {task.name} | {how} | {' | '.join(f'{value:.3f}' for value in dice)} |", flush=True)


if __name__ == "__main__":
    main()
