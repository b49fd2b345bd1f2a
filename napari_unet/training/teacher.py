"""A pixel classifier that tells the network what it makes of voxels that nobody painted.

From a few strokes a random forest on intensities, edges and textures at several scales learns in a second what a
network learns in a minute: Berg et al. 2019 (ilastik), doi:10.1038/s41592-019-0582-9; Breiman 2001,
doi:10.1023/A:1010933404324. So where paint is sparse the network learns from the strokes, and from how likely the
forest finds each class elsewhere (distillation: Hinton, Vinyals and Dean 2015, doi:10.48550/arXiv.1503.02531). It
soon knows better, since it sees shapes, and what the forest errs in is noise to it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_unet.annotation import IGNORE
from napari_unet.config import TrainConfig
from napari_unet.networks import pad_to_multiple
from napari_unet.networks.filters import filtered
from napari_unet.networks.geometry import FILTER_SCALES
from napari_unet.normalisation import measure, with_neighbours
from napari_unet.scan import Scan
from napari_unet.training.material import Material
from napari_unet.training.sampling import Source

SPARSE = 0.25
"""A forest is asked where less than this share of the voxels of what is learned from is known."""
TREES = 50
MOST_LEARNED = 50_000
"""Voxels that the forest learns from at most, drawn at random."""
SHARE = 0.05
"""Asking takes about this share of the time at most."""
SECONDS_A_VOXEL = 5e-7
"""Features and trees, measured on one thread: for the number of slices that can be asked about."""


def taught(scans: Sequence[Scan], material: Material, config: TrainConfig) -> Material:
    """Let a forest tell about the unpainted voxels of what is learned from, and of slices nobody painted on.

    Parameters
    ----------
    scans
        Those of the material.
    material
        What is learned from. Where its paint is not sparse, or ``config.teacher`` is 0, it is given as it is.
    config
        Every choice.

    Returns
    -------
    Material
        With further channels behind those of each image: how likely each class is, 0 to 1; and with a note on it.
    """
    if not config.teacher or not _is_sparse(material):
        return material
    forest = Forest(material.learned, len(material.labels), config.seed)
    slices = int(SHARE * config.time_limit / SECONDS_A_VOXEL) // material.learned[0].targets[0].numel()
    painted = [_with_opinion(source, forest, slices) for source in material.learned]
    slices -= sum(len(source.targets) for source in painted)
    others = _others(scans, material, config, slices) if config.network.dimensions == 2 else []
    guessed = [_with_opinion(source, forest, slices) for source in others]
    note = (
        "Little is painted: a random forest learned from it first, and the network also learns what the forest makes "
        f"of the rest{f', on {len(guessed)} evenly spaced slices' * (len(guessed) > 1)}."
    )
    return replace(material, learned=(*painted, *guessed), notes=(*material.notes, note))


def _is_sparse(material: Material) -> bool:
    """Whether little is known of what is learned from; slices of one row or column have no edges to look at."""
    known = sum(int((source.targets != IGNORE).sum()) for source in material.learned)
    narrowest = min(side for source in material.learned for side in source.targets.shape[1:])
    return narrowest > 1 and known < SPARSE * sum(source.targets.numel() for source in material.learned)


class Forest:
    """A random forest that has learned from painted voxels.

    Parameters
    ----------
    sources
        What it learns from.
    classes
        Channels there are.
    seed
        The same gives the same.
    """

    def __init__(self, sources: Sequence[Source], classes: int, seed: int) -> None:
        from sklearn.ensemble import RandomForestClassifier  # takes half a second to import

        self.classes = classes
        features, targets = [], []
        for source in sources:
            for z in torch.nonzero((source.targets != IGNORE).flatten(1).any(1)).flatten().tolist():
                of_slice = source.targets[z].cpu().numpy()
                features.append(features_of(source.image[:, z].cpu().numpy())[of_slice != IGNORE])
                targets.append(of_slice[of_slice != IGNORE])
        x, y = np.concatenate(features), np.concatenate(targets)
        chosen = np.random.default_rng(seed).permutation(len(y))[:MOST_LEARNED]
        # On one thread: on several, sums come in any order, and a training could not be repeated exactly.
        self._trees = RandomForestClassifier(TREES, max_samples=max(1, len(chosen) // 2), random_state=seed)
        self._trees.fit(x[chosen], y[chosen])

    def opinion(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Tell how likely each class is in a slice: (classes, Y, X) of its (channels, Y, X) image."""
        features = features_of(image)
        likely = np.zeros((self.classes, *image.shape[1:]), np.float32)
        told = self._trees.predict_proba(features.reshape(-1, features.shape[-1]))
        likely[self._trees.classes_] = told.T.reshape(-1, *image.shape[1:])
        return likely


def features_of(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give intensity, edges and texture at several scales of a (channels, Y, X) slice: (Y, X, features)."""
    rows, columns = image.shape[1:]
    with torch.inference_mode():
        found = filtered(pad_to_multiple(torch.from_numpy(image)[None], (1 << FILTER_SCALES,) * 2))
    return found[0, :, :rows, :columns].movedim(0, -1).numpy()


def _with_opinion(source: Source, forest: Forest, most: int) -> Source:
    """Put the opinion on up to ``most`` slices of a source behind its channels; on the others there is none, all 0."""
    depth = len(source.targets)
    told = torch.zeros(forest.classes, *source.targets.shape)
    for z in np.unique(np.linspace(0, depth - 1, max(1, min(most, depth))).round().astype(int)):
        told[:, z] = torch.from_numpy(forest.opinion(source.image[:, z].cpu().numpy()))
    return replace(source, image=torch.cat([source.image, told.to(source.image.device)]), taught=len(told))


def _others(scans: Sequence[Scan], material: Material, config: TrainConfig, most: int) -> list[Source]:
    """Give slices that nobody painted on, spread evenly, as sources of which nothing is known."""
    places = [(scan, z) for scan in scans for z in range(scan.grid[0])]
    if most < 1:
        return []
    device = material.learned[0].image.device
    by = {id(scan): measure(scan) for scan in scans}
    sources = []
    for number in np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int)):
        scan, z = places[number]
        seen = with_neighbours(scan, by[id(scan)], slice(z, z + 1), config.network.context)
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
