"""What a window holds, kept on the disk while people work, so that a crash loses next to nothing.

A journal is a folder. Of each array it has a file to which the slices are appended that changed, each with a checksum,
and a small JSON file that says what the array is. A program that is killed while it appends leaves a last record that
is cut short, which is left out when the journal is read; everything before it is whole. Models are kept as the files
that they are.
"""

import json
import os
import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_unet.durable import written_whole

RECORD = struct.Struct("<4sIII")
"""Of a slice: the mark, which slice, how many bytes follow, their CRC-32."""
MARK = b"UNJ1"
FAST = 1
"""How hard zlib tries: labels are long runs, and shrink a hundredfold as it is."""
GROWN, AT_LEAST = 4, 1 << 20
"""A file this many times as large as what of it counts, and so large in bytes, is written anew."""
OWNER, ABOUT, PLANES = "owner.json", ".json", ".planes"


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
    """The journal of one window, written by it alone.

    Parameters
    ----------
    root
        The folder that journals are in; this one makes a folder of its own in there, for its user only.

    Raises
    ------
    OSError
        The folder cannot be made.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = base = f"{datetime.now():%Y-%m-%d %H.%M.%S}"
        for number in range(2, 1000):
            with suppress(FileExistsError):
                (root / name).mkdir(mode=0o700)
                break
            name = f"{base} {number}"
        self.folder = root / name
        process = psutil.Process()
        owner = {"process": process.pid, "since": process.create_time()}
        (self.folder / OWNER).write_text(json.dumps(owner))
        self._sums: dict[str, dict[int, int]] = {}
        self._abouts: dict[str, str] = {}
        self._live: dict[str, dict[int, int]] = {}

    def keep(self, key: str, array: NDArray[Any], about: Mapping[str, Any]) -> int:
        """Keep an array as it is now; only slices that changed are written.

        Parameters
        ----------
        key
            A name for it that may be part of a file's.
        array
            Any shape, slices along all axes but the last two.
        about
            What to say of it, as JSON values by name.

        Returns
        -------
        int
            How many slices were written.

        Raises
        ------
        OSError
            The disk is full.
        """
        text = json.dumps({**about, "shape": array.shape, "dtype": array.dtype.str})
        planes = array.reshape(-1, *array.shape[-2:])
        known = self._sums.setdefault(key, {})
        live = self._live.setdefault(key, {})
        blank, written = zlib.crc32(bytes(planes[0].nbytes)) if len(planes) else 0, 0
        with (self.folder / f"{key}{PLANES}").open("ab") as file:
            for z, plane in enumerate(planes):
                raw = np.ascontiguousarray(plane)
                checksum = zlib.crc32(raw.data)
                if known.get(z, blank) == checksum:
                    continue
                packed = zlib.compress(raw.data, FAST)
                file.write(RECORD.pack(MARK, z, len(packed), zlib.crc32(packed)) + packed)
                known[z], live[z] = checksum, len(packed) + RECORD.size
                written += 1
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if self._abouts.get(key) != text:
            with written_whole(self.folder / f"{key}{ABOUT}") as temporary:
                temporary.write_text(text)
            self._abouts[key] = text
        if size > max(AT_LEAST, GROWN * sum(live.values())):
            self._compact(key)
        return written

    def keep_file(self, path: Path, name: str) -> Path:
        """Keep a file, such as a model, under a name, and give where."""
        kept = self.folder / name
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

    def remove(self) -> None:
        """Remove the journal: its window was closed by whoever worked in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _compact(self, key: str) -> None:
        path = self.folder / f"{key}{PLANES}"
        newest = {z: (checksum, packed) for z, checksum, packed in _records(path)}
        with written_whole(path) as temporary, temporary.open("wb") as file:
            for z, (checksum, packed) in newest.items():
                file.write(RECORD.pack(MARK, z, len(packed), checksum) + packed)


def left_behind(root: Path) -> list[Path]:
    """List the journals of windows that ended without being closed, the newest first; empty ones are removed."""
    found = []
    for folder in sorted(root.glob("*"), reverse=True):
        if not folder.is_dir() or _owner_lives(folder):
            continue
        if any(folder.glob(f"*{ABOUT}")) and any(path.stat().st_size for path in folder.glob(f"*{PLANES}")):
            found.append(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return found


def read_journal(folder: Path) -> dict[str, Stored]:
    """Read all arrays of a journal, whatever happened to the program that wrote it.

    Parameters
    ----------
    folder
        The journal.

    Returns
    -------
    dict
        The arrays by key; one whose description is missing or damaged is left out.
    """
    stored = {}
    for path in sorted(folder.glob(f"*{PLANES}")):
        with suppress(OSError, ValueError, KeyError, TypeError, zlib.error):
            about = json.loads(path.with_suffix(ABOUT).read_text())
            array = np.zeros(about.pop("shape"), np.dtype(about.pop("dtype")))
            planes = array.reshape(-1, *array.shape[-2:])
            for z, _, packed in _records(path):
                planes[z] = np.frombuffer(zlib.decompress(packed), array.dtype).reshape(planes.shape[1:])
            stored[path.stem] = Stored(about, array)
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


def _owner_lives(folder: Path) -> bool:
    try:
        owner = json.loads((folder / OWNER).read_text())
        return bool(abs(psutil.Process(owner["process"]).create_time() - owner["since"]) < 1)
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return False
