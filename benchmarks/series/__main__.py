"""How long a CT series of 300 slices, 512 x 512, takes to read, beside SimpleITK's series reader alone.

Three ways of ours: in the process that asks (Python), in a process of its own that stands ready (the window from
the second file on, the commands), and in one that has to be started first (the window's first file). All are taken
in turns, several times, and the fastest of each counts: the machine may be busy.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from napari_unet.io import read_scan
from napari_unet.runner.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable


def write_series(folder: Path, slices: int) -> None:
    """Write a CT series as scanners do, with some forty further entries in each header."""
    uid, study, frame = generate_uid(), generate_uid(), generate_uid()
    image = np.random.default_rng(0).integers(0, 3000, (512, 512)).astype(np.int16)
    for z in range(slices):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        header.SeriesInstanceUID, header.StudyInstanceUID, header.FrameOfReferenceUID = uid, study, frame
        header.SeriesNumber, header.Modality, header.InstanceNumber = 4, "CT", z + 1
        for number in range(40):
            header.add_new((0x0011, 0x1010 + number), "LO", f"entry {number}")
        header.Rows, header.Columns, header.PixelSpacing, header.SliceThickness = 512, 512, [0.7, 0.7], 1
        header.ImageOrientationPatient, header.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-180, -180, z - 100.0]
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
        header.RescaleSlope, header.RescaleIntercept = 1, -1024
        header.PixelData = (image + z).tobytes()
        pydicom.dcmwrite(folder / f"IM{z:04d}", header, enforce_file_format=True)


def by_simpleitk(folder: Path) -> None:
    """Read as the examples of SimpleITK do."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    sitk.GetArrayViewFromImage(reader.Execute())


def started_first(folder: Path) -> None:
    """Read in a process that is started for it."""
    reader = Reader()
    reader.read([folder])
    reader.end()


def main() -> None:
    """Write the series, read it in turns, and print the fastest of each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    reader = Reader()
    ways: dict[str, Callable[[Path], object]] = {
        "SimpleITK alone": by_simpleitk,
        "in this process": read_scan,
        "in a process that stands ready": lambda folder: reader.read([folder]),
        "in a process started for it": started_first,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_series(folder, args.slices)
        reader.read([folder])
        took: dict[str, float] = {}
        for _ in range(args.times):
            for way, read in ways.items():
                start = time.perf_counter()
                read(folder)
                took[way] = min(took.get(way, 1e9), time.perf_counter() - start)
    reader.end()
    print(f"{args.slices} slices of 512 x 512; the fastest of {args.times}")
    for way, seconds in took.items():
        print(f"{way:32} {seconds:.2f} s, {seconds / took['SimpleITK alone']:.2f} of SimpleITK's")


if __name__ == "__main__":
    main()
