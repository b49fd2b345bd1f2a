"""The shape of a network: a part of :mod:`napari_unet.config`, from which it is imported."""

from enum import StrEnum
from typing import Literal

from pydantic import model_validator

from napari_unet.parameters import Config, parameter


class Normaliser(StrEnum):
    """What keeps the features of a network in range."""

    AUTO = "auto"
    BATCH = "batch"
    GROUP = "group"
    INSTANCE = "instance"


BY_SPACING = -1
"""As a number of flat levels: the spacing of the scan decides when training begins."""


class NetworkConfig(Config):
    """The shape of the network."""

    architecture: Literal["unet", "unet++", "attention-unet"] = "unet"
    """Which network: the U-Net; U-Net++, slower, with networks of every depth in one; Attention U-Net."""
    dimensions: Literal[2, 3] = 2
    """2 looks at single slices, 3 at blocks of slices."""
    width: int = parameter(16, at_least=1, at_most=256, step=1)
    """Features at full resolution; each of the depth levels below has twice as many."""
    depth: int = parameter(4, at_least=1, at_most=6, step=1)
    """How many times the image is halved on the way down."""
    context: int = parameter(0, at_least=0, at_most=8, step=1, unit="slices")
    """For 2: how many neighbours to either side a slice is seen with, as further channels (2.5-D)."""
    flat_levels: int = parameter(BY_SPACING, at_least=BY_SPACING, at_most=6, step=1)
    """For 3: how many of the first halvings leave thick slices apart; -1 goes by the spacing of the scan."""
    normalisation: Normaliser = Normaliser.AUTO
    """How features are kept in range: auto takes instance where paint shows slices without a structure, else batch."""
    residual: bool = False
    """Each level learns what to add to its input: helps deep networks."""
    separable: bool = False
    """Convolutions in two cheap parts: about an eighth of the weights, but no faster on a processor."""
    cbam: bool = False
    """Weigh features and places after each skip connection (CBAM)."""
    pyramid: bool = False
    """Show every level the image itself, shrunk to its size."""
    deep_supervision: bool = False
    """Train the coarser levels on the paint too; needed to shorten a U-Net++ later."""
    filters: bool = False
    """Judge each voxel also by intensity, edges and texture, as pixel classifiers do: of use from the first second."""
    dropout: float = parameter(0.0, at_least=0, at_most=0.9, step=0.1)
    """Share of the features of the two lowest levels that each training step leaves out."""

    @property
    def by_batch(self) -> bool:
        """Whether batch normalisation is used, as it is where nobody decided otherwise."""
        return self.normalisation in {Normaliser.AUTO, Normaliser.BATCH}

    @model_validator(mode="after")
    def _makes_sense(self) -> "NetworkConfig":
        if self.depth < 2 and self.architecture == "attention-unet":
            raise ValueError("an Attention U-Net of depth 1 has no gates: set depth to 2 or more, or take the U-Net")
        if self.dimensions == 3 and self.context:
            raise ValueError("a 3-D network sees its neighbour slices anyway: set context to 0, or dimensions to 2")
        if self.depth < 2 and self.deep_supervision:
            raise ValueError("a network of depth 1 has no coarser levels to supervise: set depth to 2 or more")
        return self
