"""Predicting a scan: slice by slice from where the user looks, into buffers that can be shown meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_unet.annotation import ClassInfo
from napari_unet.config import PredictConfig
from napari_unet.errors import BadInput
from napari_unet.events import Job
from napari_unet.inference.maps import Maps
from napari_unet.inference.matching import check_ensemble, match
from napari_unet.inference.planning import Ask, Part, prepared
from napari_unet.inference.voting import three_planes_job
from napari_unet.model_file import Model
from napari_unet.networks.memory import memory_kept
from napari_unet.normalisation import measure
from napari_unet.review.looking import Look
from napari_unet.scan import Scan


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model makes of a scan.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, the label number of each voxel; slices that were not predicted, and what lies outside the
        part asked for, hold what the buffer held before, 0 in a new one.
    probabilities
        (classes, Z, Y, X) float16, the softmax of each class, or None when not asked for.
    classes
        In the order of ``probabilities``; label 0 is background.
    slices
        Which slices (index along Z) were predicted, ascending.
    notes
        What the user should know about it, one sentence each.
    uncertainty
        (Z, Y, X) float16, from 0 (certain) to 1 (each class as likely as any other), or None when not asked for.
    looks
        What was found out in passing about the slices, which tells where to look next
        (:func:`napari_unet.review.looking.where_next`); nothing about slices of air, nor when three planes voted.
    """

    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float16] | None
    classes: tuple[ClassInfo, ...]
    slices: tuple[int, ...]
    notes: tuple[str, ...]
    uncertainty: NDArray[np.float16] | None = None
    looks: Mapping[int, Look] = field(default_factory=dict)


def predict_job(
    models: Model | Sequence[Model],
    scan: Scan,
    config: PredictConfig = PredictConfig(),
    *,
    out: NDArray[np.uint8] | None = None,
    probabilities: NDArray[np.float16] | None = None,
    uncertainty: NDArray[np.float16] | None = None,
    slices: Sequence[int] | None = None,
    part: Part | None = None,
    look_at: int | None = None,
) -> Job[Prediction]:
    """Predict a scan as a job.

    Yields ``Started``, a ``Note`` for whatever the user should know, ``SlicesDone`` whenever slices of the
    buffers hold their result, and ``Progress`` after every pass of the network. ``LookAt`` changes which slices
    come next, ``Stop`` ends it with the slices done so far.

    Parameters
    ----------
    models
        A trained model, or several of the same channels and classes, whose opinions are averaged.
    scan
        What to predict, with the channels the models were trained on. It is normalised by its own intensities, and
        seen with voxels of the size that the first model learned from.
    config
        Where and how to compute.
    out
        (Z, Y, X) uint8 to write labels into, such as a memory map; made when None. A slice is written whole
        or not at all.
    probabilities
        (classes, Z, Y, X) float16 to write the softmax of each class into; not kept when None.
    uncertainty
        (Z, Y, X) float16 to write the predictive entropy into, as a share of the largest there can be; not kept when
        None.
    slices
        Which slices (index along Z) to predict; all when None.
    part
        Which rows and columns to predict, within 0 and the sides of a slice; all when None.
    look_at
        The slice to begin with; then its neighbours outwards. From the first slice on when None.

    Raises
    ------
    ModelMismatch
        The scan does not have the channels the model expects, or models do not belong together.
    BadInput
        The scan is constant or holds no numbers, a slice or part asked for is not there, a buffer has another shape
        or dtype, or the device asked for is not there.
    BadModelFile
        The weights do not belong to the network that the model describes.
    OutOfMemory
        Not even the smallest tile fits into memory.
    """
    models = [models] if isinstance(models, Model) else models
    description = check_ensemble([model.description for model in models])
    matched = match(scan, description, resample=config.resample)
    ask = Ask(_wanted(scan, slices), _checked_part(scan, part), look_at or 0)
    buffers = Maps(np.zeros(scan.grid, np.uint8) if out is None else out, probabilities, uncertainty)
    _check_buffers(buffers, scan, len(description.classes))
    looks: Mapping[int, Look] = {}
    with memory_kept():
        if config.three_planes:
            done, notes = yield from three_planes_job(models, scan, config, matched, buffers, ask)
        else:
            work = prepared(models, scan, config, matched, measure(scan), buffers, ask)
            try:
                yield from work.run()
            finally:
                work.engines.close()
            done, notes, looks = work.done, work.notes, work.glimpses.looks(work.done)
    return Prediction(
        labels=buffers.labels,
        probabilities=probabilities,
        uncertainty=uncertainty,
        classes=description.classes,
        slices=tuple(sorted(done)),
        notes=tuple(notes),
        looks=looks,
    )


def _wanted(scan: Scan, slices: Sequence[int] | None) -> Sequence[int]:
    """Check that the slices asked for are there."""
    depth = scan.grid[0]
    wanted = range(depth) if slices is None else slices
    wrong = [z for z in wanted if not 0 <= z < depth]
    if wrong:
        raise BadInput(f'There is no slice {wrong[0]} in "{scan.name}": its slices are 0 to {depth - 1}.')
    return wanted


def _checked_part(scan: Scan, part: Part | None) -> Part:
    """Check that the rows and columns asked for are there."""
    _, height, width = scan.grid
    if part is None:
        return slice(0, height), slice(0, width)
    for along, size in zip(part, (height, width), strict=True):
        if not 0 <= along.start < along.stop <= size:
            raise BadInput(
                f'The part asked for does not lie within "{scan.name}": its slices are {height} × {width} voxels.'
            )
    return part


def _check_buffers(buffers: Maps, scan: Scan, classes: int) -> None:
    _check_buffer("out", buffers.labels, scan.grid, np.uint8)
    if buffers.probabilities is not None:
        _check_buffer("probabilities", buffers.probabilities, (classes, *scan.grid), np.float16)
    if buffers.uncertainty is not None:
        _check_buffer("uncertainty", buffers.uncertainty, scan.grid, np.float16)


def _check_buffer(name: str, buffer: NDArray[Any], shape: tuple[int, ...], dtype: DTypeLike) -> None:
    if buffer.shape != shape or buffer.dtype != dtype:
        raise BadInput(f"{name} is {buffer.shape} {buffer.dtype}: this scan and model need {shape} {np.dtype(dtype)}.")
