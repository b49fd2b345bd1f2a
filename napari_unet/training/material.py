"""From scans and paint to what a network learns from: checked, normalised, split, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet.annotation import (
    BACKGROUND_CLASS,
    IGNORE,
    ClassInfo,
    PaintSummary,
    channel_labels,
    classes_for,
    count_slices,
    training_targets,
)
from napari_unet.config import Normaliser, TrainConfig
from napari_unet.errors import BadInput
from napari_unet.normalisation import Normalisation, measure, not_numbers, with_neighbours
from napari_unet.scan import Scan
from napari_unet.training.holdout import hold_out
from napari_unet.training.sampling import Source


@dataclass(frozen=True)
class Material:
    """What a network learns from.

    Parameters
    ----------
    classes
        One for each output channel, in their order.
    normalisation
        One for each channel, of the first scan.
    learned, held_out
        Voxels to learn from and to measure on; ``held_out`` is empty when there is too little paint.
    slices
        How many slices hold known voxels.
    voxels
        Known voxels by label.
    on_every_slice
        Labels that occur on each of these slices.
    notes
        What the user should know, in sentences.
    """

    classes: tuple[ClassInfo, ...]
    normalisation: tuple[Normalisation, ...]
    learned: tuple[Source, ...]
    held_out: tuple[Source, ...]
    slices: int
    voxels: dict[int, int]
    on_every_slice: frozenset[int]
    notes: tuple[str, ...]

    @property
    def labels(self) -> tuple[int, ...]:
        """Label of each output channel."""
        return tuple(info.label for info in self.classes)


def normaliser_for(config: TrainConfig, material: Material) -> Normaliser:
    """Choose how a network normalises its features where that is left open.

    Instance normalisation learns more from little paint, but it stretches every slice to the same range: what it
    never saw a slice without, it finds on every slice. So it is taken where most classes are missing on some painted
    slice, and slices fit into a patch; otherwise batch normalisation, which predicts large slices exactly, in tiles.
    """
    if config.network.normalisation is not Normaliser.AUTO:
        return config.network.normalisation
    sides = max(max(source.targets.shape[1:]) for source in material.learned)
    if config.network.dimensions == 3 or sides > config.patch:
        return Normaliser.BATCH
    structures = [label for label in material.labels if label]
    missing = [label for label in structures if label not in material.on_every_slice]
    return Normaliser.INSTANCE if 2 * len(missing) >= len(structures) else Normaliser.BATCH


def gather(
    scans: Sequence[Scan],
    paints: Sequence[NDArray[np.uint8]],
    config: TrainConfig,
    classes: Sequence[ClassInfo],
    device: torch.device,
) -> Material:
    """Check scans and paint, and bring them to the device.

    Parameters
    ----------
    scans, paints
        Equally many; each paint is (Z, Y, X) uint8 on its scan's grid.
    config
        What unpainted voxels count as, how much to hold out, and whether the network looks at slices or blocks.
    classes
        Names and colours, where known.
    device
        Where the voxels go.

    Raises
    ------
    NothingPainted
        There is too little paint to learn from.
    BadInput
        Shapes or channels differ, or a scan is constant.
    """
    _check(scans, paints)
    summaries = [PaintSummary.of(scan.grid, count_slices(paint)) for scan, paint in zip(scans, paints, strict=True)]
    labels = _labels(summaries, config)
    targets = [training_targets(paint, config.unpainted, labels) for paint in paints]
    counts = np.array([np.bincount(z.ravel(), minlength=256)[: len(labels)] for target in targets for z in target])
    painted = counts[counts.any(axis=1)]  # (slices, channels): voxels of each on the slices where anything is known
    random = np.random.default_rng(config.seed)
    split = hold_out(targets, len(labels), config.validation, random)
    normalisations = tuple(measure(scan) for scan in scans)
    notes = [*map(_not_numbers, scans)]
    if split is None and config.validation:
        notes.append(
            "Too little is painted to hold some of it out and measure with: the last model is kept. "
            "Paint one more slice to get a Dice."
        )
    learned: list[Source] = []
    held_out: list[Source] = []
    for number, scan in enumerate(scans):
        parts = (targets[number],) if split is None else (split.training[number], split.held_out[number])
        for z in _looked_at(scan, targets[number], config.network.dimensions):
            seen = with_neighbours(scan, normalisations[number], z, config.network.context)
            image = torch.from_numpy(seen).to(device)
            for part, sources in zip(parts, (learned, held_out), strict=False):
                if (part[z] != IGNORE).any():
                    sources.append(Source(image, torch.from_numpy(part[z]).to(device), scan.spacing))
    return Material(
        classes=tuple(BACKGROUND_CLASS if label == 0 else classes_for([label], classes)[0] for label in labels),
        normalisation=normalisations[0],
        learned=tuple(learned),
        held_out=tuple(held_out),
        slices=len(painted),
        voxels=dict(zip(labels, painted.sum(axis=0).tolist(), strict=True)),
        on_every_slice=frozenset(label for label, of_label in zip(labels, painted.T, strict=True) if of_label.all()),
        notes=tuple(filter(None, notes)),
    )


def _looked_at(scan: Scan, targets: NDArray[np.uint8], dimensions: int) -> list[slice]:
    """Ranges of slices that are one source each: the known slices for a 2-D network, volumes for a 3-D one."""
    known = (targets != IGNORE).any((1, 2))
    pieces = scan.volumes() if dimensions == 3 else (slice(z, z + 1) for z in range(len(known)))
    return [piece for piece in pieces if known[piece].any()]


def _check(scans: Sequence[Scan], paints: Sequence[NDArray[np.uint8]]) -> None:
    if not scans or len(scans) != len(paints):
        raise BadInput(f"{len(scans)} scans but {len(paints)} paints: give each scan its own paint.")
    first = scans[0]
    for scan, paint in zip(scans, paints, strict=True):
        if paint.shape != scan.grid:
            raise BadInput(
                f'The paint of "{scan.name}" is {paint.shape} but the scan is {scan.grid}: '
                "paint on a layer made for this scan."
            )
        if scan.channels != first.channels:
            raise BadInput(
                f'"{scan.name}" has {scan.channels} channels but "{first.name}" has {first.channels}: '
                "train on scans with the same channels."
            )


def _labels(summaries: Sequence[PaintSummary], config: TrainConfig) -> tuple[int, ...]:
    """Labels of the output channels; scans without paint are fine as long as one has enough."""
    labels = channel_labels(summaries, config.unpainted)
    if len(labels) < 2:
        for summary in summaries:
            summary.check(config.unpainted)
    return labels


def _not_numbers(scan: Scan) -> str:
    count = not_numbers(scan)
    return f'"{scan.name}" has {count:,} voxels that are not numbers (NaN): they count as its darkest.' if count else ""
