"""Reading a chunked array slice by slice without reading its chunks again and again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 600_000_000
"""What is kept in memory of an array at most."""


class Banded:
    """A chunked array (C, Z, Y, X), such as of dask or Zarr, of which the band of slices read last stays in memory.

    A chunk of 64 slices that is read for each of them is read and decompressed 64 times; so it is once.

    Parameters
    ----------
    array
        (C, Z, Y, X), slices into NumPy arrays.
    depth
        How many slices a chunk has.
    """

    def __init__(self, array: Any, depth: int) -> None:
        self._array = array
        self.shape: tuple[int, int, int, int] = tuple(int(n) for n in array.shape)  # type: ignore[assignment]
        self.ndim = 4
        self.dtype = np.dtype(array.dtype)
        of_slice = self.dtype.itemsize * self.shape[2] * self.shape[3]
        self._depth = max(1, min(depth, MOST_BYTES // (of_slice * self.shape[0])))
        self._bands: dict[int, tuple[int, NDArray[Any]]] = {}

    def __getitem__(self, key: tuple[int, slice | int, slice, slice]) -> NDArray[Any]:
        c, z, *plane = key
        along = slice(z, z + 1) if isinstance(z, int | np.integer) else slice(*z.indices(self.shape[1])[:2])
        first = along.start // self._depth * self._depth
        if along.stop > first + self._depth:
            found = np.asarray(self._array[(c, along, *plane)])  # a block: those of neighbours share few chunks
        else:
            found = self._band(c, first)[(slice(along.start - first, along.stop - first), *plane)]
        return found if isinstance(z, slice) else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self._array, dtype)

    def _band(self, c: int, first: int) -> NDArray[Any]:
        kept = self._bands.get(c)
        if kept is None or kept[0] != first:
            self._bands.pop(c, None)  # before another takes its place in memory
            kept = first, np.asarray(self._array[c, first : first + self._depth])
            self._bands[c] = kept
        return kept[1]


def banded(array: Any) -> Any:
    """Give a (C, Z, Y, X) array as it is, or :class:`Banded` when its chunks hold several slices."""
    chunks = getattr(array, "chunks", None)
    if chunks is None or isinstance(array, np.ndarray):
        return array
    along = chunks[1]
    depth = max(along) if isinstance(along, tuple) else int(along)
    return Banded(array, depth) if depth > 1 else array
