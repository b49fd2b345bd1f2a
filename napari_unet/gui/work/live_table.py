"""What lies between the window and the process that learns while one paints."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import as_paint, with_background
from napari_unet.config import Unpainted
from napari_unet.review.corrections import Review
from napari_unet.runner import Exchange, SharedArray, SharedScan
from napari_unet.scan import Scan


@dataclass(frozen=True, eq=False)
class Said:
    """What a person says of a scan: the paint and a mask under review, both (Z, Y, X), and how to read them."""

    paint: NDArray[Any] | None
    unpainted: Unpainted
    mask: NDArray[Any] | None
    review: Review | None

    def on(self, z: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Give it as paint of slice ``z``, (Y, X), of which nothing else is known; corrections come before paint."""
        known = np.zeros(shape, np.uint8)
        if self.paint is not None:
            known = with_background(as_paint(np.asarray(self.paint[z : z + 1]), "the paint"), self.unpainted)[0]
        if self.mask is not None and self.review is not None:
            lesson = self.review.lesson_on(z, as_paint(np.asarray(self.mask[z]), "the mask"))
            np.copyto(known, lesson, where=lesson != 0)
        return known


@dataclass(frozen=True, eq=False)
class Table:
    """What both processes see: the scan, what is known of it, and the preview."""

    key: str
    scan: SharedScan
    known: SharedArray
    preview: SharedArray

    @classmethod
    def laid(cls, key: str, scan: Scan, exchange: Exchange) -> "Table":
        """Copy a scan, of which nothing is known yet."""
        known, preview = (exchange.empty(scan.grid, np.uint8) for _ in range(2))
        return cls(key, exchange.put_scan(scan), known, preview)

    def take(self, said: Said) -> set[int]:
        """Take over what a person says now; give the slices that changed."""
        known, changed = self.known.open(writable=True), set()
        for z, before in enumerate(known):
            now = said.on(z, before.shape)
            if not np.array_equal(before, now):
                known[z] = now
                changed.add(z)
        return changed
