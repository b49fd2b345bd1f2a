"""What the commands check about files before they work for minutes."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_unet.cli.output import notice
from napari_unet.errors import BadInput
from napari_unet.io import Mask, in_zarr, write_mask
from napari_unet.io.formats import patient_notice, suffix_of


def check_output(path: Path, suffixes: Sequence[str], inputs: Iterable[Path] = ()) -> None:
    """Check that a result can be written, before the work that makes it.

    Parameters
    ----------
    path
        The file to be.
    suffixes
        How its name may end.
    inputs
        Files it must not replace.

    Raises
    ------
    BadInput
        The name ends otherwise, the folder is missing or may not be written to, or it is one of the inputs.
    """
    if not path.name.lower().endswith(tuple(suffixes)):
        raise BadInput(f"cannot write {path}: let its name end with {' or '.join(suffixes)}.")
    if path.is_dir() and not in_zarr(path):
        raise BadInput(f"cannot write {path}: it is a folder. Name a file in it.")
    for given in inputs:
        if path.exists() and given.exists() and path.samefile(given):
            raise BadInput(f"{path} is an input and is not overwritten: choose another name for the result.")
    check_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder for results, unless it is there, and check that files can be made in it.

    Raises
    ------
    BadInput
        It cannot be made or may not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot make the folder {folder}: {error.strerror}. Choose another one.") from error
    check_folder(folder)


def check_folder(folder: Path) -> None:
    """Check that files can be made in a folder.

    Raises
    ------
    BadInput
        It is missing or may not be written to.
    """
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise BadInput(f"cannot write to {folder}: {error.strerror}. Choose a folder you may write to.") from error


def save_mask(path: Path, mask: Mask) -> None:
    """Write a mask, and say when its format makes it name the patient.

    Raises
    ------
    BadInput
        It cannot be written.
    """
    write_mask(path, mask)
    if said := patient_notice(path):
        notice(said)


def stem_of(path: Path) -> str:
    """Give the name of a scan without its suffix."""
    suffix = suffix_of(path)
    return path.name[: -len(suffix)] if suffix else path.name
