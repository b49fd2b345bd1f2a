"""Predicting scans with a trained model."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_unet.config import PredictConfig
from napari_unet.errors import OutOfMemory
from napari_unet.events import result_of
from napari_unet.inference.matching import check_ensemble
from napari_unet.model_file import Model, load_model
from napari_unet.scan import Scan

if TYPE_CHECKING:
    from napari_unet.inference.prediction import Prediction

__all__ = ["predict"]

AnyModel: TypeAlias = Model | str | os.PathLike[str]
"""A model, or the path of its file."""


def predict(
    model: AnyModel | Sequence[AnyModel],
    scan: Scan | NDArray[Any],
    config: PredictConfig = PredictConfig(),
    *,
    slices: Sequence[int] | None = None,
    part: tuple[slice, slice] | None = None,
    with_probabilities: bool = False,
    with_uncertainty: bool = False,
) -> "Prediction":
    """Predict a scan.

    Parameters
    ----------
    model
        A trained model, or the path of its file; of several, the opinions are averaged.
    scan
        A scan, or an array with the axes YX, ZYX or TZYX.
    config
        Where and how to compute.
    slices
        Which slices (index along Z, counted through all volumes of a series) to predict; all when None.
    part
        Which rows and columns to predict; all when None.
    with_probabilities
        Whether to keep the softmax of each class: 2 bytes for each class and voxel.
    with_uncertainty
        Whether to keep the predictive entropy, 0 (certain) to 1: 2 bytes for each voxel.

    Returns
    -------
    Prediction
        ``labels`` has the shape of the array the scan was made from, without its channel axis;
        ``probabilities`` that shape behind an axis of classes, ``uncertainty`` that shape.

    Raises
    ------
    UnetError
        As :func:`napari_unet.inference.prediction.predict_job`, and :class:`BadModelFile` for a file that cannot
        be read.
    """
    from napari_unet.inference.prediction import predict_job  # imports torch

    given = [model] if isinstance(model, Model | str | os.PathLike) else model
    models = [one if isinstance(one, Model) else load_model(one) for one in given]
    known = scan if isinstance(scan, Scan) else Scan.from_array(scan)
    classes = check_ensemble([one.description for one in models]).classes
    probabilities = _room((len(classes), *known.grid), known, "probabilities") if with_probabilities else None
    uncertainty = _room(known.grid, known, "uncertainty") if with_uncertainty else None
    job = predict_job(
        models, known, config, probabilities=probabilities, uncertainty=uncertainty, slices=slices, part=part
    )
    return _unfolded(result_of(job), known)


def _room(shape: tuple[int, ...], scan: Scan, what: str) -> NDArray[np.float16]:
    try:
        return np.zeros(shape, np.float16)
    except MemoryError as error:
        gigabytes = 2e-9 * np.prod(shape, dtype=float)
        raise OutOfMemory(
            f'The {what} of "{scan.name}" take {gigabytes:.1f} GB, more than there is: predict without, or only some '
            "slices at a time."
        ) from error


def _unfolded(prediction: "Prediction", scan: Scan) -> "Prediction":
    """Give a prediction in the user's shape."""
    probabilities, uncertainty = prediction.probabilities, prediction.uncertainty
    return replace(
        prediction,
        labels=scan.unfold(prediction.labels),
        probabilities=None if probabilities is None else np.stack([scan.unfold(one) for one in probabilities]),
        uncertainty=None if uncertainty is None else scan.unfold(uncertainty),
    )
