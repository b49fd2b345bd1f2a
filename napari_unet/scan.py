"""The scan: an array, where its voxels lie, and the only axis logic of the program.

Everything inside the program sees a scan as (C, Z, Y, X): channels, slices, rows, columns. A flat image has
Z = 1. Further axes (time, positions) are folded into Z, volume after volume, and unfolded on the way out, so
that they are handled one by one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet.errors import BadInput

Unit = Literal["mm", "pixel"]
SAME_PLACE = 0.01
"""Voxels that lie further apart than this share of a voxel do not belong together."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where voxels lie in the patient.

    Parameters
    ----------
    affine
        (4, 4) float64, from voxel index (x, y, z, 1) to LPS millimetres (x to the left, y to the back, z to
        the head: the convention of DICOM and ITK).
    source
        What else must survive a round trip, as JSON values by name, such as NIfTI's qform and sform codes.
        Never anything about the patient.
    """

    affine: NDArray[np.float64]
    source: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_spacing(cls, spacing: Sequence[float], origin: Sequence[float] = (0.0, 0.0, 0.0)) -> "Geometry":
        """Axis-aligned geometry from a (z, y, x) spacing and an (x, y, z) origin, both in mm."""
        affine = np.diag([*reversed([float(s) for s in spacing]), 1.0])
        affine[:3, 3] = origin
        return cls(affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres in mm, (z, y, x)."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(z), float(y), float(x))

    def close_to(self, other: "Geometry", tolerance: float = 1e-3) -> bool:
        """Whether both put every voxel at the same place, to ``tolerance`` mm (compared as matrices)."""
        return bool(np.allclose(self.affine, other.affine, rtol=0, atol=tolerance))

    def farthest_corner(self, other: "Geometry", grid: tuple[int, int, int]) -> float:
        """Distance in mm between the two places of the corner voxel of a (Z, Y, X) grid where they differ most."""
        corners = np.array([(x, y, z, 1) for z in (0, grid[0] - 1) for y in (0, grid[1] - 1) for x in (0, grid[2] - 1)])
        between = corners @ (self.affine - other.affine).T
        return float(np.linalg.norm(between[:, :3], axis=1).max())


@dataclass(frozen=True, eq=False)
class Scan:
    """An image as the program works on it.

    Parameters
    ----------
    array
        (C, Z, Y, X), any real dtype; may be lazy (dask, Zarr) as long as it slices into NumPy arrays.
    spacing
        Distance between voxel centres, (z, y, x), in ``unit``.
    unit
        "mm", or "pixel" when the file said nothing.
    geometry
        Where the voxels lie in the patient; None when the file said nothing.
    channel_names
        One for each channel.
    name
        For messages and result layers.
    folded
        Lengths of the axes folded into Z ahead of the true Z: ``(T,)`` for a time series of T volumes.
    axes
        The axes of the array the scan was made from, such as "ZYX", "TZYX", "YXC".
    dicom
        The files of the DICOM series it was read from, in any order: a DICOM-SEG of its mask refers to them. Known
        in memory only, since their names may name the patient.
    """

    array: NDArray[Any]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: Unit = "pixel"
    geometry: Geometry | None = None
    channel_names: tuple[str, ...] = ()
    name: str = "scan"
    folded: tuple[int, ...] = ()
    axes: str = "ZYX"
    dicom: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.array.ndim != 4 or 0 in self.array.shape:
            raise BadInput(f"a scan is (C, Z, Y, X) with at least one voxel; this array is {self.array.shape}")
        if len(self.spacing) != 3 or not all(0 < step < inf for step in self.spacing):
            raise BadInput(f'the spacing of "{self.name}" is {self.spacing}: give three lengths (z, y, x) over 0.')
        if np.dtype(self.array.dtype).kind not in "buif":
            raise BadInput(f'"{self.name}" holds {self.array.dtype}; a scan holds real numbers.')
        if not self.channel_names:
            names = tuple(f"channel {c}" for c in range(self.array.shape[0]))
            object.__setattr__(self, "channel_names", names)
        elif len(self.channel_names) != self.array.shape[0]:
            raise BadInput(
                f'"{self.name}" has {self.array.shape[0]} channels but {len(self.channel_names)} channel names'
            )

    @classmethod
    def from_array(
        cls,
        array: Any,
        axes: str | None = None,
        *,
        spacing: Sequence[float] | None = None,
        unit: Unit = "pixel",
        geometry: Geometry | None = None,
        channel_names: Sequence[str] = (),
        name: str = "scan",
        dicom: Sequence[Path] = (),
    ) -> "Scan":
        """Make a scan from an array with any axes.

        Parameters
        ----------
        array
            NumPy array, or anything that slices into one.
        axes
            One letter for each axis: Z, Y, X, C for channels, any other letter for axes that are handled one
            by one. Guessed when None: YX, ZYX, TZYX.
        spacing
            (z, y, x), or (y, x) for a flat image, in ``unit``; from ``geometry``, else 1, when None.
        unit, geometry, channel_names, name, dicom
            As in :class:`Scan`.

        Raises
        ------
        BadInput
            The axes do not fit the array.
        """
        if not hasattr(array, "reshape"):
            array = np.asarray(array)  # lists, and arrays that only slice
        axes = _checked_axes(array, axes)
        order = [axes.index(a) for a in axes if a not in "CZYX"]
        folded = tuple(int(array.shape[i]) for i in order)
        order += [axes.index(a) for a in "ZYX" if a in axes]
        if "C" in axes:
            order.insert(0, axes.index("C"))
        moved = array if order == sorted(order) else array.transpose(order)
        channels = moved.shape[0] if "C" in axes else 1
        slices = prod(moved.shape[1 if "C" in axes else 0 : -2])
        folded_array = moved.reshape((channels, slices, *moved.shape[-2:]))
        if spacing is None:
            spacing = geometry.spacing if geometry is not None else (1.0, 1.0, 1.0)
        depth = (1.0,) * (3 - len(spacing))
        return cls(
            folded_array,
            spacing=tuple(float(s) for s in (*depth, *spacing)),  # type: ignore[arg-type]
            unit=unit,
            geometry=geometry,
            channel_names=tuple(channel_names),
            name=name,
            folded=folded,
            axes=axes,
            dicom=tuple(dicom),
        )

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.array.shape[0])

    @property
    def grid(self) -> tuple[int, int, int]:
        """(Z, Y, X) with the folded axes in Z: the shape of paint and masks inside the program."""
        z, y, x = self.array.shape[1:]
        return (int(z), int(y), int(x))

    @property
    def depth(self) -> int:
        """Slices of one volume: Z without the folded axes."""
        return self.grid[0] // prod(self.folded)

    @property
    def mask_shape(self) -> tuple[int, ...]:
        """Shape of a mask as the user sees it: that of the original array without its channel axis."""
        lengths = dict(zip((a for a in self.axes if a not in "CZYX"), self.folded, strict=True))
        lengths |= dict(zip("ZYX", (self.depth, *self.grid[1:]), strict=True))
        return tuple(lengths[a] for a in self.axes if a != "C")

    def volumes(self) -> Iterator[slice]:
        """Ranges along Z that are one volume each: things in 3-D must not cross from one to the next."""
        for start in range(0, self.grid[0], self.depth):
            yield slice(start, start + self.depth)

    def neighbours(self, z: int, reach: int) -> list[int]:
        """Give the slices from ``reach`` below ``z`` to ``reach`` above it; where its volume ends, its last repeats."""
        first = z // self.depth * self.depth
        return [min(max(n, first), first + self.depth - 1) for n in range(z - reach, z + reach + 1)]

    @property
    def spacing_in_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres, (z, y, x) in mm; where that is unknown each voxel counts as 1 mm wide."""
        return self.spacing if self.unit == "mm" else (1.0, 1.0, 1.0)

    @property
    def voxel_ml(self) -> float | None:
        """Volume of a voxel in ml; None where lengths are not known, or there is but one slice."""
        return prod(self.spacing) / 1000 if self.unit == "mm" and self.depth > 1 else None

    def seen_for(self, z: slice, reach: int) -> list[slice]:
        """Give what is looked at to tell slices: themselves, or with ``reach`` a single one and its neighbours."""
        return [slice(n, n + 1) for n in self.neighbours(z.start, reach)] if reach else [z]

    def fold(self, mask: NDArray[Any], what: str = "the paint") -> NDArray[Any]:
        """Bring a mask of the user's shape into (Z, Y, X); a view where possible.

        Raises
        ------
        BadInput
            Its shape is not that of the scan.
        """
        if tuple(mask.shape) != self.mask_shape:
            raise BadInput(
                f"{what} is {tuple(mask.shape)} but the scan is {self.mask_shape}: paint on a layer made for this scan."
            )
        axes = self.axes.replace("C", "")
        order = [axes.index(a) for a in axes if a not in "ZYX"] + [axes.index(a) for a in "ZYX" if a in axes]
        moved = mask if order == sorted(order) else mask.transpose(order)
        return moved.reshape(self.grid)

    def unfold(self, mask: NDArray[Any]) -> NDArray[Any]:
        """Bring a (Z, Y, X) mask back into the user's shape; a view where possible."""
        axes = self.axes.replace("C", "")
        order = [axes.index(a) for a in axes if a not in "ZYX"] + [axes.index(a) for a in "ZYX" if a in axes]
        unfolded = mask.reshape(tuple(self.mask_shape[i] for i in order))
        return unfolded if order == sorted(order) else unfolded.transpose(np.argsort(order))

    def with_array(self, array: NDArray[Any]) -> "Scan":
        """Make the same scan around another (C, Z, Y, X) array of the same shape, such as a snapshot of it."""
        return replace(self, array=array)


