"""From scans and paint to what a network learns from: checked, normalised, split, on the device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
from napari_unet.config import NetworkConfig, Normaliser, TrainConfig
from napari_unet.errors import BadInput
from napari_unet.model_file import LITTLE
from napari_unet.normalisation import Normalisation, measure, not_numbers, with_neighbours
from napari_unet.scan import Scan
from napari_unet.training.holdout import hold_out
from napari_unet.training.metrics import LEAST_VOXELS
from napari_unet.training.sampling import Source
from napari_unet.training.start import Start, about_intensities, about_new_classes, check_start


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
    measured
        Held-out voxels by label.
    known
        What is learned from in the scans at hand, (Z, Y, X) uint8 each: the channel of each voxel, or ``IGNORE``.
    """

    classes: tuple[ClassInfo, ...]
    normalisation: tuple[Normalisation, ...]
    learned: tuple[Source, ...]
    held_out: tuple[Source, ...]
    slices: int
    voxels: dict[int, int]
    on_every_slice: frozenset[int]
    notes: tuple[str, ...]
    measured: dict[int, int] = field(default_factory=dict)
    known: tuple[NDArray[np.uint8], ...] = ()

    @property
    def labels(self) -> tuple[int, ...]:
        """Label of each output channel."""
        return tuple(info.label for info in self.classes)

    @property
    def darkest(self) -> tuple[float, ...]:
        """The lowest normalised intensity of a painted structure, for each channel that a network sees."""
        structures = torch.tensor([c for c, label in enumerate(self.labels) if label])
        lowest = []
        for source in (*self.learned, *self.held_out):
            painted = torch.isin(source.targets, structures.to(source.targets))
            if painted.any():
                seen = source.image[: len(source.image) - source.taught]
                lowest.append(seen[:, painted].amin(dim=1).cpu())
        return tuple(torch.stack(lowest).amin(dim=0).tolist()) if lowest else ()


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
    start: Start | None = None,
    corrections: Sequence[NDArray[np.bool_] | None] = (),
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
    start
        What is gone on from: its classes are kept, and what it brings along is shown again.
    corrections
        (Z, Y, X) bool on the grid of each of the first scans, or None: what a person put right, which counts more.

    Raises
    ------
    NothingPainted
        There is too little paint to learn from.
    BadInput
        Shapes or channels differ, or a scan is constant.
    ModelMismatch
        The model to go on from has other channels.
    """
    _check(scans, paints)
    network = config.network if start is None else start.model.description.network
    summaries = [PaintSummary.of(scan.grid, count_slices(paint)) for scan, paint in zip(scans, paints, strict=True)]
    labels = _labels(summaries, config, fewest=2 if start is None else 1)
    new, notes = len(scans), [*map(_not_numbers, scans)]
    if start is not None:
        check_start(start, scans)
        labels = tuple(sorted({*labels, *start.model.description.labels}))
        notes.append(about_new_classes(labels, start))
        classes = (*start.model.description.foreground, *classes)
        scans, paints = [*scans, *start.scans], [*paints, *start.paints]
        _check(scans, paints)
    targets = [training_targets(paint, config.unpainted, labels) for paint in paints]
    counts = np.array(
        [np.bincount(z.ravel(), minlength=256)[: len(labels)] for target in targets[:new] for z in target]
    )
    painted = counts[counts.any(axis=1)]  # (slices, channels): voxels of each on the slices where anything is known
    random = np.random.default_rng(config.seed)
    # Of what is shown again nothing is held out: the model learned from it before, so that nothing can be measured.
    parts_of = [
        *_parts(targets[:new], len(labels), config.validation, random),
        *((target,) for target in targets[new:]),
    ]
    normalisations = tuple(measure(scan) for scan in scans)
    if start is not None:
        notes += [about_intensities(scan, by, start) for scan, by in zip(scans[:new], normalisations, strict=False)]
    learned: list[Source] = []
    held_out: list[Source] = []
    for number, parts in enumerate(parts_of):
        corrected = corrections[number] if number < len(corrections) else None
        by = normalisations[number]
        sources = _sources(scans[number], by, parts, network, device, again=number >= new, corrected=corrected)
        for part, source in sources:
            (learned, held_out)[part].append(source)
    measured = _count(held_out, labels)
    if config.validation:
        notes.append(_about_measuring(measured))
    return Material(
        classes=classes_of_channels(labels, classes),
        normalisation=normalisations[0],
        learned=tuple(learned),
        held_out=tuple(held_out),
        slices=len(painted),
        voxels=dict(zip(labels, painted.sum(axis=0).tolist(), strict=True)),
        on_every_slice=frozenset(label for label, of_label in zip(labels, painted.T, strict=True) if of_label.all()),
        notes=tuple(filter(None, notes)),
        measured=measured,
        known=tuple(parts[0] for parts in parts_of[:new]),
    )


def _about_measuring(held_out: dict[int, int]) -> str:
    """Say of so many held-out voxels by label when they are too few to measure with."""
    if not any(held_out.values()):
        return (
            "Too little is painted to hold some of it out and measure with: the last model is kept. "
            "Paint one more slice to get a Dice."
        )
    measured = sum(count for label, count in held_out.items() if label and count >= LEAST_VOXELS)
    return f"There is little to measure on, {measured:,} voxels: a Dice may be luck." * (0 < measured < LITTLE)


def _count(sources: Sequence[Source], labels: Sequence[int]) -> dict[int, int]:
    """Count the voxels of each label that are known."""
    return {label: sum(int((source.targets == c).sum()) for source in sources) for c, label in enumerate(labels)}


def classes_of_channels(labels: Sequence[int], known: Sequence[ClassInfo]) -> tuple[ClassInfo, ...]:
    """Give a class for the label of each output channel, with names and colours as far as they are known."""
    return tuple(BACKGROUND_CLASS if label == 0 else classes_for([label], known)[0] for label in labels)


def _parts(
    targets: Sequence[NDArray[np.uint8]], classes: int, share: float, random: np.random.Generator
) -> list[tuple[NDArray[np.uint8], ...]]:
    """Give for each scan what is learned from and, where enough is known, what is held out."""
    split = hold_out(targets, classes, share, random)
    return (
        [(target,) for target in targets] if split is None else list(zip(split.training, split.held_out, strict=True))
    )


def _sources(
    scan: Scan,
    normalisation: tuple[Normalisation, ...],
    parts: Sequence[NDArray[np.uint8]],
    network: NetworkConfig,
    device: torch.device,
    *,
    again: bool,
    corrected: NDArray[np.bool_] | None,
) -> Iterator[tuple[int, Source]]:
    """Give the number of a part, 0 or 1, and what of a scan belongs to it: slices, or volumes for a 3-D network."""
    for z in _looked_at(scan, parts, network.dimensions):
        image = torch.from_numpy(with_neighbours(scan, normalisation, z, network.context)).to(device)
        for number, part in enumerate(parts):
            if (part[z] != IGNORE).any():
                yield number, Source(image, torch.from_numpy(part[z]).to(device), scan.spacing, again)
        put_right = None if corrected is None else np.where(corrected[z], parts[0][z], np.uint8(IGNORE))
        if put_right is not None and (put_right != IGNORE).any():
            yield 0, Source(image, torch.from_numpy(put_right).to(device), scan.spacing, stressed=True)


def _looked_at(scan: Scan, parts: Sequence[NDArray[np.uint8]], dimensions: int) -> list[slice]:
    """Ranges of slices that are one source each: the known slices for a 2-D network, volumes for a 3-D one."""
    known = np.any([(part != IGNORE).any((1, 2)) for part in parts], axis=0)
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


def _labels(summaries: Sequence[PaintSummary], config: TrainConfig, fewest: int) -> tuple[int, ...]:
    """Labels of the output channels; scans without paint are fine as long as one has enough."""
    labels = channel_labels(summaries, config.unpainted)
    if len(labels) < fewest:
        for summary in summaries:
            summary.check(config.unpainted)
    return labels


def _not_numbers(scan: Scan) -> str:
    count = not_numbers(scan)
    return f'"{scan.name}" has {count:,} voxels that are not numbers (NaN): they count as its darkest.' if count else ""
