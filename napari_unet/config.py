"""Every parameter, once.

A field's docstring is its tooltip and its ``--help``; its range, step and unit make its control in the
window; its value is recorded in the model file. Presets are instances. Scans, layers and paths are not
parameters: they are arguments.
"""

from enum import StrEnum
from typing import Literal

from pydantic import model_validator

from napari_unet.parameters import Config, parameter, refusal
from napari_unet.refine_config import (
    Closing,
    FillBetweenConfig,
    FillHoles,
    Grow,
    KeepLargest,
    KeepTouching,
    Opening,
    RefineConfig,
    RefineStep,
    RemoveSmall,
    Shrink,
    Smooth,
    Split,
    WithinIntensities,
    WithinRegion,
)

__all__ = [
    "BY_SPACING",
    "PRESETS",
    "AugmentConfig",
    "Closing",
    "ComputeConfig",
    "Config",
    "Device",
    "FillBetweenConfig",
    "FillHoles",
    "Grow",
    "KeepLargest",
    "KeepTouching",
    "Loss",
    "NetworkConfig",
    "Normaliser",
    "Opening",
    "Optimizer",
    "Precision",
    "PredictConfig",
    "Preset",
    "RefineConfig",
    "RefineStep",
    "RemoveSmall",
    "Schedule",
    "Shrink",
    "Smooth",
    "Split",
    "TrainConfig",
    "Unpainted",
    "WithinIntensities",
    "WithinRegion",
    "parameter",
    "refusal",
]


class Unpainted(StrEnum):
    """What voxels without paint count as."""

    UNKNOWN = "unknown"
    PAINTED_SLICES = "painted-slices"
    BACKGROUND = "background"


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Precision(StrEnum):
    """The number format of the convolutions."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class ComputeConfig(Config):
    """Where and how to compute: shared by training and prediction."""

    device: Device = Device.AUTO
    """Where to compute: auto takes the GPU when there is one."""
    precision: Precision = Precision.AUTO
    """Number format: auto measures once whether bf16 or fp16 is faster here and takes it if so."""
    threads: int = parameter(0, at_least=0, at_most=256, step=1)
    """Processor threads to use; 0 uses all cores."""


class Normaliser(StrEnum):
    """What keeps the features of a network in range."""

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
    flat_levels: int = parameter(BY_SPACING, at_least=BY_SPACING, at_most=6, step=1)
    """For 3: how many of the first halvings leave thick slices apart; -1 goes by the spacing of the scan."""
    normalisation: Normaliser = Normaliser.BATCH
    """What keeps features in range: means over the batch, over groups of features, or over each by itself."""
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
    dropout: float = parameter(0.0, at_least=0, at_most=0.9, step=0.1)
    """Share of the features of the two lowest levels that each training step leaves out."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "NetworkConfig":
        if self.depth < 2 and self.architecture == "attention-unet":
            raise ValueError("an Attention U-Net of depth 1 has no gates: set depth to 2 or more, or take the U-Net")
        if self.depth < 2 and self.deep_supervision:
            raise ValueError("a network of depth 1 has no coarser levels to supervise: set depth to 2 or more")
        return self


class AugmentConfig(Config):
    """How training patches are varied, so that little paint goes a long way."""

    rotation: float = parameter(15.0, at_least=0, at_most=180, step=1, unit="degrees")
    """Largest rotation within the slice plane, to either side."""
    scale: float = parameter(0.15, at_least=0, at_most=0.5, step=0.05)
    """Largest enlargement or reduction: 0.15 is 85 % to 115 %."""
    flip: bool = False
    """Mirror left and right at random. Off by default: a mirrored body is not a body."""
    elastic: float = parameter(4.0, at_least=0, at_most=50, step=1, unit="voxels")
    """Strength of smooth random deformation (Simard et al. 2003, doi:10.1109/ICDAR.2003.1227801)."""
    gamma: float = parameter(0.1, at_least=0, at_most=1, step=0.05)
    """Largest change of gamma: 0.1 is 0.9 to 1.1."""
    brightness: float = parameter(0.1, at_least=0, at_most=1, step=0.05, unit="standard deviations")
    """Largest shift of all intensities."""
    contrast: float = parameter(0.1, at_least=0, at_most=1, step=0.05)
    """Largest stretch of all intensities: 0.1 is 90 % to 110 %."""
    noise: float = parameter(0.05, at_least=0, at_most=1, step=0.01, unit="standard deviations")
    """Largest strength of added Gaussian noise."""


class Loss(StrEnum):
    """What training makes small."""

    DICE_CE = "dice+ce"
    DICE = "dice"
    CE = "ce"


