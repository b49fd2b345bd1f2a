"""Killing windows with a project at moments that chance chooses, and looking whether the next one has it all."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from benchmarks.keeping.driven import MODEL, SCAN
from napari_unet.config import NetworkConfig, TrainConfig

SHAPE = (24, 64, 64)
LONGEST_S = 8.0
"""A window lives for up to so long after its project is open."""
PATIENCE_S = 120.0
"""So long the project may take to open, on a machine that is busy with other things."""
BEHIND_S = 10.0
"""What is older than that must be there."""


@dataclass(frozen=True)
class Noted:
    """What was in a window at some time, by name."""

    at: float
    found: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a project came back after a kill.

    Parameters
    ----------
    lost_s
        How long before the kill the oldest was done that is lost.
    wrong
        What is as it never was, or is gone though it was there longer before the kill than anything may be lost.
    """

    lost_s: float
    wrong: list[str]


def compare(log: list[Noted], killed_at: float, found: dict[str, Any]) -> Outcome:
    """Compare what came back with what was noted in the window that was killed.

    Parameters
    ----------
    log
        What was noted, the oldest first.
    killed_at
        When it was killed.
    found
        What came back.
    """
    safe = max((number for number, noted in enumerate(log) if noted.at < killed_at - BEHIND_S), default=0)
    lost_s, wrong = 0.0, []
    for name in {name for noted in log[safe:] for name in noted.found} | set(found):
        number = next((n for n in reversed(range(safe, len(log))) if log[n].found.get(name) == found.get(name)), None)
        if number is None:
            wrong.append(name)
        elif number < len(log) - 1:
            lost_s = max(lost_s, killed_at - log[number + 1].at)
    return Outcome(lost_s, wrong)


def lives(folder: Path, number: int, seconds: float) -> tuple[float, list[Noted], float]:
    """Let a window work for so long and kill it; give how long opening took, what was noted, and when it was killed."""
    begun = time.time()
    window = subprocess.Popen([sys.executable, "-m", "benchmarks.keeping.driven", str(folder), str(number)])
    log = folder / f"{number}.log"
    while not (log.exists() and log.read_text().count("\n")):
        if window.poll() is not None or time.time() - begun > PATIENCE_S:
            window.kill()
            return time.time() - begun, [], 0.0
        time.sleep(0.02)
    opened = time.time() - begun
    time.sleep(seconds)
    window.kill()
    killed_at = time.time()
    window.wait()
    lines = (json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n"))
    return opened, [Noted(*line) for line in lines], killed_at


def prepare(folder: Path) -> None:
    """Put a scan and a model there."""
    import napari_unet as nu

    chance = np.random.default_rng(0)
    voxels = chance.normal(size=SHAPE).astype(np.float32)
    nibabel.Nifti1Image(voxels.T, np.eye(4)).to_filename(folder / SCAN)
    paint = np.zeros((2, 32, 32), np.uint8)
    paint[0, :16], paint[0, 20:] = 1, 255
    network = NetworkConfig(width=4, depth=2)
    config = TrainConfig(network=network, steps=2, patch=32, precision="fp32", threads=1, validation=0.0)
    nu.train(chance.normal(size=paint.shape).astype(np.float32), paint, config).save(folder / MODEL)


def kills(folder: Path, number: int) -> Iterator[tuple[float, int, Outcome]]:
    """Kill so many windows; give of each how long the next took to open, what had been done, and what came back."""
    prepare(folder)
    _, log, killed_at = lives(folder, 0, LONGEST_S)
    for window in range(1, number + 1):
        opened, noted, killed_next = lives(folder, window, random.uniform(0, LONGEST_S))
        found = noted[0].found if noted else {}
        yield opened, len(log), compare(log, killed_at, found) if noted else Outcome(0.0, ["the project did not open"])
        if not noted:
            return
        log, killed_at = noted, killed_next


def kill_often(folder: Path, number: int) -> str:
    """Kill so many windows and sum up."""
    rows = []
    for row in kills(folder, number):
        rows.append(row)
        opened, done, outcome = row
        wrong = f"; wrong: {', '.join(sorted(outcome.wrong))}" if outcome.wrong else ""
        print(
            f"{len(rows)}: {done} things done, {outcome.lost_s:.1f} s lost, open in {opened:.1f} s{wrong}", flush=True
        )
    good = sum(not outcome.wrong for *_, outcome in rows)
    done = sum(done for _, done, _ in rows)
    longest, lost = max(opened for opened, *_ in rows), max(outcome.lost_s for *_, outcome in rows)
    return (
        f"{good} of {number} windows that were killed came back whole, after {done:,} things done in them; at most the "
        f"last {lost:.1f} s were lost; a window with the project was open after at most {longest:.1f} s"
    )
