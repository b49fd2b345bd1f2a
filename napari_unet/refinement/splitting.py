"""Splitting objects that touch, such as cells, by a watershed of how deep they are."""

from collections.abc import Iterator, Sequence

import cc3d
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet.annotation import LARGEST_CLASS
from napari_unet.errors import BadInput
from napari_unet.refinement.boxes import Box, class_boxes, padded
from napari_unet.refinement.connected import connected_pieces
from napari_unet.refinement.distances import Spacing, distance_within, flat_or_solid


def split(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    neck: float,
    spacing: Spacing,
    by_slice: bool = False,
    number: bool = False,
    slices: slice = slice(None),
) -> Iterator[int]:
    """Split the objects of each class at their necks.

    The depth of a voxel is its distance to the nearest voxel outside the class. Each maximum of the depth that
    rises by more than ``neck`` over the neck to a deeper one is a body of its own (h-maxima; Soille 2003,
    doi:10.1007/978-3-662-05088-0). Bodies are flooded from their deepest voxels outwards (Beucher and Meyer 1993,
    doi:10.1201/9781482277234), and where two floods meet is the line between them.

    A class is background or another class to the others: no voxel goes from one class to another.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place.
    classes
        Which classes to split; none named means all.
    neck
        By how many mm of radius the neck has to be thinner than both bodies.
    spacing
        (z, y, x) in mm.
    by_slice
        Whether each slice is looked at by itself.
    number
        If not, the line between two objects, one voxel wide, becomes background: no two objects touch by a face,
        an edge or a corner. If so, there is no line, and each object becomes a class by itself: numbers count
        from 1, class by class and in the order of the first voxels, and skip those of classes that are not
        split. By slice, they begin anew in each slice.
    slices
        The only slices that have to come out right, unless objects are numbered: pieces that do not reach them
        are left as they are.

    Yields
    ------
    int
        The class just done.

    Raises
    ------
    BadInput
        There are more objects to number than there can be classes.
    """
    slabs = [slice(z, z + 1) for z in range(len(labels))] if by_slice else [slice(None)]
    objects = [_Numbers(labels[slab], classes) if number else None for slab in slabs]
    before = labels.copy() if number else labels
    for label in class_boxes(before, classes):
        for slab, numbers in zip(slabs, objects, strict=True):
            for tight in class_boxes(before[slab], (label,)).values():
                box = padded(tight, before[slab].shape, (1, 1, 1))
                shape = before[slab][box] == label
                if numbers is None and not by_slice:
                    shape, box = _reaching(shape, box, slices)
                bodies = _flooded(shape, neck, spacing, line=not number)
                here = labels[slab][box]
                if numbers is None:
                    here[shape & (bodies == 0)] = 0
                else:
                    here[shape] = numbers.of(bodies[shape])
        yield label


class _Numbers:
    """The class numbers that objects may get, given out in their order."""

    def __init__(self, labels: NDArray[np.uint8], classes: Sequence[int]) -> None:
        stay = set(np.unique(labels).tolist()) - set(classes) if classes else set()
        self._free = [number for number in range(1, LARGEST_CLASS + 1) if number not in stay]

    def of(self, bodies: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
        """Give each voxel the class number of its body."""
        _, first, which = np.unique(bodies, return_index=True, return_inverse=True)
        if len(first) > len(self._free):
            raise BadInput(
                f"there are more than {LARGEST_CLASS} objects to number: split them by a gap instead, or remove "
                "small ones first."
            )
        numbers, self._free = self._free[: len(first)], self._free[len(first) :]
        given = np.empty(len(first), np.uint8)
        given[np.argsort(first)] = numbers
        return given[which]


def _reaching(shape: NDArray[np.bool_], box: Box, slices: slice) -> tuple[NDArray[np.bool_], Box]:
    """Give the connected pieces of a shape that reach some slices of the volume, and their box with a voxel around.

    They are as deep and as thin as beside the others: between two pieces lies background.
    """
    start, stop, _ = slices.indices(box[0].stop)
    pieces = connected_pieces(shape, connectivity=26)
    reach = np.zeros(int(pieces.max()) + 1, np.bool_)
    reach[pieces[max(0, start - box[0].start) : max(0, stop - box[0].start)]] = True
    reach[0] = False
    kept = reach[pieces]
    tight = class_boxes(kept.view(np.uint8)).get(1)
    if tight is None:
        return kept, box
    inner = padded(tight, shape.shape, (1, 1, 1))
    z, y, x = (slice(whole.start + part.start, whole.start + part.stop) for whole, part in zip(box, inner, strict=True))
    return kept[inner], (z, y, x)


def _flooded(shape: NDArray[np.bool_], neck: float, spacing: Spacing, *, line: bool) -> NDArray[np.unsignedinteger]:
    """Flood the bodies of a (Z, Y, X) shape: each gets a number, the lines between them, if wanted, 0."""
    pieces = connected_pieces(shape, connectivity=26).astype(np.uint32)
    depth = distance_within(shape, spacing)  # infinite when nothing around it says where it is thin
    deep = np.zeros(int(pieces.max()) + 1, np.bool_)
    deep[pieces[(depth > neck) & (depth < np.inf)]] = True
    splits = deep[pieces]  # what is shallow all over is a body as it is
    tight = class_boxes(splits.view(np.uint8)).get(1)
    if tight is None:
        return pieces
    box = padded(tight, shape.shape, (1, 1, 1))
    bodies, here = _watershed(np.where(splits[box], depth[box], 0), neck, line=line), splits[box]
    pieces[box][here] = np.where(bodies[here], bodies[here] + len(deep), 0)
    return pieces


def _watershed(depth: NDArray[np.float32], neck: float, *, line: bool) -> NDArray[np.unsignedinteger]:
    """Flood shapes, given how deep in them each (Z, Y, X) voxel lies, from their bottoms; 0 is outside."""
    image, shape = flat_or_solid(-depth), depth > 0
    minima = sitk.RegionalMinima(sitk.HMinima(image, height=neck, fullyConnected=True), fullyConnected=True)
    bottoms = sitk.GetArrayFromImage(minima).reshape(depth.shape) > 0
    seeds = cc3d.connected_components((bottoms & shape).view(np.uint8), connectivity=26, out_dtype=np.uint32)
    # The background lies higher than all of the shapes: it is flooded last, and joins none before. What of it touches
    # none need not be flooded at all.
    seeds[ndimage.maximum_filter(shape.view(np.uint8), 3) == 0] = seeds.max() + 1
    bodies = sitk.MorphologicalWatershedFromMarkers(
        image, flat_or_solid(seeds), markWatershedLine=line, fullyConnected=True
    )
    flooded: NDArray[np.unsignedinteger] = sitk.GetArrayFromImage(bodies).reshape(depth.shape)
    return flooded
