"""What the window asks a child process for to show patches as the network would see them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet.config import TrainConfig
from napari_unet.events import Job, Started
from napari_unet.runner.exchange import SharedArray, SharedScan


@dataclass(frozen=True, slots=True)
class PatchesDone:
    """Patches: images, (N, channels, Y, X) float32, and what is learned from them, (N, Y, X) uint8 paint."""

    images: SharedArray
    paint: SharedArray


@dataclass(frozen=True, slots=True)
class PatchesRequest:
    """Draw patches as a training would; see :func:`napari_unet.training.preview_patches`.

    Parameters
    ----------
    scans, paints, config, count, seed
        As in ``preview_patches``.
    images_path, paint_path
        Where to write the patches: how large they are depends on the scans.
    """

    scans: tuple[SharedScan, ...]
    paints: tuple[SharedArray, ...]
    config: TrainConfig
    images_path: str
    paint_path: str
    count: int = 8
    seed: int = 0

    def job(self) -> Job[PatchesDone]:
        """Draw them, and write them."""
        from napari_unet.training import preview_patches

        yield Started("Drawing patches")
        images, paint = preview_patches(
            [scan.open() for scan in self.scans],
            [paint.open() for paint in self.paints],
            self.config,
            self.count,
            self.seed,
        )
        return PatchesDone(_written(images, self.images_path), _written(paint, self.paint_path))


def _written(array: NDArray[np.generic], path: str) -> SharedArray:
    array.tofile(path)
    return SharedArray(path, array.shape, array.dtype.str)
