"""How well a mask agrees with a reference: overlap, distances between surfaces, volumes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_unet.annotation import ClassInfo, as_mask, classes_for
from napari_unet.errors import BadInput


@dataclass(frozen=True)
class Agreement:
    """How well one class agrees.

    Parameters
    ----------
    label, name
        The class.
    dice
        Twice the shared voxels over the sum of both (Dice 1945, doi:10.2307/1932409). 1 is perfect; 0 when one
        of the two is empty; NaN when both are.
    iou
        Shared voxels over the voxels of either (Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x);
        likewise.
    hd95_mm
        95th percentile of the distances from one surface to the other, the larger of both directions (Taha &
        Hanbury 2015, doi:10.1186/s12880-015-0068-x). NaN unless both are there.
    assd_mm
        Average symmetric surface distance: the mean over both surfaces of the distance to the other one (same
        paper). NaN unless both are there.
    volume_ml, truth_ml
        Volume in the mask and in the truth.
    """

    label: int
    name: str
    dice: float
    iou: float
    hd95_mm: float
    assd_mm: float
    volume_ml: float
    truth_ml: float


@dataclass(frozen=True)
class Evaluation:
    """How well a mask agrees with a reference, class by class, in ascending order of labels."""

    classes: tuple[Agreement, ...]

    @property
    def mean_dice(self) -> float:
        """Mean Dice of the classes that the mask or the truth holds; NaN when neither holds any."""
        known = [row.dice for row in self.classes if not isnan(row.dice)]
        return sum(known) / len(known) if known else nan

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON values; what is not defined is None."""
        rows = [{key: _known(value) for key, value in asdict(row).items()} for row in self.classes]
        return {"classes": rows, "mean_dice": _known(self.mean_dice)}


def evaluate(
    mask: NDArray[Any],
    truth: NDArray[Any],
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    classes: Sequence[ClassInfo] = (),
) -> Evaluation:
    """Compare a mask with a reference, class by class.

    Parameters
    ----------
    mask, truth
        (Z, Y, X) or (Y, X) of one shape, whole numbers: 0 background, 1..254 classes.
    spacing
        Distance between voxel centres in mm, (z, y, x), or (y, x) for flat masks.
    classes
        Names of classes. Those that neither array holds are listed too.

    Returns
    -------
    Evaluation
        A row for every class that either array holds or ``classes`` names.

    Raises
    ------
    BadInput
        The shapes differ, or one of them is not a mask.

    Notes
    -----
    A surface is made of the centres of the voxels with a face towards another class or the border of the scan.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.zeros((4, 4), np.uint8)
    >>> truth[:2] = 1
    >>> evaluate(np.roll(truth, 1, axis=0), truth).classes[0].dice
    0.5
    """
    if mask.shape != truth.shape:
        raise BadInput(
            f"the mask is {mask.shape} but the truth is {truth.shape}: compare masks that were made for the same scan."
        )
    if mask.ndim not in (2, 3):
        raise BadInput(f"masks are compared as (Z, Y, X) or (Y, X); these are {mask.shape}: compare volume by volume.")
    grid = (-1, *mask.shape[-2:])
    ours, theirs = as_mask(mask, "the mask").reshape(grid), as_mask(truth, "the truth").reshape(grid)
    lengths = (*(1.0,) * (3 - len(spacing)), *spacing)
    boxes = [_boxes(ours), _boxes(theirs)]
    found = sorted({info.label for info in classes}.union(*boxes))
    rows = []
    for info in classes_for(found, classes):
        box = _hull([of[info.label] for of in boxes if info.label in of])
        rows.append(_agreement(info, ours[box] == info.label, theirs[box] == info.label, lengths, len(ours) == 1))
    return Evaluation(tuple(rows))


def _agreement(
    info: ClassInfo, ours: NDArray[np.bool_], theirs: NDArray[np.bool_], spacing: tuple[float, ...], flat: bool
) -> Agreement:
    """Compare the shapes of one class within a box that holds both of them."""
    a, b, shared = (int(np.count_nonzero(shape)) for shape in (ours, theirs, ours & theirs))
    hd95 = assd = nan
    if a and b:
        ahead, back = _distances(_surface(ours, spacing, flat), _surface(theirs, spacing, flat))
        hd95 = float(max(np.percentile(ahead, 95), np.percentile(back, 95)))
        assd = float((ahead.sum() + back.sum()) / (ahead.size + back.size))
    voxel_ml = prod(spacing) / 1000
    return Agreement(
        label=info.label,
        name=info.name,
        dice=2 * shared / (a + b) if a + b else nan,
        iou=shared / (a + b - shared) if a + b else nan,
        hd95_mm=hd95,
        assd_mm=assd,
        volume_ml=a * voxel_ml,
        truth_ml=b * voxel_ml,
    )


def _surface(shape: NDArray[np.bool_], spacing: tuple[float, ...], flat: bool) -> NDArray[np.float64]:
    """Give the surface voxels' centres, (n, 3) in mm; in a flat mask slices have no faces."""
    faces = ndimage.generate_binary_structure(3, 1)
    if flat:
        faces[[0, 2]] = False
    edge = shape & ~ndimage.binary_erosion(shape, faces)
    return np.multiply(np.argwhere(edge), spacing, dtype=np.float64)


def _distances(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Measure from every point of one surface to the nearest of the other, both ways."""
    return cKDTree(theirs).query(ours, workers=-1)[0], cKDTree(ours).query(theirs, workers=-1)[0]


def _boxes(array: NDArray[np.uint8]) -> dict[int, tuple[slice, ...]]:
    found = enumerate(ndimage.find_objects(array), start=1)
    return {label: box for label, box in found if box is not None}


def _hull(boxes: Sequence[tuple[slice, ...]]) -> tuple[slice, ...]:
    """Give the box around boxes; an empty one around none."""
    if not boxes:
        return (slice(0),)
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides)) for sides in zip(*boxes, strict=True)
    )


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value