class Optimizer(StrEnum):
    """How weights follow the gradient."""

    ADAM = "adam"
    ADAMW = "adamw"


class Schedule(StrEnum):
    """How the learning rate changes over the training."""

    COSINE = "cosine"
    PLATEAU = "plateau"
    CONSTANT = "constant"


class TrainConfig(ComputeConfig):
    """Everything about a training that is a choice."""

    network: NetworkConfig = NetworkConfig()
    """The shape of the network."""
    unpainted: Unpainted = Unpainted.UNKNOWN
    """What unpainted voxels count as."""
    time_limit: float = parameter(60.0, at_least=1, at_most=1_000_000, step=10, unit="s", title="time")
    """How long it may take."""
    steps: int = parameter(0, at_least=0, at_most=10_000_000, step=100)
    """Optimiser steps at most; 0 leaves it to the time."""
    patch: int = parameter(256, at_least=16, at_most=2048, step=16, unit="voxels")
    """Largest patch side; smaller scans are seen whole."""
    patch_depth: int = parameter(16, at_least=1, at_most=512, step=1, unit="slices")
    """Slices in a patch of a 3-D network."""
    batch: int = parameter(2, at_least=1, at_most=256, step=1)
    """Patches a step."""
    loss: Loss = Loss.DICE_CE
    """Half soft Dice and half cross-entropy, or one of them, over painted voxels only."""
    optimizer: Optimizer = Optimizer.ADAMW
    """Adam (doi:10.48550/arXiv.1412.6980) or AdamW (doi:10.48550/arXiv.1711.05101)."""
    learning_rate: float = parameter(4e-3, at_least=1e-6, at_most=1.0, step=1e-4)
    """Size of the first steps."""
    weight_decay: float = parameter(1e-2, at_least=0, at_most=1, step=1e-3)
    """Pull of the weights towards zero (AdamW and Adam)."""
    schedule: Schedule = Schedule.COSINE
    """Cosine falls to zero over the time; plateau falls tenfold when validation stops improving."""
    plateau_patience: int = parameter(5, at_least=1, at_most=1000, step=1, unit="rounds")
    """Rounds without improvement before a plateau schedule lowers the learning rate."""
    early_stopping: int = parameter(0, at_least=0, at_most=1000, step=1, unit="rounds")
    """Stop after so many rounds without a better validation Dice; 0 never stops early."""
    validation: float = parameter(0.1, at_least=0, at_most=0.5, step=0.05)
    """Share of the paint that is held out to measure with; 0 holds nothing out."""
    augment: AugmentConfig = AugmentConfig()
    """How patches are varied."""
    seed: int = parameter(0, at_least=0, at_most=2**31 - 1, step=1)
    """Start of the random numbers: the same seed, steps and machine give the same model."""


class PredictConfig(ComputeConfig):
    """Everything about a prediction that is a choice."""

    tile: int = parameter(0, at_least=0, at_most=8192, step=64, unit="voxels")
    """Side of the pieces a slice is cut into; 0 chooses by the memory at hand."""
    depth: int = parameter(0, at_least=0, at_most=6, step=1, title="depth of a U-Net++")
    """How deep a U-Net++ trained with deep supervision goes: less is faster, and often as good; 0 is all of it."""


class Preset(Config):
    """A named set of training parameters with a sentence for whoever chooses."""

    name: str
    """As the window shows it."""
    sentence: str
    """What to expect of it."""
    train: TrainConfig
    """The parameters."""

    @model_validator(mode="after")
    def _named(self) -> "Preset":
        if not self.name:
            raise ValueError("a preset needs a name")
        return self


PRESETS: dict[str, Preset] = {
    "fast": Preset(
        name="Fast",
        sentence="A small network: good in a minute, also without a GPU.",
        train=TrainConfig(),
    ),
    "balanced": Preset(
        name="Balanced",
        sentence="A network of middle size: better edges in a few minutes.",
        train=TrainConfig(network=NetworkConfig(width=32), time_limit=300.0, learning_rate=2e-3),
    ),
    "paper": Preset(
        name="Paper",
        sentence="The U-Net as published (64 to 1024 features) and its patient schedule: for a GPU.",
        train=TrainConfig(
            network=NetworkConfig(width=64),
            time_limit=3600.0,
            optimizer=Optimizer.ADAM,
            weight_decay=0.0,
            learning_rate=1e-4,
            schedule=Schedule.PLATEAU,
            plateau_patience=5,
            early_stopping=10,
        ),
    ),
}
