"""The dense CRF from arrays to arrays: its parameters, its checks, its result."""

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.events import result_of
from napari_unet.refinement.crf.grid import build_grid
from napari_unet.refinement.crf.intensities import Intensities
from napari_unet.refinement.crf.layout import FREE, lanes_of
from napari_unet.refinement.crf.mean_field import Problem, mean_field
from napari_unet.refinement.progress import scaled

Widths: TypeAlias = float | tuple[float, float, float]
"""One for all axes, or (z, y, x)."""


@dataclass(frozen=True)
class CrfParameters:
    """What a dense CRF assumes; the defaults are the authors', in mm instead of pixels.

    Parameters
    ----------
    appearance_weight, appearance_width, intensity_width
        w1, ta and tb of the kernel that joins voxels near in space and alike in intensity: its weight, its
        standard deviations in mm, and in intensity: one for all channels, or one for each.
    smoothness_weight, smoothness_width
        w2 and tg of the kernel that joins voxels near in space, in mm.
    compatibility
        mu, (C, C): what it costs that two such voxels are of these two classes; None is 1 for any two classes
        that differ (Potts).
    steps
        How many mean-field steps.
    """

    appearance_weight: float = 10.0
    appearance_width: Widths = 80.0
    intensity_width: float | tuple[float, ...] = 13.0
    smoothness_weight: float = 3.0
    smoothness_width: Widths = 3.0
    compatibility: tuple[tuple[float, ...], ...] | None = None
    steps: int = 5


@dataclass(frozen=True)
class CrfResult:
    """What came out.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8: the most probable class, 0..C-1.
    probabilities
        (C, Z, Y, X): Q, float32, or what ``out`` was; None if not asked for.
    """

    labels: NDArray[np.uint8]
    probabilities: NDArray[Any] | None


