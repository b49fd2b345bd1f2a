"""Where a mask comes from, as a JSON file beside it.

It names no file, no scan and no person: models, scans and paint are checksums, by which whoever has them knows them
again. The checksum of the mask itself tells whether the mask beside it is still the one it speaks of.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from napari_unet import __version__, io
from napari_unet.config import RefineConfig
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput
from napari_unet.io import Mask
from napari_unet.io.formats import suffix_of
from napari_unet.keeping.checksums import file_checksum
from napari_unet.model_file import Model, read_description

FORMAT = 1
"""Raised when the same words mean something else."""
SUFFIX = ".provenance.json"
AnyModel: TypeAlias = Model | str | os.PathLike[str]
"""A model, or the path of its file."""
LIBRARIES = ("torch", "numpy", "scipy", "SimpleITK", "nibabel")
"""Programs whose versions are told."""


def provenance_path(mask: Path) -> Path:
    """Name the file beside a mask that says where it comes from."""
    suffix = suffix_of(mask) or mask.suffix
    return mask.with_name(mask.name[: len(mask.name) - len(suffix)] + SUFFIX)


def write_mask(
    path: str | os.PathLike[str], mask: Mask, *, models: Sequence[AnyModel] = (), steps: Sequence[RefineConfig] = ()
) -> Path:
    """Write a mask whole or not at all, see :func:`napari_unet.io.write_mask`, and beside it where it comes from.

    Parameters
    ----------
    path, mask
        As there.
    models
        The models that predicted it, or their files.
    steps
        How it was refined after that, in this order.

    Returns
    -------
    pathlib.Path
        The file of the mask.

    Raises
    ------
    BadInput
        It cannot be written.
    BadModelFile
        What is said to be a model is none.
    """
    known = [about_model(model if isinstance(model, Model) else Path(model)) for model in models]
    target = io.write_mask(path, mask)
    who = "model" if models and not steps else "not known"  # nobody told which voxels the steps changed
    done = [step.model_dump(mode="json") for step in steps]
    write_provenance(target, {who: int(np.count_nonzero(mask.labels))}, known, done)
    return target


def export(
    path: str | os.PathLike[str], mask: Mask, *, models: Sequence[AnyModel] = (), steps: Sequence[RefineConfig] = ()
) -> list[Path]:
    """Write a mask as :func:`write_mask`, or what is made of it, see :func:`napari_unet.io.export`, by the suffix."""
    if str(path).lower().endswith(io.WRITE_SUFFIXES):
        return [write_mask(path, mask, models=models, steps=steps)]
    return io.export(path, mask)


def about_model(model: Model | Path) -> dict[str, Any]:
    """Say of a model, as JSON values, what it is and what it learned from; not its name, which may be that of a scan.

    One that is not saved yet is known by the checksum that its file will have.

    Raises
    ------
    BadModelFile
        It is no model.
    OSError
        It cannot be read.
    """
    if isinstance(model, Model):
        description, checksum = model.description, hashlib.sha256(model.to_bytes()).hexdigest()
    else:
        description, checksum = read_description(model), file_checksum(model)
    return {
        "sha256": checksum,
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
