"""Results of single runs, kept in a file line by line: an interrupted table goes on, and a method can be run again."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from benchmarks.quality.methods import Method
from benchmarks.quality.sets import Task


@dataclass(frozen=True)
class Run:
    """One training: what it was, the mean Dice, and the seconds of processor and clock that it took."""

    set: str
    method: str
    seconds: float
    seed: int
    dice: float
    cpu: float
    wall: float
    machine: str

    @property
    def what(self) -> tuple[str, str, float, int]:
        """All but what came of it."""
        return self.set, self.method, self.seconds, self.seed


@dataclass
class Results:
    """Runs on this machine; those on others stay in the file, and are left alone.

    Parameters
    ----------
    file
        One run a line; None keeps them in memory only.
    """

    file: Path | None = None
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            self.runs = [run for run in self._all() if run.machine == machine()]

    def _all(self) -> list[Run]:
        assert self.file is not None
        return [Run(**json.loads(line)) for line in self.file.read_text().splitlines()]

    def add(self, run: Run) -> None:
        """Keep a run, at once."""
        self.runs.append(run)
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(json.dumps(asdict(run)) + "\n")

    def forget(self, unwanted: Callable[[Run], bool]) -> None:
        """Drop runs on this machine, so that they are done again."""
        self.runs = [run for run in self.runs if not unwanted(run)]
        if self.file is not None and self.file.exists():
            kept = [run for run in self._all() if run.machine != machine() or not unwanted(run)]
            self.file.write_text("".join(json.dumps(asdict(run)) + "\n" for run in kept))

    def complete(self, name: str, task: Task, method: str, run: Method, times: Sequence[float], seed: int) -> None:
        """Do what is missing of a method on a set, with one seed."""
        done = {each.what for each in self.runs}
        missing = [seconds for seconds in times if (name, method, seconds, seed) not in done]
        for outcome in run(task, missing, seed) if missing else ():
            dice = round(task.dice(outcome.masks), 4)
            cpu, wall = round(outcome.cpu, 1), round(outcome.wall, 1)
            self.add(Run(name, method, outcome.seconds, seed, dice, cpu, wall, machine()))
            print(
                f"{name}, {method}, {outcome.seconds:g} s, seed {seed}: Dice {dice:.3f} "
                f"({cpu:.0f} CPU s, {wall:.0f} s; {outcome.course})",
                flush=True,
            )

    def dice(self, name: str, method: str, seconds: float) -> list[float]:
        """Give the mean Dice of each seed."""
        chosen = (run for run in self.runs if (run.set, run.method, run.seconds) == (name, method, seconds))
        return [run.dice for run in sorted(chosen, key=lambda run: run.seed)]

    def cpu(self, name: str, method: str, seconds: float) -> float:
        """Give the mean seconds of processor that it took."""
        took = [run.cpu for run in self.runs if (run.set, run.method, run.seconds) == (name, method, seconds)]
        return sum(took) / len(took)


def present(wanted: Iterable[str], found: Iterable[str]) -> list[str]:
    """Give those of the wanted that were found, in their order."""
    there = set(found)
    return [name for name in wanted if name in there]


def machine() -> str:
    """Describe what runs were made on."""
    name = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.exists():
        names = [line.split(":")[1].strip() for line in about.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores, one thread; Python {platform.python_version()}, torch {torch.__version__}"
