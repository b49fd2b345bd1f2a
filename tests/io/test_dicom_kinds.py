"""DICOM beyond one plain file a slice: compressed voxels, files with many images, segmentations."""

import copy

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    EnhancedCTImageStorage,
    RLELossless,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from napari_unet.errors import BadInput
from napari_unet.io import Mask, read_mask, read_scan, read_scan_or_mask
from napari_unet.io.questions import Several, Uneven

VALUES = np.arange(72).reshape(8, 9) - 1000 + 100 * np.arange(6)[:, None, None]


def headers(folder):
    return [pydicom.dcmread(file) for file in sorted(folder.iterdir())]


def one_study(folder):
    """Give the files the study and frame of reference that slices of one scan share."""
    study, frame = generate_uid(), generate_uid()
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        header.StudyInstanceUID, header.FrameOfReferenceUID = study, frame
        header.StudyDate = header.StudyTime = header.PatientSex = header.ReferringPhysicianName = header.StudyID = ""
        header.InstanceNumber = 1
        header.save_as(file)
    return folder


def compress(header, compressor, scratch):
    """Compress the voxels of a header: RLE by pydicom, the others by GDCM."""
    if compressor == "RLE":
        header.compress(RLELossless)
        return
    image = sitk.GetImageFromArray(header.pixel_array.reshape(-1, *header.pixel_array.shape[-2:]))
    path = scratch / "compressed.dcm"
    sitk.WriteImage(image, str(path), imageIO="GDCMImageIO", useCompression=True, compressor=compressor)
    other = pydicom.dcmread(path)
    path.unlink()
    assert other.file_meta.TransferSyntaxUID.is_compressed
    header.PixelData, header.file_meta.TransferSyntaxUID = other.PixelData, other.file_meta.TransferSyntaxUID
    header["PixelData"].is_undefined_length = True


@pytest.mark.parametrize("compressor", ["JPEG", "JPEGLS", "JPEG2000", "RLE"])
def test_compressed_slices(dicom_folder, tmp_path, compressor):
    folder = dicom_folder()
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        compress(header, compressor, tmp_path)
        header.save_as(file)
    scan = read_scan(folder)
    np.testing.assert_array_equal(scan.array[0], VALUES)
    assert scan.array.dtype == np.int16


def test_unused_bits_are_not_part_of_the_value(dicom_folder):
    folder = dicom_folder(intercept=0)
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        header.BitsStored, header.HighBit = 12, 11
        header.PixelData = (header.pixel_array | 0xA000).astype("<u2").tobytes()
        header.save_as(file)
    np.testing.assert_array_equal(read_scan(folder).array[0], VALUES + 1000)


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (2, 7), (-1, 0), (1, 30000), (0.5, 0)])
@pytest.mark.parametrize("signed", [0, 1])
def test_plain_voxels_are_what_gdcm_makes_of_them(dicom_folder, slope, intercept, signed):
    folder = dicom_folder(slope=slope, intercept=intercept)
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        header.PixelRepresentation = signed
        header.PixelData = (np.arange(72, dtype=np.uint16) * 911).tobytes()
        header.save_as(file)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    reader.SetOutputPixelType(sitk.sitkFloat64)
    np.testing.assert_array_equal(read_scan(folder).array[0], sitk.GetArrayFromImage(reader.Execute()))


def enhanced(folder, path, *, slopes=(1.0,) * 6, order=range(6)):
    """Make one file with many images of a folder with many files."""
    single = sorted(headers(folder), key=lambda header: int(header.pixel_array[0, 0]))
    single = [single[i] for i in order]
    whole = copy.deepcopy(single[0])
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        delattr(whole, tag)
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = single[0].PixelSpacing, 9.0
    orientation.ImageOrientationPatient = single[0].ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    whole.SharedFunctionalGroupsSequence = [shared]
    whole.PerFrameFunctionalGroupsSequence = []
    for header, slope in zip(single, slopes, strict=True):
        frame, position, scaling = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = header.ImagePositionPatient
        scaling.RescaleSlope, scaling.RescaleIntercept, scaling.RescaleType = slope, -1000, "HU"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [scaling]
        whole.PerFrameFunctionalGroupsSequence.append(frame)
    whole.NumberOfFrames = len(single)
    whole.PixelData = b"".join(header.PixelData for header in single)
    whole.save_as(path)
    return whole


