"""Removing what lies outside a range of intensities or outside another mask."""

import numpy as np
import pytest

from napari_unet.refinement.limits import within_intensities, within_region

LABELS = np.array([[[1, 1, 1, 2, 2, 0]]], np.uint8)
INTENSITIES = np.array([[[10.0, 20.0, np.nan, 30.0, 40.0, 50.0]]])


def limited(operation, classes=(), **options):
    labels = LABELS.copy()
    operation(labels, classes, **options)
    return labels.ravel().tolist()


@pytest.mark.parametrize(
    ("classes", "lowest", "highest", "left"),
    [
        ((), 20, 30, [0, 1, 0, 2, 0, 0]),
        ((1,), 20, 30, [0, 1, 0, 2, 2, 0]),
        ((), -1e9, 1e9, [1, 1, 0, 2, 2, 0]),
    ],
)
def test_the_range_holds_its_ends_and_no_number_lies_in_none(classes, lowest, highest, left):
    assert limited(within_intensities, classes, intensities=INTENSITIES, lowest=lowest, highest=highest) == left


@pytest.mark.parametrize(
    ("classes", "parts", "margin", "left"),
    [
        ((), (), 0.0, [1, 0, 0, 2, 2, 0]),
        ((), (7,), 0.0, [1, 0, 0, 0, 0, 0]),
        ((1,), (7,), 0.0, [1, 0, 0, 2, 2, 0]),
        ((), (7,), 2.0, [1, 1, 0, 0, 0, 0]),
        ((), (7,), 4.0, [1, 1, 1, 0, 0, 0]),
        ((), (9,), 1.0, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_the_region_may_be_some_classes_and_has_a_margin_in_millimetres(classes, parts, margin, left):
    region = np.array([[[7, 0, 0, 3, 3, 0]]], np.uint8)
    spacing = (5.0, 1.0, 2.0)
    found = limited(within_region, classes, region=region, parts=parts, margin=margin, spacing=spacing)
    assert found == left
