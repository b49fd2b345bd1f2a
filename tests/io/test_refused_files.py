"""Every file that cannot be used is refused with a sentence that names it."""

import gzip
import io
import struct

import h5py
import nibabel as nib
import numpy as np
import psutil
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_unet.annotation import new_class
from napari_unet.errors import BadInput, OutOfMemory
from napari_unet.io import FORMATS, MASK_SUFFIXES, READ_SUFFIXES, Mask, read_mask, read_scan, write_mask

ARRAY = np.random.default_rng(0).integers(0, 3, (8, 16, 16)).astype(np.int16)


def saved(folder, suffix):
    path = folder / f"thorax{suffix}"
    if suffix.startswith(".nii"):
        nib.save(nib.Nifti1Image(ARRAY.T, np.eye(4)), path)
    elif suffix in (".png", ".jpg", ".jpeg"):
        Image.fromarray(ARRAY[0].astype(np.uint8) * 90).save(path)
    elif suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, ARRAY.astype(np.uint16))
    elif suffix == ".npy":
        np.save(path, ARRAY)
    elif suffix == ".npz":
        np.savez_compressed(path, ARRAY)
    elif suffix in (".h5", ".hdf5"):
        with h5py.File(path, "w") as file:
            file["raw"] = ARRAY
    else:
        sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(path), useCompression=suffix != ".nhdr")
    return path


FOLDERS = tuple(suffix for known in FORMATS if known.folder for suffix in known.suffixes)
FILES = tuple(suffix for suffix in READ_SUFFIXES if suffix not in FOLDERS)
SAVED = tuple(suffix for suffix in FILES if suffix != ".dcm")
WHOLE = tuple(suffix for suffix in SAVED if suffix not in (".nhdr", ".mhd"))


@pytest.mark.parametrize("suffix", WHOLE)
@pytest.mark.parametrize("share", [0.02, 0.4, 0.9])
def test_cut_short(tmp_path, suffix, share):
    path = saved(tmp_path, suffix)
    assert read_scan(path).array.any()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadInput, match="thorax"):
        read_scan(path)


@pytest.mark.parametrize(
    ("suffix", "reason"), [(".nii", r"\(Expected 4096 bytes, got \d+ bytes"), (".mha", r"\(File cannot")]
)
def test_the_reason_is_the_telling_part_of_what_the_library_says(tmp_path, suffix, reason):
    path = tmp_path / f"thorax{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(path), useCompression=False)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadInput, match=reason):
        read_scan(path)


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_its_second_file_cut_short_or_gone(tmp_path, suffix):
    path = saved(tmp_path, suffix)
    (data,) = (entry for entry in tmp_path.iterdir() if entry != path)
    data.write_bytes(data.read_bytes()[:-20])
    with pytest.raises(BadInput, match="thorax"):
        read_scan(path)
    data.unlink()
    with pytest.raises(BadInput, match="not beside it"):
        read_scan(path)


@pytest.mark.parametrize("suffix", FILES)
def test_empty_missing_a_folder_or_something_else(tmp_path, suffix):
    path = tmp_path / f"thorax{suffix}"
    with pytest.raises(BadInput, match="thorax"):
        read_scan(path)
    path.write_bytes(b"")
    with pytest.raises(BadInput, match="thorax"):
        read_scan(path)
    path.write_bytes(b"This is a letter, and not a scan at all. " * 40)
    with pytest.raises(BadInput, match="thorax"):
        read_scan(path)
    if suffix in MASK_SUFFIXES:
        with pytest.raises(BadInput, match="thorax"):
            read_mask(path)
        path.unlink()
        path.mkdir()
        with pytest.raises(BadInput, match="is a folder"):
            read_mask(path)


@pytest.mark.parametrize("name", ["thorax", "thorax.docx", "thorax.nii.zip", ".gz"])
def test_an_unknown_suffix_lists_the_known_ones(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    for use in (read_scan, read_mask):
        with pytest.raises(BadInput, match=r"\.nii\.gz.*\.seg\.nrrd.*\.tif"):
            use(tmp_path / name)
    with pytest.raises(BadInput, match=r"\.nii\.gz"):
        write_mask(tmp_path / f"{name}.docx", Mask(np.zeros((2, 2), np.uint8), "YX"))


def test_a_lossy_format_holds_no_mask(tmp_path):
    with pytest.raises(BadInput, match=r"thorax\.jpg"):
        read_mask(saved(tmp_path, ".jpg"))


@pytest.mark.parametrize(
    ("value", "words"), [(0.5, "fractions such as 0.5"), (-1.0, "the label -1"), (256.0, "the label 256")]
)
@pytest.mark.parametrize("suffix", [".nii.gz", ".npy", ".tif", ".nrrd"])
def test_what_is_not_a_label(tmp_path, value, words, suffix):
    array = np.full((2, 3, 4), value, np.float32)
    path = tmp_path / f"a{suffix}"
    if suffix == ".nii.gz":
        nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    elif suffix == ".npy":
        np.save(path, array)
    elif suffix == ".tif":
        tifffile.imwrite(path, array, photometric="minisblack")
    else:
        sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    with pytest.raises(BadInput, match=words):
        read_mask(path)


def test_a_colour_picture_is_no_mask(tmp_path):
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match="one label for each voxel"):
        read_mask(tmp_path / "a.png")


def test_overlapping_segments(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((3, 4, 5, 2), np.uint8), isVector=True)
    image.SetMetaData("Segment0_Layer", "0")
    image.SetMetaData("Segment1_Layer", "1")
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    for use in (read_mask, read_scan):
        with pytest.raises(BadInput, match="overlapping segments"):
            use(tmp_path / "a.seg.nrrd")