def _checked_axes(array: Any, axes: str | None) -> str:
    if axes is None:
        axes = {2: "YX", 3: "ZYX", 4: "TZYX"}.get(array.ndim, "")
    if len(axes) != array.ndim or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
        raise BadInput(
            f"an array of shape {tuple(array.shape)} does not have the axes {axes!r}: name each axis once, "
            "with Y and X among them, C for channels and Z for slices."
        )
    return axes


def check_same_grid(scans: Sequence[Scan]) -> None:
    """Raise unless scans can be the channels of one.

    Raises
    ------
    BadInput
        Their shapes, spacings or positions differ.
    """
    first = scans[0]
    for other in scans[1:]:
        if other.mask_shape != first.mask_shape:
            raise BadInput(
                f'"{other.name}" is {other.mask_shape} but "{first.name}" is {first.mask_shape}: '
                "channels of one scan have the same shape."
            )
        differs = ""
        if not np.allclose(other.spacing, first.spacing, rtol=1e-3):
            one, two = (" x ".join(f"{step:.4g}" for step in scan.spacing) for scan in (other, first))
            differs = f"its spacing is {one}, not {two}"
        if first.geometry is not None and other.geometry is not None:
            apart = first.geometry.farthest_corner(other.geometry, (first.depth, *first.grid[1:]))
            if apart > SAME_PLACE * min(first.spacing):
                differs = f"{differs} and " if differs else ""
                differs += f"it lies up to {apart:.2f} mm away"
        if differs:
            raise BadInput(
                f'"{other.name}" does not lie where "{first.name}" lies: {differs}. Resample one onto the other first.'
            )


def stacked_names(scans: Sequence[Scan]) -> tuple[str, ...]:
    """Name the channels of one scan made of several, by their order.

    Channel names go into model files; names of layers and files stay out of them, since they may name a patient.
    """
    if len(scans) == 1:
        return scans[0].channel_names
    return tuple(f"channel {c}" for c in range(sum(scan.channels for scan in scans)))


def stack_channels(scans: Sequence[Scan]) -> Scan:
    """Make one scan whose channels are those of several that lie on the same grid.

    Raises
    ------
    BadInput
        Their shapes, spacings or positions differ.
    """
    check_same_grid(scans)
    first = scans[0]
    array = np.concatenate([scan.array for scan in scans]) if len(scans) > 1 else first.array  # dask stays dask
    return replace(first, array=array, channel_names=stacked_names(scans))
