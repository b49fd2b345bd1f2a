"""Scans as other programs write them are read as they are."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_unet.errors import BadInput
from napari_unet.io import read_mask, read_scan

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
DTYPES = ("uint8", "int16", "uint16", "float32")


def voxels(shape, dtype):
    values = np.random.default_rng(1).uniform(0, 250, shape)
    return (values - (100 if dtype == "int16" else 0)).astype(dtype)


def assert_read(path, array, affine, axes="ZYX"):
    scan = read_scan(path)
    assert scan.axes == axes
    assert scan.array.dtype == array.dtype
    np.testing.assert_array_equal(scan.array.reshape(array.shape), array)
    np.testing.assert_allclose(scan.geometry.affine, affine, rtol=0, atol=1e-4)
    np.testing.assert_allclose(scan.spacing, np.linalg.norm(affine[:3, :3], axis=0)[::-1], atol=1e-4)
    assert scan.unit == "mm"
    assert scan.name == "thorax"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_by_nibabel(tmp_path, place, dtype, suffix):
    affine, shape = place
    array = voxels(shape, dtype)
    nib.save(nib.Nifti1Image(array.T, RAS @ affine), tmp_path / f"thorax{suffix}")
    assert_read(tmp_path / f"thorax{suffix}", array, affine)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
def test_every_volume_format_by_simpleitk(tmp_path, place, dtype, suffix):
    affine, shape = place
    array = voxels(shape, dtype)
    image = sitk.GetImageFromArray(array)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    sitk.WriteImage(image, str(tmp_path / f"thorax{suffix}"), useCompression=True)
    assert_read(tmp_path / f"thorax{suffix}", array, affine)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6, 5), (4, 6, 5), (2, 4, 6, 5)])
def test_numpy(tmp_path, dtype, shape):
    array = voxels(shape, dtype)
    np.save(tmp_path / "thorax.npy", array)
    scan = read_scan(tmp_path / "thorax.npy")
    assert scan.mask_shape == shape
    assert scan.unit == "pixel"
    np.testing.assert_array_equal(scan.unfold(scan.array[0]), array)


def test_big_endian_nifti(tmp_path):
    array = voxels((4, 6, 5), ">i2")
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nib.save(nib.Nifti1Image(array.T, np.eye(4), header), tmp_path / "thorax.nii")
    assert_read(tmp_path / "thorax.nii", array.astype("int16"), RAS)


def test_a_time_series_becomes_the_leading_axis(tmp_path):
    array = voxels((3, 4, 6, 5), "int16")
    nib.save(nib.Nifti1Image(array.T, RAS), tmp_path / "thorax.nii.gz")
    assert_read(tmp_path / "thorax.nii.gz", array, np.eye(4), "TZYX")
    assert read_scan(tmp_path / "thorax.nii.gz").folded == (3,)


def test_axes_of_length_one_behind_the_third_are_dropped(tmp_path):
    array = voxels((4, 6, 5), "int16")
    nib.save(nib.Nifti1Image(array.T[..., None, None], RAS), tmp_path / "thorax.nii.gz")
    assert_read(tmp_path / "thorax.nii.gz", array, np.eye(4))


@pytest.mark.parametrize(("slope", "intercept", "dtype"), [(2, -1000, "int16"), (0.5, 1, "float32")])
def test_scaled_nifti(tmp_path, slope, intercept, dtype):
    stored = np.arange(120, dtype=np.int16).reshape(4, 6, 5)
    image = nib.Nifti1Image(stored.T, RAS)
    image.header.set_slope_inter(slope, intercept)
    nib.save(image, tmp_path / "thorax.nii.gz")  # saves voxels divided by the slope: put the raw ones in
    proxy = nib.load(tmp_path / "thorax.nii.gz").dataobj
    expected = (proxy.get_unscaled().astype(float) * proxy.slope + proxy.inter).T
    assert (proxy.slope, proxy.inter) == (slope, intercept)
    scan = read_scan(tmp_path / "thorax.nii.gz")
    assert scan.array.dtype == dtype
    np.testing.assert_array_equal(scan.array[0], expected.astype(dtype))


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("meter", 1000), ("micron", 1e-3), ("unknown", 1)])
def test_nifti_units_become_millimetres(tmp_path, unit, factor):
    affine = np.diag([-2.0, -3.0, 4.0, 1.0])
    image = nib.Nifti1Image(np.ones((2, 3, 4), np.uint8), affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "thorax.nii.gz")
    np.testing.assert_allclose(read_scan(tmp_path / "thorax.nii.gz").spacing, np.array([4, 3, 2]) * factor)


def test_the_sform_counts_and_is_recorded(tmp_path):
    image = nib.Nifti1Image(np.ones((2, 3, 4), np.uint8), None)
    image.set_sform(np.diag([-1.0, -1, 1, 1]), 2)
    moved = np.diag([-1.0, -1, 1, 1])
    moved[0, 3] = 100
    image.set_qform(moved, 1)
    nib.save(image, tmp_path / "a.nii.gz")
    geometry = read_scan(tmp_path / "a.nii.gz").geometry
    np.testing.assert_allclose(geometry.affine, np.eye(4), atol=1e-6)
    assert geometry.source["form"] == "sform"
    assert geometry.source["other_form"][0][3] == pytest.approx(100)


def test_colours_of_a_nrrd_become_channels(tmp_path):
    array = voxels((4, 6, 5, 3), "uint8")
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(tmp_path / "a.nrrd"))
    scan = read_scan(tmp_path / "a.nrrd")
    assert scan.channels == 3
    np.testing.assert_array_equal(scan.array, np.moveaxis(array, -1, 0))


def test_a_nrrd_without_a_space_has_no_position(tmp_path):
    path = tmp_path / "a.nrrd"
    path.write_bytes(
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nspacings: 1 1 3\nencoding: raw\n\n" + bytes(range(8))
    )
    scan = read_scan(path)
    assert (scan.geometry, scan.spacing, scan.unit) == (None, (3.0, 1.0, 1.0), "mm")


@pytest.mark.parametrize(
    ("mode", "channels", "bands"), [("L", 1, ()), ("RGB", 3, (3,)), ("RGBA", 3, (4,)), ("LA", 1, (2,))]
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_pictures_without_their_transparency(tmp_path, mode, channels, bands, suffix):
    array = voxels((6, 5, *bands), "uint8")
    Image.fromarray(array, mode).save(tmp_path / f"a{suffix}")
    scan = read_scan(tmp_path / f"a{suffix}")
    assert scan.mask_shape == (6, 5)
    expected = array.reshape(6, 5, -1)[..., :channels]
    np.testing.assert_array_equal(scan.array[:, 0], np.moveaxis(expected, -1, 0))
    assert (scan.unit, scan.geometry) == ("pixel", None)


def test_jpeg_in_colour(tmp_path):
    Image.fromarray(np.full((16, 16, 3), 77, np.uint8)).save(tmp_path / "a.JPG")
    scan = read_scan(tmp_path / "a.JPG")
    assert (scan.channels, scan.mask_shape, scan.name) == (3, (16, 16), "a")


def test_png_of_16_bits(tmp_path):
    array = np.arange(30, dtype=np.uint16).reshape(6, 5) * 2000
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_scan(tmp_path / "a.png").array[0, 0], array)


def test_masks_drawn_as_pictures(tmp_path):
    inside = np.eye(6, dtype=np.uint8)
    Image.fromarray(inside * 255).save(tmp_path / "white.png")
    Image.fromarray(np.stack([inside * 255] * 3, -1)).save(tmp_path / "rgb.png")
    tifffile.imwrite(tmp_path / "white.tif", inside * 255)
    palette = Image.fromarray(inside * 3, "P")
    palette.putpalette([0, 0, 0] * 3 + [255, 0, 0])
    palette.save(tmp_path / "palette.png")
    for name, label in (("white.png", 1), ("rgb.png", 1), ("white.tif", 1), ("palette.png", 3)):
        np.testing.assert_array_equal(read_mask(tmp_path / name).labels, inside * label)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_greys_of_a_drawn_mask_are_classes(tmp_path, suffix):
    save = tifffile.imwrite if suffix == ".tif" else lambda path, array: Image.fromarray(array).save(path)
    for greys in ([0, 255], [0, 128, 255], [0, 127, 255], [0, 85, 170, 255]):
        drawn = np.array(greys, np.uint8)[np.arange(30).reshape(5, 6) % len(greys)]
        save(tmp_path / f"drawn{suffix}", drawn)
        read = read_mask(tmp_path / f"drawn{suffix}")
        np.testing.assert_array_equal(read.labels, np.arange(30).reshape(5, 6) % len(greys))
    paint = np.array([[0, 1, 2, 255]], np.uint8)
    save(tmp_path / f"paint{suffix}", paint)
    np.testing.assert_array_equal(read_mask(tmp_path / f"paint{suffix}").labels, paint)
    save(tmp_path / f"soft{suffix}", np.arange(256, dtype=np.uint8).reshape(16, 16))
    with pytest.raises(BadInput, match="255 greys, as soft edges"):
        read_mask(tmp_path / f"soft{suffix}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_imagej_stacks(tmp_path, dtype):
    array = voxels((4, 6, 5), dtype) if dtype != "int16" else voxels((4, 6, 5), dtype).clip(0)
    if dtype == "int16":
        array = array.astype("uint16")  # ImageJ has no signed numbers
    tifffile.imwrite(
        tmp_path / "a.tif", array, imagej=True, resolution=(4.0, 2.0),
        metadata={"axes": "ZYX", "spacing": 3.0, "unit": "um"},
    )  # fmt: skip
    scan = read_scan(tmp_path / "a.tif")
    np.testing.assert_array_equal(scan.array[0], array)
    assert scan.unit == "mm"
    np.testing.assert_allclose(scan.spacing, (0.003, 0.0005, 0.00025))


def test_imagej_channels_and_times(tmp_path):
    array = voxels((2, 3, 4, 6, 5), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "TZCYX"})
    scan = read_scan(tmp_path / "a.tif")
    assert (scan.channels, scan.folded, scan.mask_shape) == (4, (2,), (2, 3, 6, 5))


def test_ome_tiff(tmp_path):
    array = voxels((2, 3, 6, 5), "uint16")
    tifffile.imwrite(
        tmp_path / "a.ome.tif", array,
        metadata={"axes": "CZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.25,
                  "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 2.0, "PhysicalSizeZUnit": "µm"},
    )  # fmt: skip
    scan = read_scan(tmp_path / "a.ome.tif")
    assert (scan.channels, scan.mask_shape, scan.unit) == (2, (3, 6, 5), "mm")
    np.testing.assert_allclose(scan.spacing, (0.002, 0.00025, 0.0005))


def test_plain_pages_are_slices_and_print_sizes_are_not_spacings(tmp_path):
    array = voxels((4, 6, 5), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, resolution=(72, 72), resolutionunit="INCH", photometric="minisblack")
    scan = read_scan(tmp_path / "a.tif")
    assert (scan.mask_shape, scan.spacing, scan.unit) == ((4, 6, 5), (1.0, 1.0, 1.0), "pixel")
    tifffile.imwrite(tmp_path / "b.tif", array[0], resolution=(1000, 500), resolutionunit="CENTIMETER")
    np.testing.assert_allclose(read_scan(tmp_path / "b.tif").spacing, (1.0, 0.02, 0.01))
