"""How few slices a person has to correct: ``python -m benchmarks.review [--data DIR] [--write]``.

Two slices of a stack are painted and learned from. Then, again and again, a simulated person corrects one slice of the
prediction completely, and the model goes on with it, with its old paint shown again, and predicts anew. Told is after
how many corrected slices the mask, what was corrected included, reaches 95 % of the Dice of a model that learned from
all slices for as many steps, when the next slice is the one that the Review dock suggests, the one in the middle of
the largest gap, or one at random. Steps are counted, not seconds: a busy machine changes nothing.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.review.person import CHOICES, FIRST, MORE, PAINTED, Course, courses
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


def run(name: str, data: Path | None, rounds: int, seed: int) -> tuple[str, Course]:
    """Review a set once, in a process of its own."""
    stack = {**BUNDLED, **WITH_DATA}[name](data)
    return stack.name, courses(stack, rounds, seed)


def needed(dice: Sequence[float], all_painted: float) -> int:
    """Give after how many corrections it is good enough; one more than there were when it never is."""
    return next((number for number, value in enumerate(dice) if value >= ENOUGH * all_painted), len(dice))


def table(found: dict[str, list[Course]], rounds: int) -> Iterator[str]:
    """Go through the lines of the table."""
    yield f"| set | all painted | next slice | corrected until {ENOUGH:.0%} | Dice after 0 to {rounds} corrections |"
    yield "|---|---|---|---|---|"
    for name, runs in found.items():
        everything = np.mean([one.all_painted for one in runs])
        for how in CHOICES:
            counts = [needed(one.dice[how], one.all_painted) for one in runs]
            more = "at least " if max(counts) > rounds else ""
            mean = " ".join(f"{value:.2f}" for value in np.mean([one.dice[how] for one in runs], axis=0))
            each = ", ".join(f"> {rounds}" if count > rounds else str(count) for count in counts)
            yield f"| {name} | {everything:.2f} | {how} | {more}{np.mean(counts):.1f} ({each}) | {mean} |"


def picture(found: dict[str, list[Course]], rounds: int) -> Image.Image:
    """Draw a plot for each set: the mean Dice over the corrected slices."""
    plots = []
    for number, (name, runs) in enumerate(found.items(), start=1):
        x, last = range(rounds + 1), number == len(found)
        lines = [
            Line(how if last else "", COLOURS[how], x, np.mean([one.dice[how] for one in runs], axis=0).tolist())
            for how in CHOICES
        ]
        goal = ENOUGH * float(np.mean([one.all_painted for one in runs]))
        words = f"{ENOUGH:.0%} of all painted" if last else ""
        lines.append(Line(words, (40, 40, 40), (0, rounds), (goal, goal)))
        plots.append(Plot(f"{name}: Dice", "slices corrected", lines).draw())
    rows = [plots[start : start + ACROSS] for start in range(0, len(plots), ACROSS)]
    height = plots[0].height
    whole = Image.new("RGB", (max(sum(one.width for one in row) for row in rows), height * len(rows)), "white")
    for down, row in enumerate(rows):
        for across, one in enumerate(row):
            whole.paste(one, (across * plots[0].width, down * height))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real scans; the bundled chest CT alone without")
    parser.add_argument("--sets", nargs="+", choices=[*BUNDLED, *WITH_DATA], help="which of them; all when left out")
    parser.add_argument("--rounds", type=int, default=8, help="slices that are corrected")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, with seeds from 0")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} and the picture {PICTURE.name}")
    options = parser.parse_args()
    known = BUNDLED if options.data is None else {**BUNDLED, **WITH_DATA}
    if unknown := set(options.sets or ()) - known.keys():
        parser.error(f"{', '.join(sorted(unknown))}: give the folder of scans with --data")
    os.environ["OMP_NUM_THREADS"] = "1"
    jobs = [
        (name, options.data, options.rounds, seed) for name in options.sets or known for seed in range(options.seeds)
    ]
    found: dict[str, list[Course]] = {}
    with ProcessPoolExecutor(SIDE_BY_SIDE, get_context("spawn")) as pool:
        for name, course in pool.map(run, *zip(*jobs, strict=True)):
            found.setdefault(name, []).append(course)
    text = "\n".join(table(found, options.rounds))
    print(text)
    if options.write:
        how = f"{PAINTED} slices painted, {FIRST} steps; then {MORE} steps after each correction; {options.seeds} runs."
        with written_whole(RESULTS) as temporary:
            temporary.write_text(f"# Where to look next\n\n{__doc__}\n{how}\n\n{text}\n", encoding="utf-8")
        with written_whole(PICTURE) as temporary:
            picture(found, options.rounds).save(temporary, "PNG")


if __name__ == "__main__":
    main()
