"""What a network also learns, of voxels that nobody painted: what a teacher makes of them.

From a few strokes a random forest on intensities, edges and textures learns in a second what a network learns in a
minute. So where paint is sparse the network learns from the strokes, and from how likely the forest finds each class
elsewhere (distillation: Hinton, Vinyals and Dean 2015, doi:10.48550/arXiv.1503.02531). It soon knows better, since it
sees shapes, and what the forest errs in is noise to it.

Where slices are painted whole, and each looks much as its painted neighbours tell, they are the teachers of the slices
between them.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from napari_unet.annotation import IGNORE
from napari_unet.config import TrainConfig
from napari_unet.normalisation import Normalisation, measure, with_neighbours
from napari_unet.scan import Scan
from napari_unet.training.forest import Forest
from napari_unet.training.in_between import Between, agreement, gaps_of, keys_of
from napari_unet.training.material import Material
from napari_unet.training.sampling import Source

SPARSE = 0.25
"""A forest is asked where less than this share of the voxels of what is learned from is known."""
RELIABLE = 0.7
"""Painted slices are asked where each could have been told from its neighbours with this Dice, mean of the classes."""
SHARE = 0.05
"""Asking takes about this share of the time at most."""
SECONDS_A_VOXEL = 5e-7
"""That a forest takes, measured on one thread: for the number of slices that can be asked about."""
SECONDS_A_VOXEL_AND_CLASS = 2e-7
"""That two painted slices take to tell of one between them, measured on one thread."""
TRIED = 6
"""Painted slices that their neighbours are asked about at most, to see what they can tell."""


def taught(scans: Sequence[Scan], material: Material, config: TrainConfig, *, begins: bool = True) -> Material:
    """Let a teacher tell about voxels that nobody painted: a forest where paint is sparse, else the painted slices.

    Parameters
    ----------
    scans
        Those of the material.
    material
        What is learned from.
    config
        Every choice; where ``config.teacher`` is 0, the material is given as it is.
    begins
        Whether the network knows nothing yet. One that goes on knows more than a forest.

    Returns
    -------
    Material
        With further channels behind those of each image: how likely each class is, 0 to 1, and all 0 where nothing is
        told; and with a note on it. As it is where no teacher is of use.
    """
    if not config.teacher:
        return material
    if _is_sparse(material):
        return _by_forest(scans, material, config) if begins else material
    return _by_painted_slices(scans, material, config) if config.network.dimensions == 2 else material


def _by_forest(scans: Sequence[Scan], material: Material, config: TrainConfig) -> Material:
    """Let a forest tell about what is learned from and, as far as there is time, about slices nobody painted on."""
    most = _affordable(SECONDS_A_VOXEL, material, config)
    forest = Forest(material.learned, len(material.labels), config.seed)
    painted = [_with_opinion(source, forest, most) for source in material.learned]
    most -= sum(len(source.targets) for source in painted)
    others: list[Source] = []
    if config.network.dimensions == 2 and most > 0:
        places = [(scan, z) for scan in scans for z in range(scan.grid[0])]
        others = _unpainted([places[i] for i in _evenly(len(places), most)], config, material)
    guessed = [_with_opinion(source, forest, 1) for source in others]
    note = (
        "Little is painted: a random forest learned from it first, and the network also learns what the forest makes "
        f"of the rest{f', on {len(guessed)} evenly spaced slices' * (len(guessed) > 1)}."
    )
    return replace(material, learned=(*painted, *guessed), notes=(*material.notes, note))


def _by_painted_slices(scans: Sequence[Scan], material: Material, config: TrainConfig) -> Material:
    """Let painted slices tell about those between them, as far as there is time, if they can tell one another."""
    classes = len(material.labels)
    most = _affordable(SECONDS_A_VOXEL_AND_CLASS * classes, material, config)
    known = [
        (scan, targets, keys_of(targets, volume))
        for scan, targets in zip(scans, material.known, strict=False)
        for volume in scan.volumes()
    ]
    triples = [
        (scan, targets, triple)
        for scan, targets, keys in known
        for triple in zip(keys, keys[1:], keys[2:], strict=False)
    ]
    gaps = [(scan, targets, gap) for scan, targets, keys in known for gap in gaps_of(targets, keys)]
    if not triples or not gaps:
        return material
    found = np.zeros((2, classes))
    for scan, targets, triple in (triples[i] for i in _evenly(len(triples), min(TRIED, most))):
        found += agreement(targets, triple, classes, scan.spacing[1:])
    dice = np.mean([right / of for right, of in found.T[1:] if of] or 0.0)
    if dice < RELIABLE:
        return material
    places = [(number, z) for number, (_, _, gap) in enumerate(gaps) for z in gap.unknown]
    told: list[Source] = []
    for number, chosen in groupby((places[i] for i in _evenly(len(places), most)), key=lambda place: place[0]):
        scan, targets, gap = gaps[number]
        between = Between(targets[gap.before], targets[gap.behind], classes, scan.spacing[1:])
        slices = [z for _, z in chosen]
        for z, source in zip(slices, _unpainted([(scan, z) for z in slices], config, material), strict=True):
            told.append(_with_told(source, torch.from_numpy(between.likely(gap.way(z)))[:, None]))
    learned = [_with_told(source, torch.zeros(classes, *source.targets.shape)) for source in material.learned]
    note = (
        f"Painted slices tell much about those between them (Dice {dice:.2f} where that could be tried): the network "
        f"also learns that, on {len(told)} slices."
    )
    return replace(material, learned=(*learned, *told), notes=(*material.notes, note))


def _affordable(seconds_a_voxel: float, material: Material, config: TrainConfig) -> int:
    """Give how many slices there is time to ask about."""
    return int(SHARE * config.time_limit / seconds_a_voxel) // material.learned[0].targets[0].numel()


def _is_sparse(material: Material) -> bool:
    """Whether little is known of what is learned from; slices of one row or column have no edges to look at."""
    known = sum(int((source.targets != IGNORE).sum()) for source in material.learned)
    narrowest = min(side for source in material.learned for side in source.targets.shape[1:])
    return narrowest > 1 and known < SPARSE * sum(source.targets.numel() for source in material.learned)


def _evenly(n: int, most: int) -> list[int]:
    """Give up to ``most`` of n numbers from 0, evenly spread."""
    return [int(i) for i in np.unique(np.linspace(0, n - 1, max(1, min(most, n))).round())]


def _with_opinion(source: Source, forest: Forest, most: int) -> Source:
    """Put a forest's opinion on up to ``most`` slices of a source behind its channels; on the others there is none."""
    told = torch.zeros(forest.classes, *source.targets.shape)
    for z in _evenly(len(source.targets), most):
        told[:, z] = torch.from_numpy(forest.opinion(source.image[:, z].cpu().numpy()))
    return _with_told(source, told)


