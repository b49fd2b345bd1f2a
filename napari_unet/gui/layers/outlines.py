"""What would change, as outlines over the picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo
from napari_unet.gui.layers.scans import class_look, place_of
from napari_unet.scan import Scan

ADDED, REMOVED, EXCHANGED, KEPT = 1, 2, 3, 4
"""Labels of the layer."""
LOOK = (
    ClassInfo(label=ADDED, name="would be added", colour=(0.2, 0.75, 1.0)),
    ClassInfo(label=REMOVED, name="would be removed", colour=(1.0, 0.45, 0.1)),
    ClassInfo(label=EXCHANGED, name="would become another class", colour=(1.0, 0.95, 0.3)),
    ClassInfo(label=KEPT, name="painted: stays as it is", colour=(0.9, 0.9, 0.9)),
)


def outline_labels(
    before: NDArray[np.uint8], after: NDArray[np.uint8], kept: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Tell what changes from one slice of labels to another.

    Parameters
    ----------
    before, after
        (Y, X) labels.
    kept
        (Y, X) voxels that may not change.

    Returns
    -------
    numpy.ndarray
        (Y, X) uint8: 0 where nothing changes, else ``ADDED`` and its like.
    """
    changed = before != after
    labels = np.where(changed, np.uint8(EXCHANGED), np.uint8(0))
    labels[changed & (before == 0)] = ADDED
    labels[changed & (after == 0)] = REMOVED
    if kept is not None:
        labels[kept] = KEPT
    return labels


def outlined(labels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Leave of each class its edge.

    napari's own contours say the same, but are found anew for each slice that comes into view, which one notices.

    Parameters
    ----------
    labels
        (Y, X).
    width
        Of the edge, in voxels.
    """
    inside = np.ones(labels.shape, np.bool_)
    for one, other in ((labels, inside), (labels.T, inside.T)):
        for step in range(1, width + 1):
            same = one[step:] == one[:-step]
            other[step:] &= same
            other[:-step] &= same
    return np.where(inside, np.uint8(0), labels)


class Outlines:
    """A layer of outlines on a scan, which nobody paints on; what was selected stays selected.

    Parameters
    ----------
    viewer
        Where it is added.
    scan
        The scan it lies on.
    on
        The layer of that scan.
    name
        Its name.
    classes
        What its labels mean, and their colours.
    """

    def __init__(
        self, viewer: ViewerModel, scan: Scan, on: Image | Labels, name: str, classes: Sequence[ClassInfo] = LOOK
    ) -> None:
        self._viewer = viewer
        self._on = on
        self._folded = np.zeros(scan.grid, np.uint8)
        self._shown: tuple[int, ...] = ()
        active = viewer.layers.selection.active
        self.layer: Labels = viewer.add_labels(
            scan.unfold(self._folded), name=name, opacity=1.0, **place_of(on), **class_look(classes)
        )
        self.layer.contour = 1
        self.layer.editable = False
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active

    def lies_on(self, layer: Image | Labels) -> bool:
        """Whether it was made for this layer and is still in the viewer."""
        return self._on is layer and self.layer in self._viewer.layers

    def show(self, slices: Mapping[int, NDArray[np.uint8]]) -> None:
        """Show these slices, (Y, X) labels by their index along Z with all other axes folded in, and no others."""
        for z in self._shown:
            self._folded[z] = 0
        for z, labels in slices.items():
            self._folded[z] = labels
        self._shown = tuple(slices)
        self.layer.refresh(thumbnail=False, extent=False)

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        if self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)
