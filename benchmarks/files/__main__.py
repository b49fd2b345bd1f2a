"""Every file in a folder, read, given a mask, written in every format, read back: ``python -m benchmarks.files``.

With ``--data DIR`` all scans below DIR, else the bundled one. Masks are made of the intensities: four classes by
quartiles. Written and read masks are compared here once more, voxel by voxel, matrix by matrix, name by name. A
table tells for each kind of source and each format how many came back the same; the exit status is 1 when one did not.
"""

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import pydicom

from napari_unet.annotation import new_class
from napari_unet.errors import UnetError
from napari_unet.io import (
    READ_SUFFIXES,
    WRITE_SUFFIXES,
    Mask,
    check_mask_fits,
    in_zarr,
    read_mask,
    read_scan,
    write_mask,
)
from napari_unet.io.files import is_dicom
from napari_unet.io.formats import format_of, suffix_of
from napari_unet.io.questions import Several
from napari_unet.io.sample import SCAN, sample_folder
from napari_unet.scan import Scan

CLOSE = 1e-4
"""In mm, between a matrix as it was and as it comes back."""
ALIASES = (".nii", ".tiff", ".ome.tiff", ".zarr")
"""Other suffixes of formats that are written anyway."""
FORMATS_WRITTEN = tuple(suffix for suffix in WRITE_SUFFIXES if suffix not in ALIASES)


@dataclass
class Tally:
    """What became of the masks of one kind of source in one format."""

    same: int = 0
    different: list[str] = field(default_factory=list)
    seconds: float = 0.0


def sources(folder: Path) -> Iterator[tuple[str, Path, str | None]]:
    """Find everything that can be a scan: (kind, path, DICOM series); of a series its folder."""
    in_folders: dict[Path, Counter[str]] = defaultdict(Counter)
    for path in sorted(folder.rglob("*")):
        if in_zarr(path):
            if path.is_dir() and in_zarr(Path(path.name)):
                yield ".zarr", path, None
            continue
        if not path.is_file():
            continue
        if is_dicom(path):
            header = pydicom.dcmread(
                path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID", "NumberOfFrames"]
            )
            if header.get("NumberOfFrames"):
                yield "DICOM, many frames", path, None
            else:
                in_folders[path.parent][str(header.get("SeriesInstanceUID", ""))] += 1
        elif (suffix := suffix_of(path)) in READ_SUFFIXES:
            yield str(suffix), path, None
    for place, series in in_folders.items():
        for uid in series:
            yield "DICOM", place, uid


def scans_in(path: Path, series: str | None) -> Iterator[Scan]:
    """Read a scan, or each of the arrays between which a file leaves the choice."""
    try:
        yield read_scan(path, series=series)
    except Several as several:
        for choice in several.choices:
            yield read_scan(path, series=choice.key)


def mask_on(scan: Scan) -> Mask:
    """Make a mask of four classes of a scan, by quartiles of its first channel."""
    channel = np.asarray(scan.array)[0]
    limits = np.quantile(channel[:: max(1, len(channel) // 8)], (0.25, 0.5, 0.75))
    labels = np.digitize(channel, limits).astype(np.uint8)
    return Mask.on(scan, scan.unfold(labels), [new_class(label, f"quartile {label}") for label in (1, 2, 3, 7)])


def difference(path: Path, meant: Mask) -> str:
    """Say how a file differs from its mask; empty when it does not."""
    read = read_mask(path)
    if read.labels.shape != meant.labels.shape or not np.array_equal(read.labels, meant.labels):
        return "voxels"
    if [(info.label, info.name) for info in read.classes] != [(info.label, info.name) for info in meant.classes]:
        return "names"
    if format_of(path).geometry and meant.geometry is not None:
        if read.geometry is None or not read.geometry.close_to(meant.geometry, CLOSE):
            return "place"
    elif not np.allclose(read.spacing, meant.spacing, rtol=1e-5, atol=CLOSE):
        return "spacing"
    return ""


def compare(kind: str, path: Path, scan: Scan, tallies: dict[tuple[str, str], Tally]) -> None:
    """Write the mask of a scan in every format that can hold it, and count what comes back."""
    mask = mask_on(scan)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in FORMATS_WRITTEN:
            target = Path(folder) / f"{suffix[1:].replace('.', '-')}{suffix}"
            try:
                check_mask_fits(target, scan)
            except UnetError:
                continue
            tally = tallies[kind, suffix]
            started = perf_counter()
            try:
                write_mask(target, mask)
                differs = difference(target, mask)
            except UnetError as error:
                differs = str(error)
            tally.seconds += perf_counter() - started
            if differs:
                tally.different.append(f"{path} as {suffix}: {differs}")
            else:
                tally.same += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of scans, looked through with all folders in it")
    folder: Path | None = parser.parse_args().data
    found = sources(folder) if folder else iter([(".nrrd", sample_folder() / SCAN, None)])
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    read: Counter[str] = Counter()
    refused: list[str] = []
    for kind, path, series in found:
        try:
            for scan in scans_in(path, series):
                read[kind] += 1
                compare(kind, path, scan, tallies)
        except UnetError as error:
            refused.append(f"{path}: {error}")
    print_table(read, tallies)
    print(f"\n{len(refused)} not read:" if refused else "\nAll were read.")
    for line in refused:
        print(f"  {line}")
    different = [line for tally in tallies.values() for line in tally.different]
    print(f"\n{len(different)} masks came back different." if different else "\nEvery mask came back as it was.")
    for line in different:
        print(f"  {line}")
    return 1 if different else 0


def print_table(read: Counter[str], tallies: dict[tuple[str, str], Tally]) -> None:
    """Print how many masks came back the same, of how many, and the mean time to write, prove and read one."""
    print("| source | scans |" + "|".join(f" {suffix} " for suffix in FORMATS_WRITTEN) + "|")
    print("|---|---|" + "---|" * len(FORMATS_WRITTEN))
    for kind in sorted(read):
        cells = []
        for suffix in FORMATS_WRITTEN:
            tally = tallies.get((kind, suffix))
            total = tally.same + len(tally.different) if tally else 0
            cells.append(f" {tally.same}/{total}, {tally.seconds / total:.2f} s " if tally and total else " - ")
        print(f"| {kind} | {read[kind]} |" + "|".join(cells) + "|")


if __name__ == "__main__":
    sys.exit(main())
