"""Pieces of a scan that hold nothing but air: they are background, and no network has to look at them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet.inference.maps import Maps, Wanted
from napari_unet.model_file import ModelDescription
from napari_unet.normalisation import Normalisation

AIR = 0.05
"""Air is in the darkest part of a scan's range of intensities: this share of it."""


@dataclass(frozen=True, eq=False)
class Emptiness:
    """How dark a piece must be to be empty: as air is, and darker than every structure that was painted.

    Parameters
    ----------
    levels
        The brightest normalised intensity that is empty, for each channel that the networks see.
    labels
        Label number of each class.
    words
        The same in the scan's own intensities, for people.
    """

    levels: NDArray[np.float32]
    labels: tuple[int, ...]
    words: str

    @classmethod
    def of(
        cls, models: Sequence[ModelDescription], normalisation: Sequence[Normalisation], context: int
    ) -> "Emptiness | None":
        """Find out what is empty in a scan; None where the models do not tell.

        Parameters
        ----------
        models
            What the models learned.
        normalisation
            Of each channel of the scan that they know, in their order.
        context
            How many neighbour slices they see to either side.
        """
        seen = len(normalisation) * (2 * context + 1)
        if 0 not in models[0].labels or any(len(model.darkest) != seen for model in models):
            return None
        air = [(by.low + AIR * (by.high - by.low) - by.mean) / by.std for by in normalisation]
        levels = np.min([air * (2 * context + 1), *(model.darkest for model in models)], axis=0)
        shown = levels[len(normalisation) * context :][: len(normalisation)]
        words = ", ".join(f"{level * by.std + by.mean:.4g}" for level, by in zip(shown, normalisation, strict=True))
        return cls(levels.astype(np.float32), models[0].labels, words)

    def fills(self, seen: NDArray[np.float32]) -> bool:
        """Tell whether there is nothing in what is seen, (N, C, Z, Y, X)."""
        return bool((seen < self.levels[:, None, None, None]).all())

    def maps(self, shape: tuple[int, ...], wanted: Wanted) -> Maps:
        """Say that (N, Z, Y, X) voxels are background."""
        maps = wanted.room(shape, len(self.labels))
        if maps.probabilities is not None:
            maps.probabilities[:, self.labels.index(0)] = 1
        return maps
