"""The model as one file.

A ``.unet`` file is a safetensors file: weights by name, and one JSON text with what is needed to use and to
understand them. It is read without running anything that is in it, and holds nothing about any patient: no
paths, no scan names, no voxels but as checksums.
"""

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from napari_unet.annotation import ClassInfo
from napari_unet.config import Config, NetworkConfig, Normaliser, TrainConfig
from napari_unet.durable import written_whole
from napari_unet.errors import BadModelFile
from napari_unet.normalisation import Normalisation

FORMAT = 5
"""Raised when an older program could no longer use a newer file."""
WITH_NORMALISATION = 2
"""The first format that says how its network normalises; before it was always by the batch."""
SUFFIX = ".unet"
LARGEST_HEADER = 8_000_000
MOST_TENSORS = 5000
LITTLE = 500
"""Held-out voxels of all classes together, background aside, below which a Dice says little.

Neighbours say the same: they are about 20 places of 5 x 5. With none of 20 wrong, 14 % may still be (the rule of three,
Hanley and Lippman-Hand 1983, doi:10.1001/jama.1983.03330370053031).
"""
_KEY = "napari_unet"


class Source(Config):
    """A scan and its paint, as checksums: who has them can tell that they are the ones, and nobody can see them."""

    scan: str
    """Of the voxels, see :func:`napari_unet.keeping.checksums.voxel_checksum`."""
    paint: str
    """Of the paint, (Z, Y, X) uint8, in the same way."""


class LearnedFrom(Config):
    """What a model learned from, for a person who wonders later."""

    scans: int
    """How many scans."""
    slices: int
    """How many painted slices."""
    voxels: dict[int, int]
    """Known voxels by label; 0 is background."""
    steps: int
    """Optimiser steps up to the weights kept."""
    seconds: float
    """Seconds of training altogether."""
    validation_dice: float | None = None
    """Mean Dice of the classes on held-out paint; None when none was held out."""
    dice_per_class: dict[int, float] = Field(default_factory=dict)
    """Dice by label on held-out paint."""
    held_out: dict[int, int] = Field(default_factory=dict)
    """Voxels of it by label; empty when that is not known."""
    sources: tuple[Source, ...] = ()
    """The scans and their paint, as far as this is known."""

    @property
    def measured_on_little(self) -> bool:
        """Whether there was little held-out paint of the classes whose Dice it tells."""
        return 0 < sum(self.held_out.get(label, 0) for label in self.dice_per_class) < LITTLE


