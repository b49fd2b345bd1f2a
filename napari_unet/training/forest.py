"""A random forest that judges voxels by intensity, edges and texture, as pixel classifiers do.

Berg et al. 2019 (ilastik), doi:10.1038/s41592-019-0582-9; Breiman 2001, doi:10.1023/A:1010933404324.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet.annotation import IGNORE
from napari_unet.networks import pad_to_multiple
from napari_unet.networks.filters import filtered
from napari_unet.networks.geometry import FILTER_SCALES
from napari_unet.training.sampling import Source

TREES = 50
MOST_LEARNED = 50_000
"""Voxels that the forest learns from at most, drawn at random."""


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