def _with_told(source: Source, told: Tensor) -> Source:
    """Put how likely each class is, (classes, Z, Y, X), behind the channels of a source."""
    return replace(source, image=torch.cat([source.image, told.to(source.image.device)]), taught=len(told))


def _unpainted(places: Sequence[tuple[Scan, int]], config: TrainConfig, material: Material) -> list[Source]:
    """Give slices that nobody painted on as sources of which nothing is known."""
    device = material.learned[0].image.device
    measured: dict[int, tuple[Normalisation, ...]] = {}
    sources = []
    for scan, z in places:
        if id(scan) not in measured:
            measured[id(scan)] = measure(scan)
        seen = with_neighbours(scan, measured[id(scan)], slice(z, z + 1), config.network.context)
        nothing = torch.full((1, *scan.grid[1:]), IGNORE, dtype=torch.uint8, device=device)
        sources.append(Source(torch.from_numpy(seen).to(device), nothing, scan.spacing))
    return sources


def disagreement(logits: Tensor, opinion: Tensor, targets: Tensor) -> Tensor:
    """Compute the cross-entropy with an opinion over voxels that are not known and that there is an opinion on.

    Parameters
    ----------
    logits
        (N, classes, Z, Y, X).
    opinion
        (N, classes, Z, Y, X), how likely each class is; all 0 where there is none.
    targets
        (N, Z, Y, X) uint8.
    """
    asked = (targets == IGNORE) & (opinion.sum(1) > 0.5)
    likely, told = (values.movedim(1, 0)[:, asked] for values in (logits.float(), opinion))
    return -(told * likely.log_softmax(0)).sum() / max(1, likely.shape[1])
