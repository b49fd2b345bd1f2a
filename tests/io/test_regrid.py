"""A mask put onto the grid of another scan lies at the same place in the patient."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from napari_unet.annotation import new_class
from napari_unet.errors import BadInput
from napari_unet.io import Mask, onto_grid
from napari_unet.scan import Geometry, Scan

CLASSES = (new_class(1, "one"), new_class(2, "two"))


def block(geometry, shape=(12, 14, 16)):
    labels = np.zeros(shape, np.uint8)
    labels[3:9, 4:10, 5:11], labels[4, 5, 6] = 1, 2
    return Mask(labels, "ZYX", geometry.spacing, "mm", geometry, CLASSES)


def scan_at(affine, shape):
    return Scan.from_array(np.zeros(shape, np.int16), geometry=Geometry(affine), unit="mm", name="follow-up")


def as_itk(array, affine):
    image = sitk.GetImageFromArray(array)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(steps.tolist())
    image.SetDirection((affine[:3, :3] / steps).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def test_flipped_and_permuted_grids_are_exact_there_and_back(place):
    mask = block(Geometry(place[0]))
    old_of_new = np.array([[0, -1, 0, 15], [0, 0, -1, 13], [1, 0, 0, 0], [0, 0, 0, 1]])
    moved = onto_grid(mask, scan_at(place[0] @ old_of_new, (14, 16, 12))).mask
    np.testing.assert_array_equal(moved.labels, mask.labels[:, ::-1, ::-1].transpose(1, 2, 0))
    np.testing.assert_array_equal(onto_grid(moved, mask.as_scan("before")).mask.labels, mask.labels)


@pytest.mark.parametrize("turned", [0.0, 0.2])
def test_it_agrees_with_simpleitk(place, turned):
    mask = block(Geometry(place[0]))
    affine = place[0].copy()
    turn = np.array([[np.cos(turned), -np.sin(turned), 0], [np.sin(turned), np.cos(turned), 0], [0, 0, 1]])
    affine[:3, :3] = turn @ affine[:3, :3] @ np.diag([0.61, 1.37, 0.83])
    affine[:3, 3] += affine[:3, :3] @ [0.3, -1.2, 1.1]
    scan = scan_at(affine, (13, 9, 20))
    expected = sitk.Resample(
        as_itk(mask.labels, place[0]), as_itk(np.zeros(scan.mask_shape, np.uint8), affine), sitk.Transform(),
        sitk.sitkNearestNeighbor, 0,
    )  # fmt: skip
    moved = onto_grid(mask, scan)
    np.testing.assert_array_equal(moved.mask.labels, sitk.GetArrayFromImage(expected))
    assert moved.mask.geometry is scan.geometry
    assert moved.mask.classes == CLASSES
    assert "resampled" in moved.sentence
    assert "12 x 14 x 16" in moved.sentence
    assert "13 x 9 x 20" in moved.sentence


def test_on_its_own_grid_nothing_changes(place):
    mask = block(Geometry(place[0]))
    moved = onto_grid(mask, scan_at(place[0], mask.labels.shape))
    np.testing.assert_array_equal(moved.mask.labels, mask.labels)
    assert "nothing was resampled" in moved.sentence


def test_painted_background_stays_painted_background():
    geometry = Geometry.from_spacing((1.0, 1.0, 1.0))
    mask = replace(block(geometry), labels=np.full((4, 4, 4), 255, np.uint8))
    moved = onto_grid(mask, scan_at(np.diag([0.5, 0.5, 0.5, 1.0]), (8, 8, 8)))
    assert set(np.unique(moved.mask.labels)) <= {0, 255}
    assert (moved.mask.labels == 255).sum() > 300


def test_a_series_goes_volume_by_volume():
    geometry = Geometry.from_spacing((2.0, 1.0, 1.0))
    labels = np.stack([np.full((3, 4, 4), n, np.uint8) for n in (1, 2)])
    mask = Mask(labels, "TZYX", geometry.spacing, "mm", geometry)
    finer = Scan.from_array(np.zeros((2, 6, 4, 4)), geometry=Geometry.from_spacing((1.0, 1.0, 1.0)), unit="mm")
    moved = onto_grid(mask, finer).mask
    assert moved.labels[0].max() == 1
    assert moved.labels[1, :5].min() == 2
    with pytest.raises(BadInput, match="2 volumes"):
        onto_grid(mask, scan_at(np.eye(4), (3, 4, 4)))


def test_what_cannot_be_placed_is_refused():
    mask = block(Geometry.from_spacing((1.0, 1.0, 1.0)))
    here = scan_at(np.eye(4), (12, 14, 16))
    with pytest.raises(BadInput, match="The mask does not say where"):
        onto_grid(replace(mask, geometry=None), here)
    with pytest.raises(BadInput, match='"follow-up" does not say where'):
        onto_grid(mask, replace(here, geometry=None))
    elsewhere = np.eye(4)
    elsewhere[:3, 3] = 1000.0
    with pytest.raises(BadInput, match="same patient"):
        onto_grid(mask, scan_at(elsewhere, (12, 14, 16)))
