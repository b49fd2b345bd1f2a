"""What a peer is given, and what each of them can do."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

IGNORE = 255
"""In targets: nobody painted this voxel."""


@dataclass(frozen=True)
class Scan:
    """A scan, and its paint where there is any.

    Parameters
    ----------
    image
        (C, Z, Y, X) float32, intensities as they are in the file.
    spacing
        (z, y, x).
    target
        (Z, Y, X) uint8, the channel of each voxel or ``IGNORE``.
    """

    image: NDArray[np.float32]
    spacing: tuple[float, ...]
    target: NDArray[np.uint8] | None

    def standardised(self) -> NDArray[np.float32]:
        """Each channel with mean 0 and standard deviation 1, as tutorials do; (C, Z, Y, X)."""
        axes = (1, 2, 3)
        spread = self.image.std(axes, keepdims=True)
        return (self.image - self.image.mean(axes, keepdims=True)) / np.maximum(spread, 1e-8)

    def painted_slices(self) -> list[tuple[Tensor, Tensor]]:
        """(C, Y, X) float32 and (Y, X) int64 of the slices with paint."""
        assert self.target is not None
        image = self.standardised()
        chosen = [z for z, slice_ in enumerate(self.target) if (slice_ != IGNORE).any()]
        return [(torch.from_numpy(image[:, z]), torch.from_numpy(self.target[z]).long()) for z in chosen]


@dataclass(frozen=True)
class Given:
    """Scans to learn from and scans to predict, from a folder that ``Peer`` of the methods has written.

    Parameters
    ----------
    painted, scored
        To learn from; to predict.
    classes
        How many channels, that of the background included.
    ct
        Whether intensities are Hounsfield units.
    """

    painted: list[Scan]
    scored: list[Scan]
    classes: int
    ct: bool

    @classmethod
    def read(cls, folder: Path) -> "Given":
        """Read what was written."""
        about = json.loads((folder / "about.json").read_text())
        painted, scored = ([_read(f) for f in sorted((folder / part).glob("*.npz"))] for part in ("painted", "scored"))
        return cls(painted, scored, about["classes"], about["ct"])

    @property
    def channels(self) -> int:
        """Of the scans."""
        return len(self.painted[0].image)


def _read(file: Path) -> Scan:
    with np.load(file) as held:
        return Scan(held["image"], tuple(held["spacing"].tolist()), held.get("target"))


class Learner(Protocol):
    """A network and its recipe."""

    one_limit: bool
    """Whether what it does depends on the time limit, so that it begins anew for each."""

    def __init__(self, given: Given, seed: int) -> None: ...

    def step(self, fraction: float) -> float:
        """Draw a batch and learn from it, ``fraction`` (0..1) of the time being over; give the loss."""

    def predict(self, scan: Scan) -> NDArray[np.uint8]:
        """Give the channel of each voxel, (Z, Y, X)."""
