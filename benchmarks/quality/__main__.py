"""Masks over training time, beside other programs: ``python -m benchmarks.quality [--data DIR] [--write]``.

Compared are this program's Fast preset, a random forest on pixel features, MONAI's BasicUNet, nnU-Net v2, and the U-Net
of segmentation_models_pytorch, each with its own recipe, from the same paint, on one thread, by the mean Dice after the
same CPU seconds of training. Loading, what a program plans and prepares once, and prediction do not count; the step
during which the time ends does. With --write every run is kept in results.jsonl beside this file: what is there is not
done again, and RESULTS.md is written from it.
"""

import argparse
from pathlib import Path

from benchmarks.quality.methods import METHODS, OURS, warm_up
from benchmarks.quality.results import Results, machine
from benchmarks.quality.sets import BUNDLED, WITH_DATA
from benchmarks.quality.tables import GOALS, TIMES, report

HERE = Path(__file__).parent
KEPT = HERE / "results.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of real scans; the bundled CT alone when left out")
    parser.add_argument("--sets", nargs="+", choices=[*BUNDLED, *WITH_DATA], help="which of them; all when left out")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="which to run")
    parser.add_argument("--seconds", type=float, nargs="+", help="15 30 60 180, without --write 15 60, when left out")
    parser.add_argument(
        "--seeds", type=int, help="runs of each, with seeds from 0; 3, without --write 1, when left out"
    )
    parser.add_argument("--again", nargs="+", choices=METHODS, default=[], help="run these anew on the sets")
    parser.add_argument("--write", action="store_true", help="keep the runs, and write RESULTS.md from them")
    chosen = parser.parse_args()
    known = BUNDLED if chosen.data is None else {**BUNDLED, **WITH_DATA}
    names = chosen.sets or list(known)
    if unknown := set(names) - known.keys():
        parser.error(f"{', '.join(sorted(unknown))}: give the folder of scans with --data")
    times = chosen.seconds or (TIMES if chosen.write else (15.0, 60.0))
    results = Results(KEPT if chosen.write else None)
    results.forget(lambda run: run.method in chosen.again and run.set in names)
    warm_up()
    for seed in range(chosen.seeds or (3 if chosen.write else 1)):
        for name in names:
            task = known[name](chosen.data)
            for method in chosen.methods:
                goals = {s for n, s, _ in GOALS if n == name and chosen.write and method == OURS}
                results.complete(name, task, method, METHODS[method], sorted({*times, *goals}), seed)
            if chosen.write:
                write()
    print("\n".join(report(results)))


def write() -> None:
    """Write RESULTS.md from all runs that are kept: another call may be adding to them."""
    told = (
        "Mean Dice after so many CPU seconds of training, ± its standard deviation over the seeds. Made by\n"
        "`python -m benchmarks.quality --data DIR --write`, which tells what is compared."
    )
    lines = ["# Masks over training time", "", told, "", f"{machine()}.", "", *report(Results(KEPT))]
    (HERE / "RESULTS.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
