"""Where a mask comes from, as a JSON file beside it.

It names no file, no scan and no person: models, scans and paint are checksums, by which whoever has them knows them
again. The checksum of the mask itself tells whether the mask beside it is still the one it speaks of.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from napari_unet import __version__
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput
from napari_unet.io.formats import suffix_of
from napari_unet.keeping.checksums import file_checksum
from napari_unet.model_file import read_description

FORMAT = 1
"""Raised when the same words mean something else."""
SUFFIX = ".provenance.json"
LIBRARIES = ("torch", "numpy", "scipy", "SimpleITK", "nibabel")
"""Programs whose versions are told."""


def provenance_path(mask: Path) -> Path:
    """Name the file beside a mask that says where it comes from."""
    suffix = suffix_of(mask) or mask.suffix
    return mask.with_name(mask.name[: len(mask.name) - len(suffix)] + SUFFIX)


def about_model(file: Path) -> dict[str, Any]:
    """Say of a model, as JSON values, what it is and what it learned from; not its name, which may be that of a scan.

    Raises
    ------
    BadModelFile
        It is no model.
    OSError
        It cannot be read.
    """
    description = read_description(file)
    return {
        "sha256": file_checksum(file),
        "program": description.program,
        "learned_from": description.learned_from.model_dump(mode="json"),
    }


def write_provenance(
    mask: Path,
    voxels: Mapping[str, int],
    models: Iterable[Mapping[str, Any]] = (),
    refinement: Sequence[Mapping[str, Any]] = (),
    reviewed: int | None = None,
    made_from: Mapping[str, Any] | None = None,
) -> Path:
    """Write where a mask comes from, beside it, once the mask itself is written.

    Parameters
    ----------
    mask
        The file, or folder, of the mask.
    voxels
        How many voxels of it were made so by whom: "person", "model", "refinement", "not known", or "as before" for
        those that are as they were in the mask it was made from.
    models
        What is known of the models, as :func:`about_model` gives it.
    refinement
        What was done to the mask after that, in this order, as JSON values.
    reviewed
        How many slices a person found right; None when nobody was asked.
    made_from
        What is known of the mask it was made from, see :func:`known_of`.

    Returns
    -------
    pathlib.Path
        The file. An older one, which spoke of an older mask, is gone when it cannot be written.

    Raises
    ------
    BadInput
        It cannot be written.
    """
    path, whole = provenance_path(mask), sum(voxels.values())
    content = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "mask": {"sha256": file_checksum(mask)},
        "models": list(models),
        "refinement": list(refinement),
        "share_of_voxels": {who: round(count / whole, 6) if whole else 0.0 for who, count in voxels.items()},
        "voxels": dict(voxels),
        "slices_found_right": reviewed,
        "made_from": made_from,
        "programs": _programs(),
    }
    try:
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    except OSError as error:
        path.unlink(missing_ok=True)
        raise BadInput(f"{mask} is written, but not {path.name} beside it ({error.strerror}): make room.") from error
    return path


def read_provenance(mask: Path) -> dict[str, Any] | None:
    """Read where a mask comes from; None when nothing says so, or what does speaks of another mask."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        content: dict[str, Any] = json.loads(provenance_path(mask).read_text(encoding="utf-8"))
        if content["mask"]["sha256"] == file_checksum(mask):
            return content
    return None


def write_provenance_of_change(
    mask: Path, made_from: Path, voxels: int, changed: int, steps: Sequence[Mapping[str, Any]]
) -> Path:
    """Write where a mask comes from that a program made of another.

    Parameters
    ----------
    mask, made_from
        The files of both.
    voxels
        How many voxels are as they were, without background.
    changed
        How many are not.
    steps
        What was done, as JSON values.

    Raises
    ------
    BadInput
        It cannot be written.
    """
    known = known_of(made_from)
    makers = [who for who, count in known.get("voxels", {"not known": 1}).items() if count]
    shares = {makers[0] if len(makers) == 1 else "as before": voxels}
    shares["refinement"] = shares.get("refinement", 0) + changed
    done = (*known.get("refinement", ()), *steps)
    return write_provenance(mask, shares, known.get("models", ()), done, known.get("slices_found_right"), known)


def known_of(mask: Path) -> dict[str, Any]:
    """Give what is known of a mask that another is made from: where it comes from, or at least its checksum."""
    return read_provenance(mask) or {"mask": {"sha256": file_checksum(mask)}}


def _programs() -> dict[str, str]:
    programs = {"napari-unet-paint": __version__}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            programs[library] = version(library)
    return programs
