"""Print the Dice of slices that were filled between painted ones: ``python -m benchmarks.between [--data DIR]``.

Every second, third and fifth slice of manual masks is kept, as though a person had painted it completely, and those
between are filled: by shape-based interpolation, and by copying the nearest painted slice. Voxels of all filled
slices of a set are counted together, class by class; slices before the first kept one and after the last are not
scored.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

import napari_unet as nu
from napari_unet.annotation import BACKGROUND, mask_from_paint
from napari_unet.io import Mask
from napari_unet.io.sample import TRUTH, sample_folder

Volume = NDArray[np.uint8]
Spacing = tuple[float, float, float]

KEPT = (2, 3, 5)
CARDIAC = "mri_cardiac_sunnybrook"
SPINE = "mri_spine_sct"
SPINE_FILES = (
    "t1/t1w_seg-manual.nii.gz",
    "t2/t2_seg-manual.nii.gz",
    "t2/t2_seg-manual_labeled.nii.gz",
    "t2s/t2s_gmseg_manual.nii.gz",
)


def masks(folder: Path | None) -> Iterator[tuple[str, Mask]]:
    """Read the masks of each set, named by the set; without a folder the bundled one only."""
    yield "chest, seven classes", nu.read_mask(sample_folder() / TRUTH)
    if folder is None:
        return
    for file in sorted((folder / CARDIAC).glob("*_lv.nii.gz")):
        yield "heart, left ventricle", nu.read_mask(file)
    for name in SPINE_FILES:
        yield f"spine, {Path(name).name.removesuffix('.nii.gz')}", nu.read_mask(folder / SPINE / name)


def shape_based(paint: Volume, spacing: Spacing) -> Volume:
    """Fill as the program does."""
    return mask_from_paint(nu.fill_between(paint, spacing=spacing).paint)


def nearest(paint: Volume, spacing: Spacing) -> Volume:
    """Copy the nearest painted slice; of two the earlier."""
    del spacing
    painted = np.flatnonzero(paint.any(axis=(1, 2)))
    return mask_from_paint(paint[[painted[np.argmin(np.abs(painted - z))] for z in range(len(paint))]])


METHODS: dict[str, Callable[[Volume, Spacing], Volume]] = {"nearest slice": nearest, "shape-based": shape_based}


def across_the_body(mask: Mask) -> tuple[Volume, Spacing]:
    """Turn the axis with the longest step, or the longest axis of even ones, to the front, as people paint."""
    labels, spacing = mask.labels, mask.spacing
    axis = int(np.argmax(spacing)) if max(spacing) > 1.5 * min(spacing) else int(np.argmin(_spread(labels)))
    order = (axis, *(i for i in range(3) if i != axis))
    z, y, x = (spacing[i] for i in order)
    return labels.transpose(order), (z, y, x)


def _spread(labels: Volume) -> list[float]:
    """Measure the mean area that the labels cover in the slices across each axis."""
    there = labels > 0
    return [float(there.sum() / max(1, there.any(axis=tuple(j for j in range(3) if j != i)).sum())) for i in range(3)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.between", description=__doc__)
    parser.add_argument("--data", type=Path, help=f"folder that holds {CARDIAC} and {SPINE}")
    folder = parser.parse_args().data
    overlap: dict[tuple[str, int, str], dict[int, NDArray[np.int64]]] = defaultdict(lambda: defaultdict(_nothing))
    seconds: dict[str, float] = defaultdict(float)
    for name, mask in masks(folder):
        truth, spacing = across_the_body(mask)
        for every in KEPT:
            kept = np.arange(0, len(truth), every)
            paint = np.zeros_like(truth)
            paint[kept] = np.where(truth[kept] == 0, BACKGROUND, truth[kept])
            scored = np.setdiff1d(np.arange(kept[-1]), kept)
            for method, fill in METHODS.items():
                begun = perf_counter()
                found = fill(paint, spacing)[scored]
                seconds[method] += perf_counter() - begun
                for label in np.unique(truth)[1:].tolist():
                    a, b = found == label, truth[scored] == label
                    overlap[name, every, method][label] += [(a & b).sum(), a.sum() + b.sum()]
    print(f"| set | every | {' | '.join(METHODS)} |\n|---|---|{'---|' * len(METHODS)}")
    for name, every in dict.fromkeys(key[:2] for key in overlap):
        scores = [overlap[name, every, method] for method in METHODS]
        dice = [np.mean([2 * both / total for both, total in of.values() if total]) for of in scores]
        print(f"| {name} | {every} | {' | '.join(f'{score:.3f}' for score in dice)} |")
    print(", ".join(f"{method}: {took:.1f} s" for method, took in seconds.items()))


def _nothing() -> NDArray[np.int64]:
    return np.zeros(2, np.int64)


if __name__ == "__main__":
    main()
