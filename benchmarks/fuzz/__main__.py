"""Read damaged files of every format and see that each is read or refused: no hang, nothing unforeseen.

``python -m benchmarks.fuzz --files 100000`` damages that many files of each format. Files are read in processes of
their own, as the window and the commands read them; one that ends such a process is counted and named, and so can
be made again: the number after the format's name is its seed. Exit status 1 when a file hangs for more than ten
seconds, or raises anything but a sentence for the user.
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from benchmarks.fuzz.mutations import mutated
from benchmarks.fuzz.seeds import make_seeds
from napari_unet.errors import UnetError
from napari_unet.io import read_mask, read_scan_or_mask
from napari_unet.io.formats import format_of
from napari_unet.runner.reading import limit_memory

PATIENCE_S = 10.0
OUTCOMES = ("read", "refused", "unforeseen", "hung", "crashed")

Counter = Synchronized  # of int


def attempt(seed: Path, number: int) -> tuple[str, str]:
    """Damage a file, read it, and give the outcome and, when it was unforeseen, what happened."""
    whole = seed.with_name("whole")
    if not whole.exists():
        whole.write_bytes(seed.read_bytes())
    seed.write_bytes(mutated(whole.read_bytes(), random.Random(number)))
    target = next((folder for folder in seed.parents if folder.suffix == ".zarr"), seed)
    read = read_mask if number % 3 == 2 and format_of(target).masks else read_scan_or_mask
    try:
        read(target)
    except UnetError:
        return "refused", ""
    except Exception:  # noqa: BLE001  whatever it is, it should have been a sentence
        return "unforeseen", traceback.format_exc()
    return "read", ""


def work(suffix: str, last: int, at: Counter, counts: dict[str, Counter], report: Path) -> None:
    """Attempt one number after another, up to ``last``."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # what SimpleITK has to say of each
    warnings.simplefilter("ignore")
    limit_memory()
    with tempfile.TemporaryDirectory() as folder:
        seeds = make_seeds(Path(folder), only=suffix)[suffix]
        while at.value < last:
            number = at.value
            outcome, why = attempt(seeds[number % len(seeds)], number)
            counts[outcome].value += 1
            if why:
                with report.open("a") as file:
                    file.write(f"{suffix} {number}: {why}\n")
            at.value = number + 1


def fuzz(suffix: str, files: int, first: int, report: Path) -> dict[str, int]:
    """Attempt ``files`` files of a format; count what came of them."""
    context = multiprocessing.get_context("fork")
    at = context.Value(ctypes.c_longlong, first)
    counts = {outcome: context.Value(ctypes.c_longlong, 0) for outcome in OUTCOMES}
    last = first + files
    while at.value < last:
        worker = context.Process(target=work, args=(suffix, last, at, counts, report))
        worker.start()
        seen, since = at.value, time.monotonic()
        while worker.is_alive():
            worker.join(0.05)
            if at.value != seen:
                seen, since = at.value, time.monotonic()
            elif time.monotonic() - since > PATIENCE_S:
                worker.kill()
                worker.join()
                counts["hung"].value += 1
        if at.value < last:
            if worker.exitcode != 0:
                counts["crashed"].value += time.monotonic() - since <= PATIENCE_S
            with report.open("a") as file:
                file.write(f"{suffix} {at.value}: its process ended with {worker.exitcode}\n")
            at.value += 1
    return {outcome: count.value for outcome, count in counts.items()}


def main() -> int:
    """Attempt all formats; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help="how many of each format [2000]")
    parser.add_argument("--first", type=int, default=0, help="the number of the first, which is its seed [0]")
    parser.add_argument("--formats", nargs="+", help="only these suffixes")
    parser.add_argument("--report", type=Path, default=Path("fuzz.log"), help="where to say what went wrong [fuzz.log]")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.report.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        suffixes = args.formats or list(make_seeds(Path(folder)))
    table = {}
    for suffix in suffixes:
        start = time.monotonic()
        table[suffix] = fuzz(suffix, args.files, args.first, args.report)
        if not args.json:
            told = ", ".join(f"{count} {outcome}" for outcome, count in table[suffix].items())
            print(f"{suffix:10} {told} in {time.monotonic() - start:.1f} s", flush=True)
    if args.json:
        print(json.dumps(table))
    return int(any(row["hung"] or row["unforeseen"] for row in table.values()))


if __name__ == "__main__":
    sys.exit(main())
