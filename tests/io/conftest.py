"""Phantom scans and masks, in every position a scanner puts them."""

import numpy as np
import pytest

from napari_unet.annotation import ClassInfo
from napari_unet.io import Mask
from napari_unet.scan import Geometry

CLASSES = (
    ClassInfo(label=1, name="right lung", colour=(0.0862745, 0.772549, 1 / 3)),
    ClassInfo(label=2, name='Leber — "größte" \\n := | ; é', colour=(0.1, 0.2, 0.3)),
    ClassInfo(label=7, name="never painted", colour=(1.0, 0.0, 0.0)),
    ClassInfo(label=254, name="the last", colour=(0.5, 0.5, 0.5)),
)


def oblique(spacing=(0.7, 0.8, 5.0), origin=(-120.5, 33.25, -700.0)):
    """Three turns about three axes, no two alike; (x, y, z) spacing."""
    a, b, c = np.deg2rad([15.0, -25.0, 40.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_y @ about_x * spacing
    affine[:3, 3] = origin
    return affine


def straight(steps, origin=(10.0, -20.0, 30.5)):
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = origin
    return affine


PLACES = {
    "axial": (straight((1.0, 1.0, 1.0)), (4, 6, 5)),
    "oblique": (oblique(), (4, 6, 5)),
    "flipped": (straight((-0.9, -0.9, 2.0)), (4, 6, 5)),
    "left-handed": (straight((0.9, 0.9, -2.0)), (4, 6, 5)),
    "anisotropic": (straight((0.35, 0.35, 9.999999999999996)), (4, 6, 5)),
    "one slice": (oblique(), (1, 6, 5)),
}


@pytest.fixture(params=PLACES, ids=str)
def place(request):
    """(affine to LPS mm, shape (Z, Y, X))."""
    return PLACES[request.param]


def labels_of(shape, seed=0):
    labels = np.random.default_rng(seed).choice(np.array([0, 1, 2, 254, 255], np.uint8), shape)
    labels.flat[:5] = [0, 1, 2, 254, 255]
    return labels


@pytest.fixture
def mask(place):
    affine, shape = place
    geometry = Geometry(affine)
    return Mask(labels_of(shape), "ZYX", geometry.spacing, "mm", geometry, CLASSES)
