"""Whether the dense CRF makes predictions of real scans better: ``python -m benchmarks.refine.useful --data DIR``.

The Fast preset is trained for 30 CPU seconds of one thread on little paint and predicts with probabilities. A CRF is
chosen by what it gains on that same paint, as ``napari-unet refine --suggest`` does, or none when none gains there;
with several painted scans by its mean gain over them. Dice and average symmetric surface distance (mm, pixels of
pictures; scans where a class was not found at all have none) are means over classes and scans of voxels that nobody
painted. "Best known afterwards" is the CRF, of those
tried, that is best on the scored voxels themselves: what a perfect choice would give. Dice by the defaults tells what
happens without a choice.

How far the paint tells the truth, although the network has learned from it, is measured as Spearman's correlation,
over the CRFs tried, between the gain on the paint and the gain on the scored voxels.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from tempfile import gettempdir

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.quality.sets import BUNDLED, WITH_DATA, Scored, Task
from benchmarks.refine.predictions import Predicted, predictions
from napari_unet.config import DenseCRF, RefineConfig
from napari_unet.evaluation import evaluate
from napari_unet.events import result_of
from napari_unet.normalisation import measure
from napari_unet.refinement import Probabilities, Suggestion, refine, suggest_job
from napari_unet.refinement.suggestions import usual, words
from napari_unet.refinement.volume import telling

HERE = Path(__file__).parent
SETS = {"ct_chest": BUNDLED["ct_chest"], **WITH_DATA}
NOTHING = RefineConfig(steps=())
HEAD = [
    "| set | chosen on the paint | gain there | Dice before | after | surface distance before | after | Dice by the "
    "defaults | Dice, best known afterwards | correlation |",
    "|---|---|---|---|---|---|---|---|---|---|",
]


@dataclass(frozen=True)
class Quality:
    """Mean Dice, and mean surface distance."""

    dice: float
    distance: float


def labels_of(known: Probabilities) -> NDArray[np.uint8]:
    return np.array(known.labels, np.uint8)[known.array.argmax(0)]


def refined(one: Scored, known: Probabilities, config: RefineConfig) -> NDArray[np.uint8]:
    mask = labels_of(known)
    return refine(mask, config, spacing=one.scan.spacing, intensities=one.scan.array, probabilities=known).labels


def quality(task: Task, predicted: Predicted, config: RefineConfig) -> Quality:
    """Refine all scored scans; means over classes of means over scans."""
    rows: dict[int, list[tuple[float, float]]] = {}
    for one, known in zip(task.scored, predicted.scored, strict=True):
        mask = np.where(one.counts, refined(one, known, config), 0).astype(np.uint8)
        truth = np.where(one.counts, one.truth, 0).astype(np.uint8)
        for row in evaluate(mask, truth, spacing=one.scan.spacing).classes:
            if (truth == row.label).any():
                rows.setdefault(row.label, []).append((row.dice, row.assd_mm))
    dices = [np.mean([dice for dice, _ in per_scan]) for per_scan in rows.values()]
    distances = [np.mean(there) for per_scan in rows.values() if (there := [d for _, d in per_scan if not isnan(d)])]
    return Quality(float(np.mean(dices)), float(np.mean(distances)))


def on_paint(task: Task, predicted: Predicted, candidates: Sequence[RefineConfig]) -> list[Suggestion]:
    """Give what each candidate gains on the paint: the mean over the scans, and its standard error."""
    tried: dict[str, list[Suggestion]] = {}
    for scan, paint, known in zip(task.scans, task.paints, predicted.painted, strict=True):
        job = suggest_job(
            labels_of(known),
            paint,
            spacing=scan.spacing,
            intensities=scan.array,
            probabilities=known,
            candidates=candidates,
        )
        for one in result_of(job):
            tried.setdefault(one.words, []).append(one)
    return [_mean(of_scans) for of_scans in tried.values()]


def _mean(of_scans: list[Suggestion]) -> Suggestion:
    first, count = of_scans[0], len(of_scans)
    gains = [one.gain for one in of_scans]
    error = np.std(gains, ddof=1) / count**0.5 if count > 1 else first.error
    before, after = (float(np.mean([getattr(one, which) for one in of_scans])) for which in ("before", "after"))
    return Suggestion(first.config, first.words, before, after, float(error))


def row(name: str, task: Task, predicted: Predicted) -> str:
    """Choose on the paint and judge on the rest."""
    first = task.scans[0]
    candidates = [c for c in usual(first.spacing, len(telling(measure(first)))) if isinstance(c.steps[0], DenseCRF)]
    told = on_paint(task, predicted, candidates)
    best = max(told, key=lambda one: one.gain - one.error)
    chosen = best if best.helps else Suggestion(NOTHING, words(NOTHING), best.before, best.before, 0.0)
    judged = {words(c): quality(task, predicted, c) for c in (NOTHING, *candidates)}
    before, after = judged[words(NOTHING)], judged[chosen.words]
    default = quality(task, predicted, RefineConfig(steps=(DenseCRF(),)))
    afterwards = max(one.dice for one in judged.values())
    agree = spearmanr([one.gain for one in told], [judged[one.words].dice for one in told]).statistic
    return (
        f"| {name} | {chosen.words} | {chosen.gain:+.3f} | {before.dice:.3f} | {after.dice:.3f} | "
        f"{before.distance:.2f} | {after.distance:.2f} | {default.dice:.3f} | {afterwards:.3f} | {agree:.2f} |"
    )


def rows(chosen: argparse.Namespace) -> Iterator[str]:
    for name in chosen.sets:
        task = SETS[name](chosen.data)
        yield row(name, task, predictions(name, task, chosen.cache, chosen.seconds))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refine.useful", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of real scans")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="which of them; all when left out")
    parser.add_argument("--seconds", type=float, default=30, help="CPU seconds of training")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(gettempdir()) / "napari-unet-predictions",
        help="folder for the predictions, so that a second run trains nothing",
    )
    parser.add_argument("--write", action="store_true", help="write benchmarks/refine/USEFUL.md")
    chosen = parser.parse_args()
    print("\n".join(HEAD), flush=True)
    written = list(HEAD)
    for line in rows(chosen):
        print(line, flush=True)
        written.append(line)
    if chosen.write:
        about = "Made by `python -m benchmarks.refine.useful --write`; what is measured is told there."
        written = ["# What the dense CRF is worth", "", about, "", *written, ""]
        (HERE / "USEFUL.md").write_text("\n".join(written))


if __name__ == "__main__":
    main()
