"""A project: the scans that somebody works on, and all that came of it, in a folder.

The folder is a journal of paint, masks and models, with ``project.json`` beside them. Of a scan it says where it lies
and a checksum of its voxels, by which it is found on another computer; never the voxels, and nothing of a file's
header.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationError

from napari_unet import __version__
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput
from napari_unet.io.files import is_dicom
from napari_unet.parameters import Config

FORMAT = 1
"""Raised when an older program could no longer use a newer project, or this one an older."""
SUFFIX = ".unetproject"
DESCRIPTION = "project.json"
NEAR, MANY = 3, 50_000
"""A scan is looked for so many folders deep around the project, among so many files."""
RECENT = 8
"""So many projects are remembered."""


class ScanState(StrEnum):
    """How far the work on a scan is."""

    NEW = "new"
    PREDICTED = "predicted"
    IN_REVIEW = "in review"
    DONE = "done"


class ProjectScan(Config):
    """A scan of a project."""

    name: str
    """What it is called in the window."""
    origin: tuple[str, ...]
    """Where it lay last: a path, or the plugin and the name of a sample."""
    relative: str = ""
    """The same path as seen from the project's folder."""
    known_as: tuple[tuple[str, ...], ...] = ()
    """Where it lay before."""
    nbytes: int = 0
    """What its file or folder takes on the disk."""
    checksum: str = ""
    """Of its voxels, see :func:`napari_unet.keeping.checksums.voxel_checksum`; "" until it is known."""
    done: bool = False
    """Whether somebody ticked it off."""

    def is_at(self, origin: Iterable[str]) -> bool:
        """Whether it lies or lay there."""
        place = tuple(origin)
        return bool(place) and (place == self.origin or place in self.known_as)

    def seen_from(self, folder: Path) -> "ProjectScan":
        """Give it with its path as seen from the folder of a project; a sample has none."""
        relative = ""
        if len(self.origin) == 1:
            with suppress(ValueError):  # on Windows a path to another drive is never relative
                relative = Path(os.path.relpath(self.origin[0], folder)).as_posix()
        return self.model_copy(update={"relative": relative})


class Project(Config):
    """What a project is, beside its journal."""

    format: int = FORMAT
    """Version of the format."""
    program: str = f"napari-unet-paint {__version__}"
    """Which program and version made it."""
    scans: tuple[ProjectScan, ...] = ()
    """The scans, in the order in which they were added."""
    shown: int = 0
    """Which of them was in view last."""
    model: str = ""
    """The file of the model that was chosen last."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What was chosen in each dock, by its title, as JSON values."""
    history: tuple[str, ...] = ()
    """What was done when, a line for each."""

    def noted(self, text: str) -> "Project":
        """Give it with another line of history."""
        return self.model_copy(update={"history": (*self.history, f"{datetime.now():%Y-%m-%d %H:%M} {text}")})

    def with_scan(self, number: int, **changes: Any) -> "Project":
        """Give it with one scan changed."""
        scans = list(self.scans)
        scans[number] = scans[number].model_copy(update=changes)
        return self.model_copy(update={"scans": tuple(scans)})

    def with_new_scan(self, name: str, origin: Iterable[str], folder: Path) -> "Project":
        """Give it, in ``folder``, with another scan; unchanged when the scan is there already."""
        place = tuple(origin)
        if self.number_of(place) is not None:
            return self
        scan = ProjectScan(name=name, origin=place).seen_from(folder)
        return self.model_copy(update={"scans": (*self.scans, scan)})

    def without_scan(self, number: int) -> "Project":
        """Give it without one of its scans."""
        scans = (*self.scans[:number], *self.scans[number + 1 :])
        return self.model_copy(update={"scans": scans, "shown": min(self.shown, max(0, len(scans) - 1))})

    def moved(self, number: int, path: Path, folder: Path) -> "Project":
        """Give it, in ``folder``, with a scan where that lies now."""
        scan, place = self.scans[number], (str(path),)
        before = tuple(origin for origin in (*scan.known_as, scan.origin) if origin != place)
        scan = scan.model_copy(update={"origin": place, "known_as": before}).seen_from(folder)
        return self.with_scan(number, **dict(scan))

    def number_of(self, origin: Iterable[str]) -> int | None:
        """Tell which scan lies or lay there."""
        place = tuple(origin)
        return next((number for number, scan in enumerate(self.scans) if scan.is_at(place)), None)


def is_project(folder: Path) -> bool:
    """Whether a folder is a project."""
    return (folder / DESCRIPTION).is_file()


def name_of(folder: Path) -> str:
    """Give what a project is called: its folder's name, without what the names of all projects end with."""
    return folder.name.removesuffix(SUFFIX)


