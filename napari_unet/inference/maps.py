"""What is said of each voxel: its label, and where wanted how likely each class is and how much doubt is left."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Maps:
    """Arrays that say something of the same voxels; axes may stand in front of those named.

    Parameters
    ----------
    labels
        (..., Z, Y, X) uint8, the label number.
    probabilities
        (..., classes, Z, Y, X) float16, the softmax, or None.
    uncertainty
        (..., Z, Y, X) float16, from 0 (certain) to 1 (each class as likely as any other), or None.
    """

    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float16] | None = None
    uncertainty: NDArray[np.float16] | None = None

    @property
    def wants(self) -> "Wanted":
        """What it has a place for."""
        return Wanted(self.probabilities is not None, self.uncertainty is not None)

    def part(self, number: int) -> "Maps":
        """Give one of those along the first axis."""
        return self._each(lambda values: values[number])

    def at(self, z: int) -> "Maps":
        """Give slice ``z``: (..., Y, X)."""
        return self._each(lambda values: values[..., z, :, :])

    def copied(self) -> "Maps":
        """Give a copy, which keeps nothing else in memory."""
        return self._each(np.copy)

    def _each(self, view: Callable[[NDArray[Any]], NDArray[Any]]) -> "Maps":
        return Maps(
            view(self.labels),
            None if self.probabilities is None else view(self.probabilities),
            None if self.uncertainty is None else view(self.uncertainty),
        )

    def put(self, other: "Maps", *place: slice | int) -> None:
        """Write what another says of ``place``, which indexes the last axes."""
        self.labels[(..., *place)] = other.labels
        if self.probabilities is not None:
            self.probabilities[(..., *place)] = other.probabilities
        if self.uncertainty is not None:
            self.uncertainty[(..., *place)] = other.uncertainty


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted besides labels."""

    probabilities: bool = False
    uncertainty: bool = False

    def room(self, shape: tuple[int, ...], classes: int) -> Maps:
        """Make room for it: (..., Z, Y, X) voxels of 0."""
        of_class = (*shape[:-3], classes, *shape[-3:])
        return Maps(
            np.zeros(shape, np.uint8),
            np.zeros(of_class, np.float16) if self.probabilities else None,
            np.zeros(shape, np.float16) if self.uncertainty else None,
        )


LABELS_ONLY = Wanted()


class Decision:
    """How a voxel gets its label from how likely each class is.

    The most likely class; but a class with a threshold is taken where it reaches that, and nowhere else. Where several
    do, it is the one that exceeds its own by the largest factor.

    Parameters
    ----------
    labels
        Label number of each class.
    thresholds
        Thresholds by label number.
    device
        Where it is decided.
    """

    def __init__(self, labels: tuple[int, ...], thresholds: Mapping[int, float], device: torch.device) -> None:
        self._label_of = torch.tensor(labels, dtype=torch.uint8, device=device)
        self._with = torch.tensor(
            [c for c, label in enumerate(labels) if label in thresholds], dtype=torch.long, device=device
        )
        least = [thresholds[label] for label in labels if label in thresholds]
        self._thresholds = torch.tensor(least, device=device)[:, None, None, None]

    @property
    def needs_probabilities(self) -> bool:
        """Whether the order of the classes does not suffice."""
        return bool(len(self._with))

    def labels(self, scores: torch.Tensor) -> torch.Tensor:
        """Give the labels, (N, Z, Y, X), of scores (N, classes, Z, Y, X): probabilities, or else logits."""
        if not self.needs_probabilities:
            return self._label_of[scores.argmax(dim=1)]
        exceeds, which = (scores[:, self._with] / self._thresholds).max(dim=1)
        # A threshold may hold all classes back: background, which comes first, is what is left.
        others = scores.index_fill(1, self._with, -1.0).argmax(dim=1)
        return self._label_of[torch.where(exceeds >= 1, self._with[which], others)]

    def maps(self, probabilities: torch.Tensor, wanted: Wanted) -> Maps:
        """Give all that is wanted, on the host, of probabilities (N, classes, Z, Y, X)."""
        return Maps(
            self.labels(probabilities).numpy(force=True),
            probabilities.half().numpy(force=True) if wanted.probabilities else None,
            uncertainty(probabilities).half().numpy(force=True) if wanted.uncertainty else None,
        )


def uncertainty(probabilities: torch.Tensor) -> torch.Tensor:
    """Give the predictive entropy, as a share of the largest there can be, of (N, classes, Z, Y, X) probabilities.

    Of the mean of several opinions it tells both how unsure each is and how much they differ: Gal and Ghahramani 2016,
    doi:10.48550/arXiv.1506.02142.
    """
    entropy = torch.special.entr(probabilities).sum(dim=1)
    share: torch.Tensor = entropy / log(max(2, probabilities.shape[1]))
    return share.clamp_(0, 1)