@pytest.mark.parametrize("order", [range(6), (5, 4, 3, 2, 1, 0), (3, 0, 5, 1, 4, 2)])
@pytest.mark.parametrize("compressor", [None, "RLE", "JPEG2000", "JPEGLS"])
def test_many_images_in_one_file(dicom_folder, tmp_path, order, compressor):
    folder = dicom_folder()
    whole = enhanced(folder, tmp_path / "whole.dcm", order=order)
    if compressor:
        compress(whole, compressor, tmp_path)
        whole.save_as(tmp_path / "whole.dcm")
    scan, slices = read_scan(tmp_path / "whole.dcm"), read_scan(folder)
    np.testing.assert_array_equal(scan.array, slices.array)
    assert scan.geometry.close_to(slices.geometry)
    assert scan.dicom == (tmp_path / "whole.dcm",)
    assert read_scan(tmp_path / "whole.dcm").name == "CT series 3"


def test_images_of_one_file_scaled_one_by_one(dicom_folder, tmp_path):
    enhanced(dicom_folder(), tmp_path / "whole.dcm", slopes=(1, 2, 3, 0.5, 1, 1))
    expected = (VALUES + 1000) * np.array([1, 2, 3, 0.5, 1, 1])[:, None, None] - 1000
    np.testing.assert_array_equal(read_scan(tmp_path / "whole.dcm").array[0], expected)


def test_an_image_missing_in_one_file(dicom_folder, tmp_path):
    whole = enhanced(dicom_folder(skip=(3,)), tmp_path / "whole.dcm", slopes=(1,) * 5, order=range(5))
    with pytest.raises(Uneven, match=r"slices 3 and 4.*5\.00 mm apart"):
        read_scan(tmp_path / "whole.dcm")
    assert read_scan(tmp_path / "whole.dcm", assume_even_spacing=True).mask_shape[0] == 5
    whole.NumberOfFrames = 4
    whole.save_as(tmp_path / "whole.dcm")
    with pytest.raises(BadInput, match="claims 4 images and describes 5"):
        read_scan(tmp_path / "whole.dcm")


def test_a_run_of_pictures_is_a_series_in_time(dicom_folder, tmp_path):
    whole = enhanced(dicom_folder(), tmp_path / "whole.dcm")
    del whole.PerFrameFunctionalGroupsSequence, whole.SharedFunctionalGroupsSequence
    whole.SOPClassUID = UltrasoundMultiFrameImageStorage
    whole.save_as(tmp_path / "whole.dcm")
    scan = read_scan(tmp_path / "whole.dcm")
    assert (scan.axes, scan.folded, scan.mask_shape, scan.geometry) == ("TYX", (6,), (6, 8, 9), None)