class ModelDescription(Config):
    """Everything about a model but its weights."""

    format: int = FORMAT
    """Version of the file format."""
    program: str
    """Which program and version made it."""
    network: NetworkConfig
    """The shape of the network."""
    channel_names: tuple[str, ...]
    """The channels of the scans it learned from, in their order."""
    classes: tuple[ClassInfo, ...]
    """One for each output channel, in their order; label 0 is background."""
    spacing: tuple[float, float, float]
    """Of the scans it learned from, (z, y, x)."""
    unit: str
    """Of the spacing: "mm" or "pixel"."""
    normalisation: tuple[Normalisation, ...]
    """One for each channel, of the first scan it learned from."""
    training: TrainConfig
    """How it was trained."""
    learned_from: LearnedFrom
    """What it was trained on."""
    darkest: tuple[float, ...] = ()
    """The lowest normalised intensity of a painted structure, for each channel that the network sees; or nothing."""
    thresholds: dict[int, float] = Field(default_factory=dict)
    """By label, how likely a class must be to be taken; empty takes the likeliest class of each voxel."""

    @property
    def labels(self) -> tuple[int, ...]:
        """Label number of each output channel."""
        return tuple(info.label for info in self.classes)

    @property
    def foreground(self) -> tuple[ClassInfo, ...]:
        """The classes without background."""
        return tuple(info for info in self.classes if info.label)

    def sentence(self) -> str:
        """Say what it is in one line ("7 classes, trained on 4 slices, Dice 0.87")."""
        classes, slices = len(self.foreground), self.learned_from.slices
        text = f"{classes} class{'es' * (classes != 1)}, trained on {slices} slice{'s' * (slices != 1)}"
        dice = self.learned_from.validation_dice
        if dice is not None:
            little = " (little to measure on)" * self.learned_from.measured_on_little
            text = f"{text}, Dice {dice:.2f} on held-out paint{little}"
        thresholds = ", ".join(
            f"{info.name} from {self.thresholds[info.label]:.2f}"
            for info in self.classes
            if info.label in self.thresholds
        )
        return f"{text}; {thresholds}" if thresholds else text


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network: its description, and its weights as NumPy arrays by name."""

    description: ModelDescription
    weights: Mapping[str, NDArray[Any]]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model whole or not at all; an existing file is replaced only by one that reads back equal.

        Raises
        ------
        BadInput
            The folder cannot be written to.
        """
        target = Path(path)
        with written_whole(target, check=lambda written: self._check(load_model(written))) as temporary:
            temporary.write_bytes(self.to_bytes())
        return target

    def to_bytes(self) -> bytes:
        """Give what its file holds, the same each time."""
        weights = {name: np.asarray(value, order="C") for name, value in sorted(self.weights.items())}
        content = {"description": self.description.model_dump(mode="json"), "weights": _digest(weights)}
        header = json.dumps({**content, "sha256": _seal(content)})
        return save_tensors(weights, metadata={_KEY: header})

    def _check(self, read: "Model") -> None:
        if read.description != self.description:
            raise BadModelFile("the model file does not read back as it was written; nothing was replaced")


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model file.

    Raises
    ------
    BadModelFile
        It is missing, damaged, not a model, or made by a newer program.
    """
    file = Path(path)
    description, digest = _read_head(file)  # before a large file of another kind is read whole
    try:
        weights = load_tensors(_read(file))
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModelFile(f"{file.name} is damaged ({error}): get it again from where it came from.") from error
    if _digest(weights) != digest:
        raise BadModelFile(f"{file.name} is damaged (its weights were altered): get it again from where it came from.")
    return Model(description, weights)


def read_description(path: str | os.PathLike[str]) -> ModelDescription:
    """Read only what a model is, not its weights.

    Raises
    ------
    BadModelFile
        As :func:`load_model`.
    """
    return _read_head(Path(path))[0]


def _read_head(file: Path) -> tuple[ModelDescription, str]:
    size = struct.unpack("<Q", _read(file, 8).ljust(8, b"\0"))[0]
    return _description(file, _read(file, 8 + min(size, LARGEST_HEADER)))


def _read(file: Path, most: int = -1) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(most)
    except OSError as error:
        raise BadModelFile(f"cannot read the model {file}: {error.strerror}. Choose a {SUFFIX} file.") from error


def _description(file: Path, data: bytes) -> tuple[ModelDescription, str]:
    """Take description and digest of the weights out of the head of a safetensors file, trusting nothing in it."""
    size = struct.unpack("<Q", data[:8].ljust(8, b"\0"))[0]
    if not 2 <= size <= LARGEST_HEADER or data[8:9] != b"{":
        raise BadModelFile(f"{file.name} is not a model of this program: choose a {SUFFIX} file.")
    if size > len(data) - 8:
        raise BadModelFile(f"{file.name} is cut short: get it again from where it came from.")
    try:
        head = json.loads(data[8 : 8 + size])
        if len(head) > MOST_TENSORS:
            raise BadModelFile(f"{file.name} claims {len(head):,} tensors, more than any model has.")
        content = json.loads(head["__metadata__"][_KEY])
        newest = content["description"].get("format", 0)
        if newest > FORMAT:
            raise BadModelFile(
                f"{file.name} was made by a newer version (format {newest}; this one reads up to {FORMAT}): "
                "update napari-unet-paint."
            )
        if content.pop("sha256") != _seal(content):
            raise BadModelFile(f"{file.name} is damaged or was altered: get it again from where it came from.")
        if newest < WITH_NORMALISATION:
            for network in (content["description"]["network"], content["description"]["training"]["network"]):
                network.setdefault("normalisation", Normaliser.BATCH)
        return ModelDescription.model_validate_json(json.dumps(content["description"])), str(content["weights"])
    except ValidationError as error:
        raise BadModelFile(f"{file.name} is damaged or was altered: {error.errors()[0]['msg']}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadModelFile(f"{file.name} is not a model of this program: choose a {SUFFIX} file.") from error


def _seal(content: Mapping[str, Any]) -> str:
    """Hash the description and the digest of the weights (SHA-256, hexadecimal): what was altered is found out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digest(weights: Mapping[str, NDArray[Any]]) -> str:
    """Hash names, dtypes, shapes and values of all weights (SHA-256, hexadecimal)."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = weights[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
