"""The last steps of a window's undo, kept beside its journal, so that they can be taken back after it ended.

Each step is a file of its own, written once and removed when the step is taken back or too old. What lies there need
not fit the journal, as a window may be killed between writing one and the other: whoever reads it looks.
"""

import json
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER, SUFFIX, ABOUT = "undo", ".npz", "about"


@dataclass(frozen=True, eq=False)
class KeptStep:
    """A step as it is kept.

    Parameters
    ----------
    key
        The key in the journal of the layer that it was done to.
    when
        When it was done, in ns since 1970: the order of all steps.
    about
        What it is, as JSON values by name.
    arrays
        What changed, by name.
    """

    key: str
    when: int
    about: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


def step_file(folder: Path, key: str, when: int) -> Path:
    """Name the file of a step that is kept beside the journal in ``folder``."""
    return folder / FOLDER / f"{key} {when}{SUFFIX}"


def write_step(folder: Path, step: KeptStep) -> None:
    """Keep a step beside the journal in ``folder``.

    It is not forced to the disk, which takes longer than all else: there may be many, and a damaged one is left out.

    Raises
    ------
    OSError
        The disk is full, or the folder is gone.
    """
    file = step_file(folder, step.key, step.when)
    file.parent.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {**step.arrays, ABOUT: np.array(json.dumps(step.about))}
    with (unfinished := file.with_suffix(".part")).open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    unfinished.replace(file)


def kept_files(folder: Path, keys: Iterable[str]) -> set[Path]:
    """List the files of the steps of some layers."""
    wanted = set(keys)
    return {file for file in (folder / FOLDER).glob(f"*{SUFFIX}") if file.stem.partition(" ")[0] in wanted}


def read_steps(folder: Path, keys: Iterable[str]) -> list[KeptStep]:
    """Read the steps of some layers, the last one first; files that are damaged are left out."""
    steps = []
    for file in kept_files(folder, keys):
        damaged = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
        with suppress(*damaged), file.open("rb") as stream, np.load(stream) as content:
            key, _, when = file.stem.partition(" ")
            arrays = {name: content[name] for name in content.files if name != ABOUT}
            steps.append(KeptStep(key, int(when), json.loads(str(content[ABOUT])), arrays))
    return sorted(steps, key=lambda step: step.when, reverse=True)