def test_a_file_of_many_images_cut_short(dicom_folder, tmp_path):
    path = tmp_path / "whole.dcm"
    enhanced(dicom_folder(), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(BadInput, match="cut short"):
        read_scan(path)


def segmentation(folder, labels, names=("Leber é", "Milz"), kind=hd.seg.SegmentationTypeValues.BINARY, **more):
    """Write a DICOM segmentation of a series with highdicom; labels ascend along the normal."""
    sources = sorted(headers(folder), key=lambda header: int(header.pixel_array[0, 0]))
    described = [
        hd.seg.SegmentDescription(
            segment_number=number, segment_label=name, segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver, algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            display_color=hd.color.CIELabColor(60.0, 40.0 * number - 60, 30.0),
        )
        for number, name in enumerate(names, 1)
    ]  # fmt: skip
    return hd.seg.Segmentation(
        source_images=sources, pixel_array=labels, segmentation_type=kind, segment_descriptions=described,
        series_instance_uid=generate_uid(), series_number=9, sop_instance_uid=generate_uid(), instance_number=1,
        manufacturer="nobody", manufacturer_model_name="none", software_versions="0", device_serial_number="0", **more,
    )  # fmt: skip


@pytest.fixture
def labels():
    labels = np.zeros((6, 8, 9), np.uint8)
    labels[1, 2:4, 3:8], labels[1, 5:7, 3:8], labels[4, :2] = 1, 2, 2
    return labels


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
@pytest.mark.parametrize("empty", [False, True])
def test_a_segmentation_lies_on_its_series(dicom_folder, tmp_path, labels, kind, empty):
    folder = one_study(dicom_folder())
    kind = hd.seg.SegmentationTypeValues[kind]
    if kind is hd.seg.SegmentationTypeValues.FRACTIONAL:
        labels = np.minimum(labels, 1)
        pixels, names = labels.astype(float), ("Leber é",)
    else:
        pixels, names = labels, ("Leber é", "Milz")
    made = segmentation(folder, pixels, names, kind, omit_empty_frames=not empty)
    beside = tmp_path / "SEG"
    beside.mkdir()
    made.save_as(beside / "seg.dcm")
    mask, scan = read_scan_or_mask(beside / "seg.dcm"), read_scan(folder)
    assert isinstance(mask, Mask)
    np.testing.assert_array_equal(mask.labels, labels)
    assert mask.geometry.close_to(scan.geometry, 1e-4)
    assert tuple(info.name for info in mask.classes) == names
    assert sorted(mask.dicom) == sorted(scan.dicom)
    np.testing.assert_array_equal(mask.folded_onto(scan), labels)
    np.testing.assert_array_equal(read_mask(beside / "seg.dcm").labels, labels)
    np.testing.assert_array_equal(read_mask(beside).labels, labels)
    with pytest.raises(BadInput, match="image, not a segmentation"):
        read_mask(folder)
    lightness_a_b = hd.color.CIELabColor(60.0, -20.0, 30.0)
    np.testing.assert_allclose(np.multiply(mask.classes[0].colour, 255), lightness_a_b.to_rgb(), atol=2)


def test_a_segmentation_without_its_series_has_a_grid_of_its_own(dicom_folder, tmp_path, labels):
    folder = one_study(dicom_folder())
    scan = read_scan(folder)
    segmentation(folder, labels).save_as(tmp_path / "seg.dcm")
    for file in folder.iterdir():
        file.unlink()
    mask = read_mask(tmp_path / "seg.dcm")
    # Its slices 1 and 4 hold something; what lies between was left out as empty.
    np.testing.assert_array_equal(mask.labels[[0, -1]], labels[[1, 4]])
    index = np.linalg.inv(scan.geometry.affine) @ mask.geometry.affine @ [0, 0, len(mask.labels) - 1, 1]
    np.testing.assert_allclose(index, [0, 0, 4, 1], atol=1e-3)


def test_segments_that_overlap(dicom_folder, tmp_path, labels):
    folder = one_study(dicom_folder())
    stacked = np.stack([labels == 1, (labels == 2) | (labels == 1)], axis=-1).astype(np.uint8)
    segmentation(folder, stacked).save_as(tmp_path / "seg.dcm")
    with pytest.raises(BadInput, match="overlapping segments: 1 and 2 share 10 voxels"):
        read_mask(tmp_path / "seg.dcm")


def test_a_segmentation_of_fractions(dicom_folder, tmp_path, labels):
    kind = hd.seg.SegmentationTypeValues.FRACTIONAL
    segmentation(one_study(dicom_folder()), (labels == 1) * 0.4, ("Leber",), kind).save_as(tmp_path / "seg.dcm")
    with pytest.raises(BadInput, match="belongs to a class or not"):
        read_mask(tmp_path / "seg.dcm")


def test_a_folder_of_segmentations_asks_which(dicom_folder, tmp_path, labels):
    folder = one_study(dicom_folder())
    segmentations = tmp_path / "segmentations"
    segmentations.mkdir()
    for name in ("a", "b"):
        segmentation(folder, labels).save_as(segmentations / f"{name}.dcm")
    with pytest.raises(Several) as refused:
        read_scan_or_mask(segmentations)
    key = refused.value.choices[1].key
    np.testing.assert_array_equal(read_scan_or_mask(segmentations, series=key).labels, labels)


def test_an_image_is_no_mask(dicom_folder):
    file = next(dicom_folder().iterdir())
    with pytest.raises(BadInput, match="not a segmentation"):
        read_mask(file)
