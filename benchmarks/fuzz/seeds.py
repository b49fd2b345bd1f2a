"""A few small whole files of each format, to be damaged."""

import copy
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    RLELossless,
    SegmentationStorage,
    generate_uid,
)

from napari_unet.annotation import new_class
from napari_unet.io import WRITE_SUFFIXES, Mask, write_mask
from napari_unet.scan import Geometry

ARRAY = np.random.default_rng(0).integers(0, 200, (3, 8, 9)).astype(np.int16)
IN_ZARR = (".zattrs", "0/.zarray", "0/0/0/0")
"""What is damaged in a Zarr folder: what it says of itself, of its array, and the voxels."""


def make_seeds(folder: Path, only: str | None = None) -> dict[str, list[Path]]:
    """Write the files, each into a folder of its own, and give them by the suffix of their format, or of one."""
    seeds: dict[str, list[Path]] = {}

    def add(suffix: str, save: Callable[[Path], object]) -> None:
        if only not in (None, suffix):
            return
        files = seeds.setdefault(suffix, [])
        path = folder / f"{suffix.strip('.')}-{len(files)}" / f"scan{suffix}"
        path.parent.mkdir(parents=True)
        save(path)
        files.append(path)

    image = sitk.GetImageFromArray(ARRAY)
    for suffix in (".nii", ".nii.gz"):
        add(suffix, lambda path: nib.save(nib.Nifti1Image(ARRAY.T, np.eye(4)), path))
        add(suffix, lambda path: nib.save(nib.Nifti2Image(ARRAY.T[..., None].astype(np.float32), np.eye(4)), path))
    for suffix in (".nrrd", ".mha", ".nhdr", ".mhd"):
        for packed in (True, False):
            add(suffix, lambda path, packed=packed: sitk.WriteImage(image, str(path), useCompression=packed))
    for options in ({}, {"compression": "zlib"}, {"imagej": True}, {"metadata": {"axes": "ZYX"}, "ome": True}):
        add(".tif", lambda path, options=options: tifffile.imwrite(path, ARRAY.astype(np.uint16), **options))
    for suffix in (".png", ".jpg"):
        add(suffix, lambda path: Image.fromarray(ARRAY[0].astype(np.uint8)).save(path))
        add(suffix, lambda path: Image.fromarray(np.stack([ARRAY[0].astype(np.uint8)] * 3, -1)).save(path))
    add(".npy", lambda path: np.save(path, ARRAY))
    add(".npz", lambda path: np.savez_compressed(path, raw=ARRAY))
    add(".npz", lambda path: np.savez(path, raw=ARRAY, other=ARRAY[0]))
    for options in ({}, {"chunks": True, "compression": "gzip"}):
        add(".h5", lambda path, options=options: _hdf5(path, options))
    _add_masks(add)
    for save in (_slice, _compressed_slice, _deflated_slice, _frames, _segmentation):
        add(".dcm", save)
    folders = seeds.get(".ome.zarr", ())
    return {**seeds, ".ome.zarr": [path / name for path, name in zip(folders, IN_ZARR, strict=bool(folders))]}


def _add_masks(add: Callable[[str, Callable[[Path], object]], None]) -> None:
    """Write a mask in every format that this program writes."""
    mask = Mask((ARRAY % 3).astype(np.uint8), geometry=Geometry.from_spacing((2, 1, 1)), unit="mm",
                spacing=(2.0, 1.0, 1.0), classes=(new_class(1), new_class(2)))  # fmt: skip
    for suffix in WRITE_SUFFIXES:
        if suffix not in (".dcm", ".tiff", ".ome.tiff", ".ome.zarr", ".zarr"):
            add(suffix, lambda path: write_mask(path, mask))
    for _ in IN_ZARR:
        add(".ome.zarr", lambda path: write_mask(path, mask))


def _hdf5(path: Path, options: dict[str, object]) -> None:
    with h5py.File(path, "w") as file:
        found = file.create_dataset("volumes/raw", data=ARRAY, **options)
        found.attrs["element_size_um"] = (2.0, 1.0, 1.0)


def _header(z: int = 0) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset("scan", {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    header.SeriesInstanceUID, header.SeriesNumber, header.Modality = "1.2.3", 1, "CT"
    header.Rows, header.Columns = ARRAY.shape[1:]
    header.PixelSpacing, header.ImageOrientationPatient = [1, 1], [1, 0, 0, 0, 1, 0]
    header.ImagePositionPatient = [0, 0, 2 * z]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
    header.RescaleSlope, header.RescaleIntercept = 1, -1000
    header.PixelData = ARRAY[z].tobytes()
    return header


def _slice(path: Path) -> None:
    """Write a series; its first slice is the one to be damaged."""
    for z in range(len(ARRAY)):
        _header(z).save_as(path if z == 0 else path.with_name(f"{z}.dcm"), enforce_file_format=True)


def _compressed_slice(path: Path) -> None:
    header = _header()
    header.compress(RLELossless)
    header.save_as(path, enforce_file_format=True)


def _deflated_slice(path: Path) -> None:
    header = _header()
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)


def _many(kind: str, positions: list[int], pixels: bytes) -> FileDataset:
    header = _header()
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = kind
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 2
    orientation.ImageOrientationPatient = header.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    header.SharedFunctionalGroupsSequence, header.PerFrameFunctionalGroupsSequence = [shared], []
    for z in positions:
        frame, position, segment = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient, segment.ReferencedSegmentNumber = [0, 0, 2 * z], 1
        frame.PlanePositionSequence, frame.SegmentIdentificationSequence = [position], [segment]
        header.PerFrameFunctionalGroupsSequence.append(frame)
    header.NumberOfFrames, header.PixelData = len(positions), pixels
    return header


def _frames(path: Path) -> None:
    _many(EnhancedCTImageStorage, [0, 1, 2], ARRAY.tobytes()).save_as(path, enforce_file_format=True)


def _segmentation(path: Path) -> None:
    header = copy.deepcopy(
        _many(SegmentationStorage, [0, 2], np.packbits(ARRAY[:2] > 100, bitorder="little").tobytes())
    )
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 1, 1, 0, 0
    header.Modality, header.SegmentationType = "SEG", "BINARY"
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "liver"
    segment.RecommendedDisplayCIELabValue = [40000, 40000, 40000]
    header.SegmentSequence = [segment]
    pydicom.dcmwrite(path, header, enforce_file_format=True)