def segmentation(folder, **fields):
    image = sitk.GetImageFromArray(np.zeros((3, 4, 5), np.uint8))
    for name, text in fields.items():
        image.SetMetaData(name, text)
    sitk.WriteImage(image, str(folder / "a.seg.nrrd"))
    return folder / "a.seg.nrrd"


@pytest.mark.parametrize("value", ["many", "300", "-1", ""])
def test_damaged_label_values(tmp_path, value):
    with pytest.raises(BadInput, match="segment 0"):
        read_mask(segmentation(tmp_path, Segment0_LabelValue=value))


@pytest.mark.parametrize("colour", ["red", "1 1", "2 0 0", "nan 0 0", ""])
def test_a_damaged_colour_is_replaced(tmp_path, colour):
    assert read_mask(segmentation(tmp_path, Segment0_Color=colour)).classes == (new_class(1),)


def test_two_segments_with_one_label(tmp_path):
    with pytest.raises(BadInput, match="several segments"):
        read_mask(segmentation(tmp_path, Segment0_LabelValue="1", Segment1_LabelValue="1"))


def nifti_header(dim, datatype=4, bitpix=16):
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *dim)
    struct.pack_into("<hh", header, 70, datatype, bitpix)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    return bytes(header)


@pytest.mark.parametrize(
    ("dim", "datatype"),
    [
        ((3, 2048, 2048, 1100, 1, 1, 1, 1), 4), ((3, 32767, 32767, 32767, 1, 1, 1, 1), 4),
        ((3, -5, 4, 4, 1, 1, 1, 1), 4), ((3, 0, 4, 4, 1, 1, 1, 1), 4), ((9, 4, 4, 4, 1, 1, 1, 1), 4),
        ((5, 2, 2, 2, 2, 2, 1, 1), 4), ((1, 8, 1, 1, 1, 1, 1, 1), 4), ((3, 2, 2, 2, 1, 1, 1, 1), 128),
        ((3, 2, 2, 2, 1, 1, 1, 1), 32), ((3, 2, 2, 2, 1, 1, 1, 1), 7777),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_headers_that_lie(tmp_path, dim, datatype, suffix):
    data = nifti_header(dim, datatype) + bytes(64)
    path = tmp_path / f"thorax{suffix}"
    path.write_bytes(gzip.compress(data) if suffix == ".nii.gz" else data)
    before = psutil.Process().memory_info().rss
    with pytest.raises(BadInput, match="thorax"):
        read_scan(path)
    assert psutil.Process().memory_info().rss - before < 200e6


@pytest.mark.parametrize(
    ("suffix", "head"),
    [
        (".nrrd", "NRRD0004\ntype: short\ndimension: 3\nsizes: 30000 30000 30000\nendian: little\nencoding: {}\n\n"),
        (".mha", "ObjectType = Image\nNDims = 3\nDimSize = 30000 30000 30000\nCompressedData = {}\n"
         "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"),
    ],
)  # fmt: skip
def test_nrrd_and_metaimage_headers_that_lie(tmp_path, suffix, head):
    for compression in ("gzip", "raw") if suffix == ".nrrd" else ("True", "False"):
        (tmp_path / f"thorax{suffix}").write_bytes(head.format(compression).encode() + bytes(64))
        with pytest.raises(BadInput, match=r"claims 54000\.0 GB"):
            read_scan(tmp_path / f"thorax{suffix}")


@pytest.mark.parametrize("where", ["../secret.raw", "{outside}", "link.raw"])
@pytest.mark.parametrize("suffix", [".nhdr", ".nrrd", ".mhd", ".mha"])
@pytest.mark.parametrize("listed", [False, True])
def test_voxels_outside_the_folder(tmp_path, where, suffix, listed):
    secret = tmp_path / "secret.raw"
    secret.write_bytes(bytes(range(8)))
    folder = tmp_path / "scan"
    folder.mkdir()
    (folder / "link.raw").symlink_to(secret)
    name = where.format(outside=secret)
    name = f"LIST\n{name}" if listed else name
    path = folder / f"thorax{suffix}"
    path.write_text(
        f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\nData File: {name}\n"
        if "n" in suffix
        else f"ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = {name}\n"
    )
    with pytest.raises(BadInput, match="outside its folder"):
        read_scan(path)


def test_a_numbered_series_of_data_files(tmp_path):
    (tmp_path / "a.nhdr").write_text(
        "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\ndata file: ../%d.raw 1 2 1 2\n"
    )
    with pytest.raises(BadInput, match="many files"):
        read_scan(tmp_path / "a.nhdr")


@pytest.mark.parametrize("suffix", SAVED)
def test_more_than_the_memory(tmp_path, monkeypatch, suffix):
    path = saved(tmp_path, suffix)
    small = psutil.virtual_memory()._replace(total=400)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: small)
    with pytest.raises(OutOfMemory, match="thorax"):
        read_scan(path)


def test_python_objects_and_archives_are_not_unpacked(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[{}, {}]], object), allow_pickle=True)
    archive = io.BytesIO()
    np.savez(archive, a=ARRAY, b=ARRAY)
    (tmp_path / "b.npy").write_bytes(archive.getvalue())
    for name in ("a.npy", "b.npy"):
        with pytest.raises(BadInput, match=name):
            read_scan(tmp_path / name)


def test_complex_numbers(tmp_path):
    sitk.WriteImage(sitk.Image([2, 2, 2], sitk.sitkComplexFloat32), str(tmp_path / "a.nrrd"))
    with pytest.raises(BadInput, match="not plain numbers"):
        read_scan(tmp_path / "a.nrrd")
