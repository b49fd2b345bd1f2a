"""Predicting scans with a trained model."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.config import PredictConfig
from napari_unet.errors import OutOfMemory
from napari_unet.events import result_of
from napari_unet.model_file import Model, load_model
from napari_unet.scan import Scan

if TYPE_CHECKING:
    from napari_unet.inference.prediction import Prediction

__all__ = ["predict"]


def predict(
    model: Model | str | os.PathLike[str],
    scan: Scan | NDArray[Any],
    config: PredictConfig = PredictConfig(),
    *,
    slices: Sequence[int] | None = None,
    with_probabilities: bool = False,
) -> "Prediction":
    """Predict a scan.

    Parameters
    ----------
    model
        A trained model, or the path of its file.
    scan
        A scan, or an array with the axes YX, ZYX or TZYX.
    config
        Where and how to compute.
    slices
        Which slices (index along Z, counted through all volumes of a series) to predict; all when None.
    with_probabilities
        Whether to keep the softmax of each class: 2 bytes for each class and voxel.

    Returns
    -------
    Prediction
        ``labels`` has the shape of the array the scan was made from, without its channel axis;
        ``probabilities`` that shape behind an axis of classes.

    Raises
    ------
    UnetError
        As :func:`napari_unet.inference.prediction.predict_job`, and :class:`BadModelFile` for a file that cannot
        be read.
    """
    from napari_unet.inference.prediction import predict_job  # imports torch

    loaded = model if isinstance(model, Model) else load_model(model)
    known = scan if isinstance(scan, Scan) else Scan.from_array(scan)
    probabilities = _probabilities(len(loaded.description.classes), known) if with_probabilities else None
    job = predict_job(loaded, known, config, probabilities=probabilities, slices=slices)
    return _unfolded(result_of(job), known)


def _probabilities(classes: int, scan: Scan) -> NDArray[np.float16]:
    try:
        return np.zeros((classes, *scan.grid), np.float16)
    except MemoryError as error:
        gigabytes = 2e-9 * classes * np.prod(scan.grid, dtype=float)
        raise OutOfMemory(
            f'The probabilities of {classes} classes on "{scan.name}" take {gigabytes:.1f} GB, more than there is: '
            "predict without them, or only some slices at a time."
        ) from error


def _unfolded(prediction: "Prediction", scan: Scan) -> "Prediction":
    """Give a prediction in the user's shape."""
    probabilities = prediction.probabilities
    if probabilities is not None:
        probabilities = np.stack([scan.unfold(one) for one in probabilities])
    return replace(prediction, labels=scan.unfold(prediction.labels), probabilities=probabilities)