def probabilities_of(labels: NDArray[np.integer], classes: int, confidence: float = 0.8) -> NDArray[np.float16]:
    """Make probabilities of a mask, where there is no network to give any.

    Parameters
    ----------
    labels
        (Z, Y, X), values 0..classes-1.
    classes
        How many classes there are, background counted.
    confidence
        The probability of a voxel's own label; the other classes share the rest.

    Returns
    -------
    NDArray
        (classes, Z, Y, X) float16.

    Raises
    ------
    BadInput
        A label is not among the classes, or the confidence is not above chance and at most 1.
    """
    if not 1 / classes < confidence <= 1:
        raise BadInput(
            f"a mask of {classes} classes can be trusted by more than {1 / classes:g} and up to 1, not by {confidence}."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise BadInput(f"the mask has labels {labels.min()}..{labels.max()}, but the classes are 0..{classes - 1}.")
    rest = (1 - confidence) / max(1, classes - 1)
    probabilities = np.full((classes, *labels.shape), rest, np.float16)
    for label, layer in enumerate(probabilities):
        layer[labels == label] = confidence
    return probabilities


def warm_up() -> None:
    """Compile what a CRF needs, so that the first one does not wait for it.

    It takes ten seconds or so the first time on a machine, a fraction of one later on. It holds no lock: call it
    from any thread.
    """
    dense_crf(np.full((2, 1, 4, 4), 0.5), np.arange(16.0).reshape(1, 1, 4, 4))


def dense_crf(
    probabilities: NDArray[Any],
    intensities: NDArray[Any],
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    parameters: CrfParameters | None = None,
    *,
    fixed: NDArray[np.uint8] | None = None,
    by_slice: bool = False,
    threads: int = 0,
    device: str = "cpu",
    out: NDArray[Any] | None = None,
    labels_only: bool = False,
) -> CrfResult:
    """Refine probabilities by a dense CRF and wait for it; :func:`dense_crf_job` says what the arguments are.

    Examples
    --------
    >>> import numpy as np
    >>> scan = np.zeros((1, 1, 16, 16))
    >>> scan[..., 8:] = 100
    >>> said = np.full((1, 16, 16), 0)
    >>> said[..., 8:] = 1
    >>> said[0, 4, 4] = 1  # a speck
    >>> int(dense_crf(probabilities_of(said, 2), scan).labels[0, 4, 4])
    0
    """
    job = dense_crf_job(
        probabilities,
        intensities,
        spacing,
        parameters,
        fixed=fixed,
        by_slice=by_slice,
        threads=threads,
        device=device,
        out=out,
        labels_only=labels_only,
    )
    return result_of(job)


def dense_crf_job(
    probabilities: NDArray[Any],
    intensities: NDArray[Any],
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    parameters: CrfParameters | None = None,
    *,
    fixed: NDArray[np.uint8] | None = None,
    by_slice: bool = False,
    threads: int = 0,
    device: str = "cpu",
    out: NDArray[Any] | None = None,
    labels_only: bool = False,
) -> Generator[float, None, CrfResult]:
    """Refine probabilities by a dense CRF.

    Parameters
    ----------
    probabilities
        (C, Z, Y, X), floating point, 0..1; or uint8 in 255ths. They are clipped to 1e-5..1.
    intensities
        (channels, Z, Y, X), any real type. NaN counts as the darkest there is.
    spacing
        (z, y, x) in mm.
    parameters
        The kernels; None is the defaults.
    fixed
        (Z, Y, X) uint8: the class of each voxel that is certain and comes out unchanged, 255 (``FREE``)
        elsewhere.
    by_slice
        Whether slices know nothing of one another; else it is one volume.
    threads
        How many to use; 0 uses all cores.
    device
        "cpu", or as PyTorch calls a GPU: "cuda", "cuda:1", "mps".
    out
        Where to put Q, floating point of the shape of ``probabilities``; it may be those themselves. None makes
        a float32 array.
    labels_only
        Whether Q is not wanted.

    Yields
    ------
    float
        How much is done, 0..1. Closing the generator at a yield ends it.

    Returns
    -------
    CrfResult
        The same to rounding whatever the threads and however little memory the volume had to be cut for.

    Raises
    ------
    BadInput
        Arrays that do not fit together, probabilities that are none, parameters out of range, or kernels so
        narrow that they cannot be computed.
    OutOfMemory
        The volume is too large for the GPU.
    """
    parameters = parameters or CrfParameters()
    _check(probabilities, intensities, spacing, parameters, fixed)
    if labels_only:
        out = None
    elif out is None:
        out = np.empty(probabilities.shape, np.float32)
    elif out.shape != probabilities.shape or out.dtype.kind != "f":
        raise BadInput(f"out is {out.dtype} {out.shape}: it must be floating point {probabilities.shape}.")
    threads = threads or os.cpu_count() or 1
    classes, depth, *_ = probabilities.shape
    labels = np.zeros(probabilities.shape[1:], np.uint8)
    if classes == 1:
        if out is not None:
            out[:] = 1
        return CrfResult(labels, out)
    parts = [slice(z, z + 1) for z in range(depth)] if by_slice else [slice(0, depth)]
    for done, part in enumerate(parts):
        certain = None if fixed is None else fixed[part]
        problem = _problem(probabilities[:, part], intensities[:, part], spacing, parameters, certain)
        steps = _steps(problem, threads, device, None if out is None else out[:, part])
        labels[part] = yield from scaled(steps, done / len(parts), 1 / len(parts))
    return CrfResult(labels, out)


def _steps(
    problem: Problem, threads: int, device: str, out: NDArray[Any] | None
) -> Generator[float, None, NDArray[np.uint8]]:
    if device == "cpu":
        return mean_field(problem, threads, out)
    # PyTorch takes seconds to load.
    from napari_unet.refinement.crf.on_device import mean_field_on

    return mean_field_on(problem, device, out)


def _problem(
    chances: NDArray[Any],
    intensities: NDArray[Any],
    spacing: tuple[float, float, float],
    parameters: CrfParameters,
    fixed: NDArray[np.uint8] | None,
) -> Problem:
    classes, depth, height, columns = chances.shape
    scan = Intensities(intensities)
    grid = None
    if parameters.appearance_weight:
        principal = scan.principal(_each(parameters.intensity_width, scan.channels))
        width = _along_axes(parameters.appearance_width)
        grid = build_grid((depth, height, columns), spacing, width, principal, lanes_of(classes - 1))
    smoothness = None
    if parameters.smoothness_weight:
        z, y, x = (w / n for w, n in zip(_along_axes(parameters.smoothness_width), spacing, strict=True))
        smoothness = (z * z, y * y, x * x)
    given = parameters.compatibility
    cost = 1 - np.eye(classes) if given is None else np.asarray(given, np.float64)
    return Problem(
        chances=chances,
        intensities=scan,
        fixed=fixed,
        grid=grid,
        appearance_weight=parameters.appearance_weight,
        smoothness=smoothness,
        smoothness_weight=parameters.smoothness_weight,
        differences=(cost[-1] - cost[:-1]).astype(np.float32),
        steps=parameters.steps,
    )


def _along_axes(widths: Widths) -> tuple[float, float, float]:
    return widths if isinstance(widths, tuple) else (widths, widths, widths)


def _each(widths: float | tuple[float, ...], count: int) -> tuple[float, ...]:
    return widths if isinstance(widths, tuple) else (widths,) * count


def _check(
    probabilities: NDArray[Any],
    intensities: NDArray[Any],
    spacing: Sequence[float],
    parameters: CrfParameters,
    fixed: NDArray[np.uint8] | None,
) -> None:
    shape = probabilities.shape
    if len(shape) != 4 or not prod(shape):
        raise BadInput(f"probabilities are (classes, Z, Y, X) and not empty; these are {shape}.")
    classes, *extent = shape
    if classes >= FREE:
        raise BadInput(f"a CRF takes up to {FREE - 1} classes; these are {classes}.")
    if intensities.ndim != 4 or not len(intensities) or intensities.shape[1:] != shape[1:]:
        raise BadInput(
            f"the probabilities are for a scan of {tuple(extent)} but its intensities are {intensities.shape}."
        )
    if intensities.dtype.kind not in "buif":
        raise BadInput(f"the scan's intensities are {intensities.dtype}: the CRF needs real numbers.")
    if len(spacing) != 3 or not all(isfinite(length) and length > 0 for length in spacing):
        raise BadInput(f"the spacing is {tuple(spacing)}: it takes three lengths above 0, (z, y, x) in mm.")
    _check_range(probabilities)
    _check_parameters(parameters, classes, len(intensities))
    if fixed is None:
        return
    if fixed.shape != shape[1:] or fixed.dtype != np.uint8:
        raise BadInput(f"fixed classes are {fixed.dtype} {fixed.shape}: they must be uint8 {tuple(extent)}.")
    if np.any((fixed >= classes) & (fixed != FREE)):
        raise BadInput(f"a fixed class is not among 0..{classes - 1}: give the classes' places, and {FREE} elsewhere.")


def _check_range(probabilities: NDArray[Any]) -> None:
    if probabilities.dtype == np.uint8:
        return
    if probabilities.dtype.kind != "f":
        raise BadInput(f"probabilities are {probabilities.dtype}: they must be floating point, or uint8 in 255ths.")
    for layer in probabilities:
        for values in layer:
            low, high = values.min(), values.max()
            if not (low >= -1e-3 and high <= 1.001):  # NaN is neither
                raise BadInput(f"probabilities are within 0..1; these go from {low} to {high}. Logits need a softmax.")


def _check_parameters(parameters: CrfParameters, classes: int, channels: int) -> None:
    for name, count in (("appearance_width", 3), ("intensity_width", channels), ("smoothness_width", 3)):
        widths = _each(getattr(parameters, name), count)
        if len(widths) != count or not all(isfinite(width) and width > 0 for width in widths):
            raise BadInput(f"{name.replace('_', ' ')} of the CRF is {widths}: it takes {count} numbers above 0.")
    for name in ("appearance_weight", "smoothness_weight", "steps"):
        value = getattr(parameters, name)
        if not (isfinite(value) and value >= 0):
            raise BadInput(f"{name.replace('_', ' ')} of the CRF is {value}: it must be 0 or more.")
    if parameters.compatibility is not None:
        cost = np.asarray(parameters.compatibility)
        if cost.shape != (classes, classes) or not np.isfinite(cost).all():
            raise BadInput(
                f"the compatibility is {cost.shape}: for these classes it takes {classes} rows of {classes}."
            )
