"""The same mean field in PyTorch, for a GPU.

The grid is that of :mod:`~napari_unet.refinement.crf.mean_field`; what differs is how it is computed: voxels are added
to it by ``index_add_``, and every blur is a product with a small matrix. The volume is on the device as a whole.
"""

from collections.abc import Generator, Iterator, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.errors import BadInput, OutOfMemory
from napari_unet.refinement.crf.grid import Grid, gaussian
from napari_unet.refinement.crf.layout import FREE, Floats
from napari_unet.refinement.crf.mean_field import Problem, smoothing_taps

if TYPE_CHECKING:
    import torch

LEAST = 1e-5
"""Probabilities are at least this, as in the loops for a CPU."""


def mean_field_on(
    problem: Problem, device: str, result: NDArray[Any] | None = None
) -> Generator[float, None, NDArray[np.uint8]]:
    """Do all mean-field steps on a device; otherwise as :func:`~napari_unet.refinement.crf.mean_field.mean_field`.

    Parameters
    ----------
    problem
        What to solve.
    device
        As PyTorch calls it: "cuda", "cuda:1", "mps", "cpu".
    result
        (C, Z, Y, X) floating point, filled with Q. None if not wanted.

    Yields
    ------
    float
        How much is done, 0..1, after each step.

    Returns
    -------
    NDArray
        (Z, Y, X) uint8, the most probable class.

    Raises
    ------
    OutOfMemory
        The volume is too large for the device.
    BadInput
        The device is not there.
    """
    import torch

    from napari_unet.networks.device import is_there

    if not is_there(torch.device(device).type):
        raise BadInput(
            f"There is no {device} device here, or this torch was installed without it: set the device of the dense "
            "CRF to cpu."
        )
    try:
        return (yield from _solve(problem, torch.device(device), result))
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            f"the CRF of {problem.chances.shape[1:]} voxels does not fit into the memory of {device}: use the CPU, "
            "which takes any size, or go slice by slice."
        ) from error


def _solve(
    problem: Problem, device: "torch.device", result: NDArray[Any] | None
) -> Generator[float, None, NDArray[np.uint8]]:
    import torch

    chances = torch.as_tensor(np.ascontiguousarray(problem.chances), device=device).float()
    if problem.chances.dtype == np.uint8:
        chances /= 255
    log_chances = chances.clamp(min=LEAST).log()
    fixed = None if problem.fixed is None else torch.as_tensor(problem.fixed.copy(), device=device)
    differences = torch.as_tensor(problem.differences, device=device)
    extent = chances.shape[1:]
    kernels: list[Any] = []
    if problem.grid:
        kernels.append(_Appearance(problem, problem.grid, device))
    if problem.smoothness:
        matrices = [smoothing_taps(n, v).scaled() for n, v in zip(extent, problem.smoothness, strict=True)]
        kernels.append(_Smoothness(matrices, problem.smoothness_weight, device))
    q = _certain(log_chances.softmax(0), fixed)
    for step in range(problem.steps):
        state = torch.tensordot(differences, q, 1)
        scores = log_chances.clone()
        for kernel in kernels:
            scores[:-1] += kernel.message(state)
        q = _certain(scores.softmax(0), fixed)
        yield (step + 1) / (problem.steps + 1)
    labels: NDArray[np.uint8] = q.argmax(0).to(torch.uint8).cpu().numpy()
    if result is not None:
        np.copyto(result, q.cpu().numpy(), casting="same_kind")
    yield 1.0
    return labels


def _certain(q: "torch.Tensor", fixed: "torch.Tensor | None") -> "torch.Tensor":
    """Make fixed voxels certain."""
    if fixed is None:
        return q
    for c, layer in enumerate(q):
        layer[fixed != FREE] = (fixed[fixed != FREE] == c).float()
    return q


def _along(values: "torch.Tensor", matrix: "torch.Tensor", axis: int) -> "torch.Tensor":
    """Multiply by a matrix along an axis."""
    import torch

    product_: torch.Tensor = torch.tensordot(values, matrix, ([axis], [1]))
    return product_.movedim(-1, axis)


class _Smoothness:
    """w2 Ks, a product of one small matrix for each axis."""

    def __init__(self, matrices: Sequence[Floats], weight: float, device: "torch.device") -> None:
        import torch

        self._matrices = [torch.as_tensor(matrix, device=device) for matrix in matrices]
        self._weight = weight

    def message(self, state: "torch.Tensor") -> "torch.Tensor":
        for axis, matrix in enumerate(self._matrices, start=1):
            state = _along(state, matrix, axis)
        return self._weight * state


class _Appearance:
    """w1 Ka, through the grid."""

    def __init__(self, problem: Problem, grid: Grid, device: "torch.device") -> None:
        import torch

        self._grid = grid
        axes = grid.axes
        extent = problem.chances.shape[1:]
        place = torch.as_tensor(grid.place(problem.intensities.read(slice(None))), device=device)
        before: list[torch.Tensor] = [torch.floor(channel).long().flatten() for channel in place]
        beyond: list[torch.Tensor] = [channel.frac().flatten() for channel in place]
        for axis, (points, over) in enumerate(
            ((axes.x, axes.beyond_x), (axes.y, axes.beyond_y), (axes.z, axes.beyond_z))
        ):
            shape = (*(1,) * (2 - axis), -1, *(1,) * axis)
            before.insert(0, torch.as_tensor(points, device=device).long().view(shape).expand(extent).flatten())
            beyond.insert(0, torch.as_tensor(over, device=device).view(shape).expand(extent).flatten())
        self._before, self._beyond = before, beyond
        self._matrices = [
            torch.as_tensor(_toeplitz(gaussian(v, n - 1), n), device=device)
            for n, v in zip(grid.shape, grid.variances, strict=True)
        ]
        ones = torch.ones((1, *extent), device=device)
        self._norm: torch.Tensor = torch.ones((), device=device)
        self._norm = (problem.appearance_weight / self.message(ones)).sqrt()

    def message(self, state: "torch.Tensor") -> "torch.Tensor":
        import torch

        channels = len(state)
        values = (state * self._norm).reshape(channels, -1).T
        points = torch.zeros((prod(self._grid.shape), channels), device=state.device)
        for index, weight in self._corners():
            points.index_add_(0, index, values * weight[:, None])
        points = points.reshape(*self._grid.shape, channels)
        for axis, matrix in enumerate(self._matrices):
            points = _along(points, matrix, axis)
        points = points.reshape(-1, channels)
        read = torch.zeros_like(values)
        for index, weight in self._corners():
            read += points[index] * weight[:, None]
        return read.T.reshape(state.shape) * self._norm

    def _corners(self) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
        """Give the 2^d corners of all voxels' cells, one at a time: index and weight."""
        shape = self._grid.shape
        steps = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        # Along an axis whose voxels lie on the points there is but one corner.
        choices = [(0, 1) if bool((over > 0).any()) else (0,) for over in self._beyond]
        for sides in product(*choices):
            index: Any = 0
            weight: Any = 1.0
            for side, before, beyond, step in zip(sides, self._before, self._beyond, steps, strict=True):
                index = index + (before + side) * step
                weight = weight * (beyond if side else 1 - beyond)
            yield index, weight


def _toeplitz(taps: Floats, length: int) -> Floats:
    """Make the matrix that convolves a line of so many points."""
    reach = len(taps) // 2
    apart = np.arange(length) - np.arange(length)[:, None]
    return np.where(abs(apart) <= reach, taps[np.clip(apart + reach, 0, 2 * reach)], 0).astype(np.float32)
