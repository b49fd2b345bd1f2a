"""How few slices a person has to correct: ``python -m benchmarks.review [--data DIR] [--write]``.

A few slices of a stack are painted and learned from. Then, again and again, a simulated person corrects some slices of
the prediction completely, and the model goes on with them, with its old paint shown again, and predicts anew. Told is
after how many corrected slices the mask, what was corrected included, reaches 95 % of the Dice of a model that learned
from all slices, when the next slice is the one that the Review dock suggests, the one in the middle of the largest gap,
or one at random. Steps are counted, not seconds: a busy machine changes nothing.
"""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from math import inf
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.review.person import ALL_PAINTED, AT_ONCE, CHOICES, FIRST, MORE, PAINTED, all_painted, courses
from benchmarks.review.stacks import BUNDLED, WITH_DATA
from napari_unet.durable import written_whole
from napari_unet.training.drawing import Line, Plot

ENOUGH = 0.95
"""Share of the Dice with all slices painted that is to be reached."""
SIDE_BY_SIDE = 2
"""Processes, of one thread each."""
COLOURS = {"suggested": (0, 114, 178), "evenly spaced": (230, 159, 0), "at random": (120, 120, 120)}
"""Told apart by people who do not see red and green (after Okabe and Ito)."""
ACROSS = 3
"""Plots side by side in the picture."""
ROOT = Path(__file__).parents[2]
RESULTS, PICTURE = Path(__file__).with_name("RESULTS.md"), ROOT / "assets" / "review_curve.png"


@dataclass(frozen=True)
class Found:
    """What came of a set: the Dice with all slices painted, and that before and after each correction, run by run."""

    all_painted: float
    runs: list[dict[str, list[float]]]

    @property
    def goal(self) -> float:
        """The Dice that is enough."""
        return ENOUGH * self.all_painted

    def mean(self, how: str) -> list[float]:
        """Average the Dice over the runs."""
        return [float(value) for value in np.mean([run[how] for run in self.runs], axis=0)]

    def needed(self, how: str) -> list[float]:
        """Give after how many corrected slices each run is good enough, between rounds on a straight line.

        Infinite where it never was.
        """
        return [_crossing(run[how], self.goal) for run in self.runs]


def _crossing(dice: list[float], goal: float) -> float:
    """Give after how many corrected slices a goal is reached."""
    reached = next((number for number, value in enumerate(dice) if value >= goal), None)
    if not reached:
        return 0.0 if reached == 0 else inf
    before, after = dice[reached - 1 : reached + 1]
    return AT_ONCE * (reached - (after - goal) / (after - before))


def table(found: dict[str, Found], rounds: int) -> Iterator[str]:
    """Go through the lines of the table."""
    yield f"| set | all painted | next slice | corrected until {ENOUGH:.0%} of it | Dice, by {AT_ONCE}s |"
    yield "|---|---|---|---|---|"
    for name, one in found.items():
        for how in CHOICES:
            counts, most = one.needed(how), AT_ONCE * rounds
            each = ", ".join(f"> {most}" if count == inf else f"{count:.1f}" for count in counts)
            mean = f"{'over ' * (inf in counts)}{np.minimum(counts, most).mean():.1f} ({each})"
            dice = " ".join(f"{value:.2f}" for value in one.mean(how))
            yield f"| {name} | {one.all_painted:.2f} | {how} | {mean} | {dice} |"


def picture(found: dict[str, Found], rounds: int) -> Image.Image:
    """Draw a plot for each set: the mean Dice over the corrected slices; the last names the lines."""
    plots = []
    for name, one in found.items():
        corrected = [AT_ONCE * number for number in range(rounds + 1)]
        lines = [Line(how, COLOURS[how], corrected, one.mean(how)) for how in CHOICES]
        lines.append(Line(f"{ENOUGH:.0%} of all painted", (40, 40, 40), (0, corrected[-1]), (one.goal, one.goal)))
        if len(plots) < len(found) - 1:
            lines = [replace(line, name="") for line in lines]
        plots.append(Plot(f"{name}: Dice", "slices corrected", lines).draw())
    side, height = plots[0].size
    rows = [plots[start : start + ACROSS] for start in range(0, len(plots), ACROSS)]
    width = max(sum(plot.width for plot in row) for row in rows)
    whole = Image.new("RGB", (width, height * len(rows)), "white")
    for down, row in enumerate(rows):
        for across, plot in enumerate(row):
            whole.paste(plot, (across * side, down * height))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real scans; the bundled chest CT alone without")
    parser.add_argument("--sets", nargs="+", choices=[*BUNDLED, *WITH_DATA], help="which of them; all when left out")
    parser.add_argument("--rounds", type=int, default=5, help="how often the model goes on")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, with seeds from 0")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} and the picture {PICTURE.name}")
    options = parser.parse_args()
    known = BUNDLED if options.data is None else {**BUNDLED, **WITH_DATA}
    if unknown := set(options.sets or ()) - known.keys():
        parser.error(f"{', '.join(sorted(unknown))}: give the folder of scans with --data")
    os.environ["OMP_NUM_THREADS"] = "1"
    names, seeds = options.sets or list(known), range(options.seeds)
    with ProcessPoolExecutor(SIDE_BY_SIDE, get_context("spawn")) as pool:
        # The longest first, so that both processes end at about the same time.
        runs = {(name, seed): pool.submit(courses, name, options.data, options.rounds, seed)
                for name in names for seed in seeds}  # fmt: skip
        best = {name: pool.submit(all_painted, name, options.data) for name in names}
        found = {name: Found(best[name].result(), [runs[name, seed].result() for seed in seeds]) for name in names}
    text = "\n".join(table(found, options.rounds))
    print(text)
    if options.write:
        how = (
            f"{PAINTED} slices painted, {FIRST} steps; {MORE} steps after every {AT_ONCE} corrected; all painted: "
            f"{ALL_PAINTED} steps. {options.seeds} runs, in brackets one by one; those not there yet count as "
            f"{AT_ONCE * options.rounds}."
        )
        with written_whole(RESULTS) as temporary:
            temporary.write_text(f"# Where to look next\n\n{__doc__}\n{how}\n\n{text}\n", encoding="utf-8")
        with written_whole(PICTURE) as temporary:
            picture(found, options.rounds).save(temporary, "PNG")


if __name__ == "__main__":
    main()
