"""What an entry of a layer's undo changed in the end, however it was painted, so that it can be kept and come back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.gui.layers.edits import Edit, SlicePart

PLACES, COUNTS, STARTS, LENGTHS, BEFORE, AFTER, WIDTH = ARRAYS = (
    "places", "counts", "starts", "lengths", "before", "after", "width",
)  # fmt: skip
"""What parts are kept as: of each its slice and how many runs it has, and the runs of all of them."""


def net_parts(entry: Sequence[Any], edit: Edit, shape: tuple[int, ...]) -> list[SlicePart]:
    """Sum up an entry of a layer's undo, a part for each slice.

    Parameters
    ----------
    entry
        Its parts, in the order in which they were done; a voxel may be in several.
    edit
        What it is.
    shape
        Of the layer.
    """
    if all(isinstance(part, SlicePart) for part in entry):
        return list(entry)
    flats, befores, afters = zip(*(_voxels(part, shape) for part in entry), strict=True)
    flat, before, after = map(np.concatenate, (flats, befores, afters))
    where, first = np.unique(flat, return_index=True)
    _, last = np.unique(flat[::-1], return_index=True)
    old, new = before[first], after[::-1][last]
    where, old, new = (values[old != new] for values in (where, old, new))
    size = shape[-1] * shape[-2]
    slices, begins = np.unique(where // size, return_index=True)
    parts = []
    for z, one, its_old, its_new in zip(slices, *(np.split(v, begins[1:]) for v in (where, old, new)), strict=False):
        place = tuple(int(index) for index in np.unravel_index(z, shape[:-2])) if len(shape) > 2 else ()
        parts.append(SlicePart.of_voxels(edit, place, shape[-1], one % size, its_old, its_new))
    return [part for part in parts if part is not None]


def _voxels(part: Any, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Give the voxels of a part of an entry, as napari has it, their labels before and after."""
    if hasattr(part, "slice_key"):  # a brush: a box, and which of its voxels changed
        starts, old, new = [edge.start or 0 for edge in part.slice_key], part.old_values.ravel(), part.new_value
        where = np.ones(part.old_values.shape, bool) if part.mask is None else part.mask
        indices = tuple(found + start for found, start in zip(np.nonzero(where), starts, strict=True))
    else:
        indices, old, new = part
    flat = np.ravel_multi_index(np.broadcast_arrays(*indices), shape).ravel()
    return flat.astype(np.int64), np.broadcast_to(old, flat.shape), np.broadcast_to(new, flat.shape).astype(old.dtype)


def packed(parts: Sequence[SlicePart]) -> dict[str, NDArray[Any]]:
    """Give the arrays that parts are kept as."""
    return {
        PLACES: np.array([part.place for part in parts], np.int64),
        COUNTS: np.array([part.starts.size for part in parts], np.int64),
        WIDTH: np.array(parts[0].width),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in (STARTS, LENGTHS, BEFORE, AFTER)},
    }


def unpacked(arrays: Mapping[str, NDArray[Any]], edit: Edit) -> Iterator[SlicePart]:
    """Make the parts anew of the arrays that they are kept as."""
    ends = np.cumsum(arrays[COUNTS])[:-1]
    runs = zip(*(np.split(arrays[name], ends) for name in (STARTS, LENGTHS, BEFORE, AFTER)), strict=True)
    for place, (starts, lengths, before, after) in zip(arrays[PLACES], runs, strict=True):
        where = tuple(int(index) for index in place)
        yield SlicePart(edit, where, int(arrays[WIDTH]), starts, lengths, before, after)


def take_back(part: SlicePart, voxels: NDArray[Any]) -> SlicePart | None:
    """Take back in ``voxels`` what still is as a part left it, and give that; None when nothing is."""
    indices, _, after = part
    rest = part.only(voxels[indices] == after)
    if rest is not None:
        indices, before, _ = rest
        voxels[indices] = before
    return rest


def do_again(parts: Sequence[SlicePart], voxels: NDArray[Any]) -> None:
    """Do in ``voxels`` what was taken back of these parts."""
    for indices, _, after in parts:
        voxels[indices] = after
