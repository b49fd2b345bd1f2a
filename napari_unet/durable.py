"""Files that are written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_unet.errors import BadInput


@contextmanager
def written_whole(path: str | os.PathLike[str], check: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; put it in place only when all went well.

    Parameters
    ----------
    path
        The file to make or replace. Its suffix is kept on the temporary file, since libraries look at it.
    check
        Reads the finished temporary file back and raises when it is not what was meant. It runs before the
        old file is touched.

    Yields
    ------
    pathlib.Path
        The temporary file: same folder, same suffixes, not yet existing.

    Notes
    -----
    Written, flushed to the disk, checked, renamed over the old file, and the folder flushed, in this order.
    On any exception the temporary file is removed and the old file stays as it was.

    Raises
    ------
    BadInput
        The folder does not exist or may not be written to, or the path is a folder itself.
    """
    target = Path(path)
    if target.is_dir():
        raise BadInput(f"cannot write {target}: it is a folder. Give the file a name.")
    folder = _folder_beside(target)
    temporary = folder / target.name
    try:
        yield temporary
        _flush(temporary)
        if check is not None:
            check(temporary)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        os.replace(temporary, target)
        with suppress(OSError):  # some network drives flush no folders; the file is in place
            _flush(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def folder_written_whole(path: str | os.PathLike[str], check: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """Do the same for a folder of files, such as a Zarr group.

    Parameters
    ----------
    path
        The folder to make or replace.
    check
        As for :func:`written_whole`.

    Yields
    ------
    pathlib.Path
        The temporary folder, not yet existing.

    Notes
    -----
    Two folders cannot be exchanged at once on every system: the older one is moved aside first, and moved back when the
    new one cannot take its place. Only a computer that stops between the two leaves it aside, beside the new one, under
    a name that ends with ".older".

    Raises
    ------
    BadInput
        The folder around it does not exist or may not be written to.
    """
    target = Path(path)
    folder = _folder_beside(target)
    temporary, aside = folder / target.name, target.with_name(f"{target.name[:200]}.older")
    try:
        yield temporary
        for file in (*temporary.rglob("*"), temporary):
            _flush(file)
        if check is not None:
            check(temporary)
        if target.exists():
            os.rename(target, aside)
        try:
            os.rename(temporary, target)
        except OSError:
            if aside.exists():
                os.rename(aside, target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):
            _flush(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder_beside(target: Path) -> Path:
    """Make a temporary folder beside a file or folder to be."""
    try:
        # A long name need not fit a second time.
        return Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error.strerror}. Choose a folder you may write to.") from error


def _flush(path: Path) -> None:
    """Force a file, or on POSIX a folder's entries, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder; the rename itself is journalled there
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
