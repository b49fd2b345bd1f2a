"""Agreement of masks: against brute force, and what is said of classes that are not there."""

import json
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from napari_unet.annotation import new_class
from napari_unet.errors import BadInput
from napari_unet.evaluation import evaluate

SPACING = (2.5, 0.8, 1.1)
small_masks = arrays(np.uint8, (3, 6, 5), elements=st.sampled_from([0, 0, 1, 1, 2]))


def surface(shape, spacing):
    """Voxels with a face neighbour that is not in the shape, one by one."""
    padded = np.pad(shape, 1)
    steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    points = [at for at in np.argwhere(shape) if not all(padded[tuple(at + 1 + step)] for step in steps)]
    return np.array(points) * spacing


def by_brute_force(a, b, spacing):
    shared = (a & b).sum()
    overlap = 2 * shared / (a.sum() + b.sum()), shared / (a | b).sum()
    if not a.any() or not b.any():
        return (*overlap, nan, nan)
    apart = cdist(surface(a, spacing), surface(b, spacing))
    there, back = apart.min(axis=1), apart.min(axis=0)
    return (
        *overlap,
        max(np.percentile(there, 95), np.percentile(back, 95)),
        np.concatenate([there, back]).mean(),
    )


@given(small_masks, small_masks)
@settings(max_examples=60, deadline=None)
def test_figures_are_those_of_brute_force(mask, truth):
    evaluation = evaluate(mask, truth, spacing=SPACING)
    assert {row.label for row in evaluation.classes} == set(np.unique([mask, truth])) - {0}
    for row in evaluation.classes:
        a, b = mask == row.label, truth == row.label
        figures = row.dice, row.iou, row.hd95_mm, row.assd_mm
        np.testing.assert_allclose(figures, by_brute_force(a, b, SPACING), atol=1e-9)
        assert row.volume_ml == pytest.approx(a.sum() * 2.5 * 0.8 * 1.1 / 1000)
        assert row.truth_ml == pytest.approx(b.sum() * 2.5 * 0.8 * 1.1 / 1000)


def test_a_shifted_cube_is_off_by_the_shift():
    truth = np.zeros((10, 30, 30), np.uint8)
    truth[2:8, 5:20, 5:20] = 3
    evaluation = evaluate(np.roll(truth, 2, axis=2), truth, spacing=(5.0, 1.0, 0.5))
    (row,) = evaluation.classes
    assert row.label == 3
    assert row.dice == pytest.approx(13 / 15)
    assert row.iou == pytest.approx(13 / 17)
    assert row.hd95_mm == pytest.approx(1.0)
    assert evaluation.mean_dice == row.dice


def test_itself_agrees_perfectly():
    mask = np.random.default_rng(0).integers(0, 4, (4, 9, 9))
    for row in evaluate(mask, mask).classes:
        assert (row.dice, row.iou, row.hd95_mm, row.assd_mm) == (1, 1, 0, 0)


def test_flat_masks_have_outlines():
    truth = np.zeros((20, 20), np.uint8)
    truth[4:16, 4:16] = 1
    smaller = np.zeros_like(truth)
    smaller[6:14, 6:14] = 1
    (row,) = evaluate(smaller, truth, spacing=(0.5, 0.5)).classes
    assert row.hd95_mm == pytest.approx(np.sqrt(2), abs=0.5)
    assert row.assd_mm >= 1.0  # filled squares would share their inside, and be nearer
    assert row.volume_ml == pytest.approx(64 * 0.25 / 1000)


def test_a_class_in_one_of_them_only_scores_nothing():
    truth = np.zeros((2, 5, 5), np.uint8)
    truth[0, :2] = 1
    truth[0, 3:] = 2
    mask = np.where(truth == 1, 1, 0)
    evaluation = evaluate(mask, truth)
    assert [row.dice for row in evaluation.classes] == [1, 0]
    assert isnan(evaluation.classes[1].hd95_mm)
    assert isnan(evaluation.classes[1].assd_mm)
    assert evaluation.mean_dice == 0.5


def test_a_class_in_neither_is_listed_but_not_counted():
    truth = np.zeros((2, 5, 5), np.uint8)
    truth[0, :2] = 1
    evaluation = evaluate(truth, truth, classes=(new_class(1, "liver"), new_class(7, "spleen")))
    assert [row.name for row in evaluation.classes] == ["liver", "spleen"]
    assert isnan(evaluation.classes[1].dice)
    assert isnan(evaluation.classes[1].iou)
    assert evaluation.classes[1].volume_ml == 0
    assert evaluation.mean_dice == 1


def test_as_json_has_none_where_nothing_is_defined():
    empty = np.zeros((2, 3, 3), np.uint8)
    found = json.loads(json.dumps(evaluate(empty, empty, classes=(new_class(1, "liver"),)).as_json(), allow_nan=False))
    row = {"label": 1, "name": "liver", "dice": None, "iou": None, "hd95_mm": None, "assd_mm": None}
    assert found == {"classes": [row | {"volume_ml": 0.0, "truth_ml": 0.0}], "mean_dice": None}


def test_what_cannot_be_compared_is_refused():
    flat = np.zeros((4, 4), np.uint8)
    with pytest.raises(BadInput, match=r"\(4, 4\).*\(4, 5\)"):
        evaluate(flat, np.zeros((4, 5), np.uint8))
    with pytest.raises(BadInput, match="volume by volume"):
        evaluate(np.zeros((2, 2, 4, 4), np.uint8), np.zeros((2, 2, 4, 4), np.uint8))
    with pytest.raises(BadInput, match="the truth holds the label 255"):
        evaluate(flat, np.full((4, 4), 255))
