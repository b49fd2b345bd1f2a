"""What a window holds, kept on the disk while people work, so that a crash loses next to nothing.

A journal is a folder. Of each array it has a file to which the slices are appended that changed, each with a checksum,
and a small JSON file that says what the array is. A program that is killed while it appends leaves a last record that
is cut short, which is left out when the journal is read, and cut off before more is appended; everything before it is
whole. Models are kept as the files that they are. One window at a time writes.
"""

import filecmp
import json
import os
import platform
import shutil
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_unet.durable import written_whole
from napari_unet.errors import BadInput

RECORD = struct.Struct("<4sIII")
"""Of a slice: the mark, which slice, how many bytes follow, their CRC-32."""
MARK = b"UNJ1"
FAST = 1
"""How hard zlib tries: labels are long runs, and shrink a hundredfold as it is."""
GROWN, AT_LEAST = 4, 1 << 20
"""A file this many times as large as what of it counts, and so large in bytes, is written anew."""
OWNER, ABOUT, PLANES = "owner.json", ".json", ".planes"
AWAY_S = 60.0
"""A window on another computer that did not touch its journal for so long is gone."""


@dataclass(frozen=True, eq=False)
class Stored:
    """An array as a journal has it.

    Parameters
    ----------
    about
        What was said of it, as JSON values by name.
    array
        Any shape; slices are counted along all axes but the last two.
    """

    about: Mapping[str, Any]
    array: NDArray[Any]


class Journal:
    """A journal that this window writes, and no other meanwhile.

    Parameters
    ----------
    folder
        Its folder, made when it is missing; what is in there is gone on with.

    Raises
    ------
    BadInput
        Another window writes there, or the folder cannot be made or written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if (owner := _owner(folder)) is not None:
            where = "" if owner == platform.node() else f' on "{owner}"'
            raise BadInput(f"{folder} is open in another window{where}: close it there first.")
        process = psutil.Process()
        self._claim = json.dumps({"process": process.pid, "since": process.create_time(), "host": platform.node()})
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with written_whole(folder / OWNER) as temporary:
                temporary.write_text(self._claim)
        except (OSError, BadInput) as error:
            where = "a folder where you may write and there is room (a project can be copied there)"
            raise BadInput(f"{folder} cannot be written to: use {where}.") from error
        self._sums: dict[str, dict[int, int]] = {}
        self._abouts: dict[str, str] = {}
        self._live: dict[str, dict[int, int]] = {}

    @classmethod
    def new(cls, root: Path) -> "Journal":
        """Make a folder for a journal in ``root``, for its user only, named by the time.

        Raises
        ------
        OSError
            It cannot be made.
        """
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = base = f"{datetime.now():%Y-%m-%d %H.%M.%S}"
        for number in range(2, 1000):
            with suppress(FileExistsError):
                (root / name).mkdir(mode=0o700)
                break
            name = f"{base} {number}"
        return cls(root / name)

    def keep(self, key: str, array: NDArray[Any], about: Mapping[str, Any]) -> int:
        """Keep an array as it is now, see :meth:`keep_slices`."""
        slices = (array[place] for place in np.ndindex(array.shape[:-2]))
        return self.keep_slices(key, slices, {**about, "shape": array.shape, "dtype": array.dtype.str})

    def keep_slices(self, key: str, slices: Iterable[NDArray[Any]], about: Mapping[str, Any]) -> int:
        """Keep an array slice by slice; only those that changed are written.

        Parameters
        ----------
        key
            A name for it that may be part of a file's.
        slices
            All slices, along all axes but the last two.
        about
            What to say of it, as JSON values by name; "shape" and "dtype" among them.

        Returns
        -------
        int
            How many slices were written.

        Raises
        ------
        OSError
            The disk is full.
        """
        if key not in self._sums:
            self._take_up(key)
        try:
            written, size = self._append(key, slices)
        except OSError:
            self._sums.pop(key)  # what came to lie on the disk is looked at the next time
            raise
        text = json.dumps(about)
        if self._abouts.get(key) != text:
            with written_whole(self.folder / f"{key}{ABOUT}") as temporary:
                temporary.write_text(text)
            self._abouts[key] = text
        if size > max(AT_LEAST, GROWN * sum(self._live[key].values())):
            self._compact(key)
        return written

    def _append(self, key: str, slices: Iterable[NDArray[Any]]) -> tuple[int, int]:
        """Append what changed; give how many slices that were, and the size of the file."""
        known, live, written = self._sums[key], self._live[key], 0
        with (self.folder / f"{key}{PLANES}").open("ab") as file:
            for z, plane in enumerate(slices):
                raw = np.array(plane, order="C")  # a copy: somebody may paint on before it is written
                checksum = zlib.crc32(raw.data)
                if checksum == (known[z] if z in known else zlib.crc32(bytes(raw.nbytes))):
                    continue
                packed = zlib.compress(raw.data, FAST)
                file.write(RECORD.pack(MARK, z, len(packed), zlib.crc32(packed)) + packed)
                known[z], live[z] = checksum, len(packed) + RECORD.size
                written += 1
            file.flush()
            os.fsync(file.fileno())
            return written, file.tell()

    def _take_up(self, key: str) -> None:
        """Learn what of an array is on the disk already, and cut off what a killed program wrote half."""
        sums, live, whole = {}, {}, 0
        path = self.folder / f"{key}{PLANES}"
        if path.exists():
            for z, _, packed in _records(path):
                sums[z], live[z] = zlib.crc32(zlib.decompress(packed)), len(packed) + RECORD.size
                whole += live[z]
            os.truncate(path, whole)
        self._sums[key], self._live[key] = sums, live

    def keep_file(self, path: Path, name: str) -> Path:
        """Keep a file, such as a model, under a name, numbered when another has it, and give where."""
        kept = self.folder / name
        for number in range(2, 1000):
            if not kept.exists() or filecmp.cmp(path, kept, shallow=False):
                break
            kept = self.folder / f"{Path(name).stem} {number}{Path(name).suffix}"
        if not kept.exists():
            with written_whole(kept) as temporary:
                shutil.copyfile(path, temporary)
        return kept

    def forget(self, key: str) -> None:
        """Forget an array."""
        for suffix in (ABOUT, PLANES):
            (self.folder / f"{key}{suffix}").unlink(missing_ok=True)
        for known in (self._sums, self._abouts, self._live):
            known.pop(key, None)

    def touch(self) -> None:
        """Let windows on other computers see that this one still writes.

        Raises
        ------
        BadInput
            The folder is gone or another one, or another window writes there by now.
        """
        if not self._is_claimed():
            there = "is open in another window by now" if _owner(self.folder) else "is gone, or is another folder now"
            raise BadInput(f"{self.folder} {there}")
        os.utime(self.folder / OWNER)

    def release(self) -> None:
        """Write no more: another window may."""
        if self._is_claimed():
            (self.folder / OWNER).unlink(missing_ok=True)

    def _is_claimed(self) -> bool:
        """Whether the folder still is this window's; a computer that slept may have lost it to another."""
        try:
            return (self.folder / OWNER).read_text() == self._claim
        except OSError:
            return False

    def remove(self) -> None:
        """Remove the journal: its window was closed by whoever worked in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _compact(self, key: str) -> None:
        path = self.folder / f"{key}{PLANES}"
        newest = {z: (checksum, packed) for z, checksum, packed in _records(path)}
        with written_whole(path) as temporary, temporary.open("wb") as file:
            for z, (checksum, packed) in newest.items():
                file.write(RECORD.pack(MARK, z, len(packed), checksum) + packed)


def was_abandoned(folder: Path) -> bool:
    """Whether the window that wrote a journal ended without being closed."""
    return (folder / OWNER).exists() and _owner(folder) is None


def abandon(folder: Path) -> None:
    """Say of a journal whose window ended without being closed that it is well."""
    if was_abandoned(folder):
        (folder / OWNER).unlink(missing_ok=True)


def left_behind(root: Path) -> list[Path]:
    """List the journals of windows that ended without being closed, the newest first; empty ones are removed."""
    found = []
    for folder in sorted(root.glob("*"), reverse=True):
        if not folder.is_dir() or _owner(folder) is not None:
            continue
        if any(folder.glob(f"*{ABOUT}")) and any(path.stat().st_size for path in folder.glob(f"*{PLANES}")):
            found.append(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return found


def read_abouts(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what a journal says of its arrays, by key, without them; a description that is damaged is left out."""
    abouts = {}
    for path in sorted(folder.glob(f"*{PLANES}")):
        with suppress(OSError, ValueError):
            about = json.loads(path.with_suffix(ABOUT).read_text())
            if isinstance(about, dict):
                abouts[path.stem] = about
    return abouts


