"""Every parameter, once.

A field's docstring is its tooltip and its ``--help``; its range, step and unit make its control in the
window; its value is recorded in the model file. Presets are instances. Scans, layers and paths are not
parameters: they are arguments.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from napari_unet.network_config import BY_SPACING, NetworkConfig, Normaliser
from napari_unet.parameters import Config, parameter, refusal
from napari_unet.refine_config import (
    Closing,
    DenseCRF,
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
    "ClassWeights",
    "Closing",
    "ComputeConfig",
    "Config",
    "DenseCRF",
    "Device",
    "FillBetweenConfig",
    "FillHoles",
    "Flip",
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


class Flip(StrEnum):
    """Which mirrored pictures are as good as the real one."""

    NONE = "none"
    SIDEWAYS = "sideways"
    ALL = "all"


class AugmentConfig(Config):
    """How training patches are varied, so that little paint goes a long way."""

    rotation: float = parameter(15.0, at_least=0, at_most=180, step=1, unit="degrees")
    """Largest rotation within the slice plane, to either side; about all axes in deep 3-D patches of thin slices."""
    scale: float = parameter(0.15, at_least=0, at_most=0.5, step=0.05)
    """Largest enlargement or reduction: 0.15 is 85 % to 115 %."""
    flip: Flip = Flip.NONE
    """Mirror at random: none, as a mirrored body is no body; sideways; or all, for what has no up and down (cells)."""
    elastic: float = parameter(4.0, at_least=0, at_most=50, step=1, unit="voxels")
    """Strength of smooth random deformation (Simard et al. 2003, doi:10.1109/ICDAR.2003.1227801)."""
    geometry_share: float = parameter(1.0, at_least=0, at_most=1, step=0.1)
    """Share of the patches that are turned, scaled and deformed; the others keep their shape."""
    gamma: float = parameter(0.1, at_least=0, at_most=1, step=0.05)
    """Largest change of gamma: 0.1 is 0.9 to 1.1."""
    brightness: float = parameter(0.1, at_least=0, at_most=1, step=0.05, unit="standard deviations")
    """Largest shift of all intensities."""
    contrast: float = parameter(0.1, at_least=0, at_most=1, step=0.05)
    """Largest stretch of all intensities: 0.1 is 90 % to 110 %."""
    noise: float = parameter(0.05, at_least=0, at_most=1, step=0.01, unit="standard deviations")
    """Largest strength of added Gaussian noise."""
    intensity_share: float = parameter(1.0, at_least=0, at_most=1, step=0.1)
    """Share of the patches whose gamma, brightness and contrast are varied and that get noise."""
    blur: float = parameter(1.0, at_least=0, at_most=10, step=0.5, unit="voxels")
    """Largest Gaussian blur (its standard deviation), for scans of differing sharpness."""
    blur_share: float = parameter(0.0, at_least=0, at_most=1, step=0.1)
    """Share of the patches that are blurred; 0 blurs none."""
    low_resolution: float = parameter(2.0, at_least=1, at_most=8, step=0.5)
    """Largest loss of resolution: 2 is as if voxels were up to twice as large."""
    low_resolution_share: float = parameter(0.0, at_least=0, at_most=1, step=0.1)
    """Share of the patches that lose resolution; 0 leaves all as they are."""

    @field_validator("flip", mode="before")
    @classmethod
    def _was_yes_or_no(cls, value: Any) -> Any:
        """Read model files from when the only choice was to mirror sideways, or not."""
        return (Flip.SIDEWAYS if value else Flip.NONE) if isinstance(value, bool) else value


class Loss(StrEnum):
    """What training makes small; the papers are named in :mod:`napari_unet.training.losses`."""

    DICE_CE = "dice+ce"
    DICE = "dice"
    CE = "ce"
    GENERALISED_DICE = "generalised-dice"
    FOCAL = "focal"
    TVERSKY = "tversky"
    BCE = "bce"
    BCE_DICE = "bce+dice"
    DICE_CLDICE = "dice+cldice"


class ClassWeights(StrEnum):
    """How much a voxel of each class counts."""

    NONE = "none"
    PAINTED = "painted"


class Optimizer(StrEnum):
    """How weights follow the gradient.

    Adam: doi:10.48550/arXiv.1412.6980. AdamW: doi:10.48550/arXiv.1711.05101. SGD: with Nesterov's momentum.
    """

    ADAM = "adam"
    ADAMW = "adamw"
    SGD = "sgd"


class Schedule(StrEnum):
    """How the learning rate changes over the training."""

    COSINE = "cosine"
    PLATEAU = "plateau"
    CONSTANT = "constant"
    ONE_CYCLE = "one-cycle"
    POLYNOMIAL = "polynomial"


class TrainConfig(ComputeConfig):
    """Everything about a training that is a choice."""

    network: NetworkConfig = NetworkConfig(filters=True)
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
    """The mistakes that count: of overlap (Dice), single voxels (CE, BCE, focal), or both; clDice for thin vessels."""
    dice_weight: float = parameter(0.5, at_least=0, at_most=1, step=0.1)
    """Share of Dice in a loss that is a sum, such as Dice and cross-entropy; the other part has the rest."""
    focal_gamma: float = parameter(2.0, at_least=0, at_most=10, step=0.5)
    """For the focal loss: how much less easy voxels count than hard ones; 0 counts all alike."""
    tversky_alpha: float = parameter(0.3, at_least=0.01, at_most=1, step=0.1)
    """For the Tversky loss: the cost of voxels that are marked but should not be."""
    tversky_beta: float = parameter(0.7, at_least=0.01, at_most=1, step=0.1)
    """For the Tversky loss: the cost of voxels that are missed; more than the other finds more, also falsely."""
    class_weights: ClassWeights = ClassWeights.NONE
    """Painted: a voxel of a class with little paint counts up to ten times as much, in CE, BCE and focal loss."""
    optimizer: Optimizer = Optimizer.ADAMW
    """The rule by which the network is improved: Adam and AdamW find their pace, SGD needs a rate of about 0.01."""
    learning_rate: float = parameter(4e-3, at_least=1e-6, at_most=1.0, step=1e-4)
    """How far each improvement goes: too small learns slowly, too large forgets or never settles."""
    weight_decay: float = parameter(1e-2, at_least=0, at_most=1, step=1e-3)
    """Pull of the weights towards zero, against learning by heart; for Adam and SGD use far less than for AdamW."""
    gradient_clipping: float = parameter(0.0, at_least=0, at_most=1000, step=1)
    """Longest single improvement (norm of the gradient), against training that goes astray: try 12; 0 sets no limit."""
    averaging: float = parameter(0.99, at_least=0, at_most=0.9999, step=0.01)
    """The model is a running average of the last ones: 0.99 is over some 100 steps; 0 takes the last as it is."""
    schedule: Schedule = Schedule.COSINE
    """How steps become smaller: over the time (cosine, one-cycle, polynomial), when it stalls (plateau), or never."""
    plateau_patience: int = parameter(5, at_least=1, at_most=1000, step=1, unit="rounds")
    """Rounds without improvement before a plateau schedule lowers the learning rate."""
    early_stopping: int = parameter(0, at_least=0, at_most=1000, step=1, unit="rounds")
    """Stop after so many rounds without a better validation Dice; 0 never stops early."""
    validation: float = parameter(0.1, at_least=0, at_most=0.5, step=0.05)
    """Share of the paint that is held out to measure with; 0 holds nothing out."""
    augment: AugmentConfig = AugmentConfig()
    """How patches are varied."""
    teacher: float = parameter(1.0, at_least=0, at_most=10, step=0.1)
    """How much counts what a forest makes of sparse paint, or painted slices tell of those between; 0 asks none."""
    hold: float = parameter(300.0, at_least=0, at_most=1000, step=10)
    """How strongly a model that goes on without its old paint stays as it was: more forgets less and learns less."""
    seed: int = parameter(0, at_least=0, at_most=2**31 - 1, step=1)
    """Start of the random numbers: the same seed, steps and machine give the same model."""


def _thresholds(value: Any) -> Any:
    """Read the thresholds "1, 0.3; 2, 0.6" as they are typed or given on the command line."""
    if not isinstance(value, str):
        return value
    pairs = tuple(tuple(pair.split(",")) for pair in value.split(";") if pair.strip())
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f'"{value.strip()}" will not do: write a class and a probability, and a semicolon in between')
    return pairs


def _each_once(value: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    if any(not 0 < least <= 1 for _, least in value) or len(dict(value)) < len(value):
        raise ValueError("a class has one threshold, over 0 and up to 1")
    return value


Thresholds = Annotated[tuple[tuple[int, float], ...], BeforeValidator(_thresholds), AfterValidator(_each_once)]
"""The least probability by label number."""


class PredictConfig(ComputeConfig):
    """Everything about a prediction that is a choice."""

    tile: int = parameter(0, at_least=0, at_most=8192, step=64, unit="voxels")
    """Side of the pieces a slice is cut into; 0 chooses by the memory at hand."""
    depth: int = parameter(0, at_least=0, at_most=6, step=1, title="depth of a U-Net++")
    """How deep a U-Net++ trained with deep supervision goes: less is faster, and often as good; 0 is all of it."""
    resample: bool = True
    """See a scan of another spacing with voxels of the size the model learned from, and bring the result back."""
    skip_empty: bool = True
    """Leave pieces that are as dark as air, and darker than all that was painted, to the background: saves time."""
    views: Literal[1, 2, 4, 8] = 1
    """Average over mirrored and turned views, each as slow: 2 sideways, 4 also upside down, 8 also transposed."""
    dropout_samples: int = parameter(0, at_least=0, at_most=100, step=1)
    """For models trained with dropout: average over so many predictions with features left out at random."""
    three_planes: bool = False
    """For 2-D networks on voxels as long as wide: predict along all three axes; two of three planes decide."""
    thresholds: Thresholds = Field(default=(), json_schema_extra={"empty": "none", "metavar": "1,0.3"})
    """Classes taken wherever they reach a probability, and nowhere else, such as "1, 0.3; 2, 0.6": lower finds more."""


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
        train=TrainConfig(network=NetworkConfig(width=32, filters=True), time_limit=300.0, learning_rate=2e-3),
    ),
    "paper": Preset(
        name="Paper",
        sentence="The U-Net as published (64 to 1024 features) and its patient schedule: for a GPU.",
        train=TrainConfig(
            network=NetworkConfig(width=64, normalisation=Normaliser.BATCH),
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