def read_project(folder: Path) -> Project:
    """Read what a project is.

    Raises
    ------
    BadInput
        It is none, it is damaged, or another version of this program made it.
    """
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError("it holds no description")
        made_by, found = content.get("program", "another program"), content.get("format")
        if found != FORMAT:
            raise BadInput(
                f"{folder} is a project of {made_by} (format {found}; this version reads format {FORMAT}): "
                "open it with the version that made it, or update napari-unet-paint."
            )
        return Project.model_validate_json(json.dumps(content))
    except FileNotFoundError as error:
        raise BadInput(f"{folder} is no project: choose a folder with {DESCRIPTION} in it.") from error
    except (OSError, ValueError, TypeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise BadInput(f"the project {folder} is damaged ({DESCRIPTION}: {reason}): get it from a backup.") from error


def write_project(folder: Path, project: Project) -> None:
    """Write what a project is, whole or not at all.

    Raises
    ------
    OSError
        The disk is full.
    """
    with written_whole(folder / DESCRIPTION) as temporary:
        temporary.write_text(project.model_dump_json(indent=1), encoding="utf-8")


# --- its scans


def size_on_disk(path: Path) -> int:
    """Give the bytes of a file, or of all files in a folder; 0 when it is not there."""
    try:
        return sum(map(size_on_disk, path.iterdir())) if path.is_dir() else path.stat().st_size
    except OSError:
        return 0


def likely_places(scan: ProjectScan, folder: Path) -> list[Path]:
    """Give where the file of a scan should be, as far as something is there; nothing for a sample."""
    if len(scan.origin) != 1:
        return []
    places = [folder / scan.relative] if scan.relative else []
    places += [Path(scan.origin[0])]
    return list(dict.fromkeys(Path(os.path.normpath(place)) for place in places if place.exists()))


def find_scan(scan: ProjectScan, around: Iterable[Path], checksum_of: Callable[[Path], str]) -> Path | None:
    """Look for the file or folder of a scan by its checksum.

    Parameters
    ----------
    scan
        The scan.
    around
        The folders to look in, and in what they hold.
    checksum_of
        Reads a scan and hashes its voxels; "" when it cannot be read. Only what has the size of the scan, or its name
        where it is a folder, is read.
    """
    name = Path(scan.origin[0]).name
    found = [path for folder in around for path in _files(folder, NEAR) if _may_be(scan, path)]
    one_each = {(path.parent if is_dicom(path) else path): path for path in reversed(found)}  # of a series one file
    for path in sorted(one_each.values(), key=lambda path: path.name != name):
        if checksum_of(path) == scan.checksum:
            return path
    return None


def _may_be(scan: ProjectScan, path: Path) -> bool:
    return size_on_disk(path) == scan.nbytes if path.is_dir() else path.stat().st_size == scan.nbytes


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Go through the files and folders in a folder, hidden ones aside."""
    left = MANY
    waiting = [(folder, depth)]
    while waiting and left > 0:
        here, deeper = waiting.pop(0)
        with suppress(OSError), os.scandir(here) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                left -= 1
                if entry.name.startswith(".") or not (entry.is_dir() or entry.is_file()):
                    continue
                yield Path(entry.path)
                if entry.is_dir() and deeper and not is_project(Path(entry.path)):
                    waiting.append((Path(entry.path), deeper - 1))


# --- how far they are


def lies_on(scan: ProjectScan, about: Mapping[str, Any]) -> bool:
    """Whether a kept layer, by what its journal says of it, lies on a scan."""
    return any(map(scan.is_at, about.get("scans", ())))


def state_of(scan: ProjectScan, abouts: Iterable[Mapping[str, Any]]) -> ScanState:
    """Say how far the work on a scan is, from what the journal says of all layers."""
    if scan.done:
        return ScanState.DONE
    state = ScanState.NEW
    for about in abouts:
        review = about.get("review")
        if review is None or not lies_on(scan, about):
            continue
        if len(review["reviewed"]) >= int(np.prod(about["shape"][:-2])):
            return ScanState.DONE
        looked_at = review["reviewed"] or review.get("corrected")
        state = ScanState.IN_REVIEW if looked_at or state is ScanState.IN_REVIEW else ScanState.PREDICTED
    return state


def teaches(about: Mapping[str, Any]) -> bool:
    """Whether a kept layer is paint, or a mask that a person corrected or found right; a refined one is neither."""
    review = about.get("review")
    if review is not None:
        return bool(review["reviewed"] or review.get("corrected"))
    return not any("steps" in settings for settings in about.get("applied", ()))


# --- which projects there were


def recent_projects(file: Path) -> list[Path]:
    """List the projects that were open last and are still there, the latest first; from a file that says so."""
    try:
        return [path for path in map(Path, json.loads(file.read_text(encoding="utf-8"))) if is_project(path)]
    except (OSError, ValueError, TypeError):
        return []


def note_recent(file: Path, folder: Path) -> None:
    """Note in that file that a project is open; nothing comes of it when the file cannot be written."""
    others = [path for path in recent_projects(file) if path != folder]
    with suppress(OSError, BadInput):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with written_whole(file) as temporary:
            temporary.write_text(json.dumps([str(path) for path in (folder, *others)][:RECENT]), encoding="utf-8")
