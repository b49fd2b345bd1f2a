"""What is painted and what is scored: scans with their paint to learn from, other slices or scans to be judged on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread

import napari_unet as nu
from benchmarks.quality.painter import scribbles, whole_slices
from napari_unet.io.sample import SCAN, TRUTH, sample_folder

Labels = NDArray[np.uint8]
CT_PAINTED = (5, 13, 21, 29)
PATIENTS_PAINTED = 6
PATIENTS_SCORED = 20
EYES_PAINTED = 2
NUCLEI_EVERY = 6
SPINE_EVERY = 20
EM_PAINTED = 400
"""Columns of the large electron micrograph that are painted."""
EM_GAP = 100
"""Columns beside them that are not scored."""


@dataclass(frozen=True)
class Scored:
    """A scan that is predicted and judged: (Z, Y, X) truth, and which voxels count."""

    scan: nu.Scan
    truth: Labels
    counts: NDArray[np.bool_]


@dataclass(frozen=True)
class Task:
    """What a method is given, and what it is judged on."""

    name: str
    scans: tuple[nu.Scan, ...]
    paints: tuple[Labels, ...]
    scored: tuple[Scored, ...]
    ct: bool = False
    """Whether intensities are Hounsfield units, for who treats these in another way."""

    def dice(self, masks: list[Labels]) -> float:
        """Mean over the classes of the mean over the scans that hold the class of its Dice; where it counts."""
        labels = np.unique(np.concatenate([np.unique(one.truth[one.counts]) for one in self.scored]))
        per_class = []
        for label in labels[labels > 0]:
            of_scans = []
            for one, mask in zip(self.scored, masks, strict=True):
                truth, found = one.truth[one.counts] == label, mask[one.counts] == label
                if truth.any():
                    of_scans.append(2 * (truth & found).sum() / (truth.sum() + found.sum()))
            per_class.append(np.mean(of_scans))
        return float(np.mean(per_class))


def _ct(name: str, scan_file: Path, truth_file: Path, painter: Callable[..., Labels]) -> Task:
    scan, truth = nu.read_scan(scan_file), nu.read_mask(truth_file).labels
    counts = np.ones(truth.shape, bool)
    counts[list(CT_PAINTED)] = False
    return Task(name, (scan,), (painter(truth, CT_PAINTED),), (Scored(scan, truth, counts),), ct=True)


def _ct_files(data: Path | None) -> tuple[Path, Path]:
    if data is None:
        return sample_folder() / SCAN, sample_folder() / TRUTH
    return data / "ct_chest_slicerio" / "CTChest4.nrrd", data / "ct_chest_slicerio" / "Segmentation.seg.nrrd"


def ct_chest(data: Path | None) -> Task:
    """Paint seven classes on four whole slices of a chest CT; its other 30 are scored."""
    return _ct("ct_chest", *_ct_files(data), whole_slices)


def ct_chest_scribbles(data: Path | None) -> Task:
    """Paint strokes on 2 % of the same four slices."""
    return _ct("ct_chest, scribbles", *_ct_files(data), scribbles)


def _whole(scan: nu.Scan, truth: Labels) -> Scored:
    return Scored(scan, truth, np.ones(truth.shape, bool))


def hearts(data: Path) -> list[tuple[nu.Scan, Labels]]:
    """Read the patients with their left ventricles."""
    files = sorted((data / "mri_cardiac_sunnybrook").glob("*_img.nii.gz"))
    return [(nu.read_scan(f), nu.read_mask(f.with_name(f.name.replace("_img", "_lv"))).labels) for f in files]


def mri_cardiac(data: Path) -> Task:
    """Paint the left ventricle on the middle slice of 6 patients; 20 other patients are scored."""
    read = hearts(data)
    painted, others = read[:PATIENTS_PAINTED], read[-PATIENTS_SCORED:]
    paints = tuple(whole_slices(truth, [len(truth) // 2]) for _, truth in painted)
    return Task("mri_cardiac", tuple(s for s, _ in painted), paints, tuple(_whole(*one) for one in others))


def mri_spine(data: Path) -> Task:
    """Paint the spinal cord on every 20th slice across a T1 volume; the slices between are scored."""
    folder = data / "mri_spine_sct" / "t1"
    scan, truth = nu.read_scan(folder / "t1w.nii.gz"), nu.read_mask(folder / "t1w_seg-manual.nii.gz").labels
    slices = range(SPINE_EVERY // 2, len(truth), SPINE_EVERY)
    counts = np.ones(truth.shape, bool)
    counts[list(slices)] = False
    return Task("mri_spine", (scan,), (whole_slices(truth, slices),), (Scored(scan, truth, counts),))


def em_axon(data: Path) -> Task:
    """Paint myelin and axon on the left of an electron micrograph; the right of it is scored."""
    folder = data / "em_axondeepseg" / "sem_large"
    scan = nu.read_scan(folder / "image.png")
    truth = np.digitize(imread(folder / "mask.png")[..., 0], [64, 192]).astype(np.uint8)[None]
    paint = whole_slices(truth, [0])
    paint[..., EM_PAINTED:] = 0
    counts = np.zeros(truth.shape, bool)
    counts[..., EM_PAINTED + EM_GAP :] = True
    return Task("em_axon", (scan,), (paint,), (Scored(scan, truth, counts),))


def retina(data: Path) -> Task:
    """Paint the vessels of two fundus photographs; those of six others are scored."""
    pictures = [f for f in sorted((data / "retina_chase_db1").glob("Image_*.png")) if "1stHO" not in f.name]
    read = [
        (nu.read_scan(f), (imread(f.with_name(f"{f.stem}_1stHO.png")) > 0).astype(np.uint8)[None]) for f in pictures
    ]
    painted = read[:EYES_PAINTED]
    paints = tuple(whole_slices(truth, [0]) for _, truth in painted)
    return Task("retina", tuple(s for s, _ in painted), paints, tuple(_whole(*one) for one in read[EYES_PAINTED:]))


def stained(data: Path) -> list[tuple[nu.Scan, Labels]]:
    """Read the pictures of three kinds of stain with their nuclei."""
    read = []
    for file in sorted((data / "nuclei_dsb2018").rglob("*_image.png")):
        instances = imread(file.with_name(file.name.replace("_image", "_instances")))
        read.append((nu.read_scan(file), (instances > 0).astype(np.uint8)[None]))
    return read


def nuclei(data: Path) -> Task:
    """Paint the nuclei of every sixth of 60 pictures, of three kinds of stain; the others are scored."""
    read = stained(data)
    painted = read[::NUCLEI_EVERY]
    others = [one for number, one in enumerate(read) if number % NUCLEI_EVERY]
    paints = tuple(whole_slices(truth, [0]) for _, truth in painted)
    return Task("nuclei", tuple(s for s, _ in painted), paints, tuple(_whole(*one) for one in others))


BUNDLED = {"ct_chest": ct_chest, "scribbles": ct_chest_scribbles}
"""Made from the bundled sample where no folder is given."""
WITH_DATA = {"mri_cardiac": mri_cardiac, "mri_spine": mri_spine, "em_axon": em_axon, "retina": retina, "nuclei": nuclei}