def read_journal(folder: Path, keys: Iterable[str] | None = None) -> dict[str, Stored]:
    """Read arrays of a journal, whatever happened to the program that wrote it.

    Parameters
    ----------
    folder
        The journal.
    keys
        Which ones; all when None.

    Returns
    -------
    dict
        The arrays by key; one whose description is missing or damaged is left out.
    """
    wanted = None if keys is None else set(keys)
    stored = {}
    for key, about in read_abouts(folder).items():
        if wanted is None or key in wanted:
            with suppress(OSError, ValueError, KeyError, TypeError, zlib.error):
                array = np.zeros(about.pop("shape"), np.dtype(about.pop("dtype")))
                planes = array.reshape(-1, *array.shape[-2:])
                for z, _, packed in _records(folder / f"{key}{PLANES}"):
                    raw = zlib.decompress(packed)
                    if z < len(planes) and len(raw) == planes[z].nbytes:  # the array may have had another shape before
                        planes[z] = np.frombuffer(raw, array.dtype).reshape(planes.shape[1:])
                stored[key] = Stored(about, array)
    return stored


def _records(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Go through the whole records of a file: which slice, the checksum of its bytes, the bytes."""
    with path.open("rb") as file:
        while True:
            head = file.read(RECORD.size)
            if len(head) < RECORD.size:
                return
            mark, z, length, checksum = RECORD.unpack(head)
            packed = file.read(length) if mark == MARK else b""
            if len(packed) < length or mark != MARK or zlib.crc32(packed) != checksum:
                return
            yield z, checksum, packed


def _owner(folder: Path) -> str | None:
    """Name the computer with a window that writes a journal; None when there is none."""
    try:
        owner = json.loads((folder / OWNER).read_text())
        host = str(owner.get("host", platform.node()))
        if host != platform.node():
            return host if time.time() - (folder / OWNER).stat().st_mtime < AWAY_S else None
        return host if abs(psutil.Process(owner["process"]).create_time() - owner["since"]) < 1 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, psutil.Error):
        return None
