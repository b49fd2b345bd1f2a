"""What painted voxels mean, in every choice for the unpainted ones."""

import numpy as np
import pytest
from pydantic import ValidationError

from napari_unet.annotation import (
    BACKGROUND,
    IGNORE,
    LARGEST_CLASS,
    ClassInfo,
    PaintSummary,
    as_mask,
    as_paint,
    channel_labels,
    class_colour,
    classes_for,
    count_slices,
    mask_from_paint,
    new_class,
    training_targets,
    with_background,
)
from napari_unet.config import Unpainted
from napari_unet.errors import BadInput, NothingPainted

PAINT = np.zeros((4, 2, 3), np.uint8)
PAINT[1] = [[2, 0, 7], [255, 255, 0]]
PAINT[3, 0, 0] = 7


def summary(paint=PAINT):
    return PaintSummary.of(paint.shape, count_slices(paint))


@pytest.mark.parametrize(
    ("unpainted", "painted_slice", "other_slice"),
    [
        (Unpainted.UNKNOWN, [[1, IGNORE, 2], [0, 0, IGNORE]], IGNORE),
        (Unpainted.PAINTED_SLICES, [[1, 0, 2], [0, 0, 0]], IGNORE),
        (Unpainted.BACKGROUND, [[1, 0, 2], [0, 0, 0]], 0),
    ],
)
def test_what_unpainted_voxels_count_as(unpainted, painted_slice, other_slice):
    labels = channel_labels([summary()], unpainted)
    assert labels == (0, 2, 7)
    before = PAINT.copy()
    targets = training_targets(PAINT, unpainted, labels)
    assert targets[1].tolist() == painted_slice
    assert (targets[[0, 2]] == other_slice).all()
    assert np.count_nonzero(targets != IGNORE) == summary().learned_from(unpainted)
    np.testing.assert_array_equal(PAINT, before)


def test_a_network_that_never_saw_background_has_no_channel_for_it():
    paint = np.where(PAINT == BACKGROUND, 0, PAINT)
    assert channel_labels([summary(paint)], Unpainted.UNKNOWN) == (2, 7)
    assert training_targets(paint, Unpainted.UNKNOWN, (2, 7))[1].tolist() == [[0, 255, 1], [255] * 3]
    assert channel_labels([summary(paint)], Unpainted.BACKGROUND) == (0, 2, 7)


def test_classes_of_several_scans_come_together_and_unknown_ones_are_ignored():
    other = np.full((1, 2, 2), 5, np.uint8)
    assert channel_labels([summary(), summary(other)], Unpainted.UNKNOWN) == (0, 2, 5, 7)
    assert (training_targets(other, Unpainted.UNKNOWN, (0, 2, 7)) == IGNORE).all()


def test_all_254_classes_and_background():
    paint = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    labels = channel_labels([summary(paint)], Unpainted.UNKNOWN)
    assert labels == tuple(range(255))
    targets = training_targets(paint, Unpainted.UNKNOWN, labels).ravel()
    assert targets[0] == IGNORE
    assert targets[BACKGROUND] == 0
    assert targets[1:255].tolist() == list(range(1, 255))
    classes = classes_for(range(256))
    assert [info.label for info in classes] == list(range(1, 255))
    assert len({info.colour for info in classes}) == LARGEST_CLASS
    assert all(0 <= part <= 1 for info in classes for part in info.colour)


@pytest.mark.parametrize(
    ("unpainted", "sentence"),
    [
        (Unpainted.UNKNOWN, "Will learn from 2 slices, 2 classes, 5 voxels; the rest is ignored."),
        (
            Unpainted.PAINTED_SLICES,
            "Will learn from 2 slices, 2 classes, 12 voxels; "
            "what is not painted on them is background, other slices are ignored.",
        ),
        (
            Unpainted.BACKGROUND,
            "Will learn from 4 slices, 2 classes, 24 voxels; what is not painted is background everywhere.",
        ),
    ],
)
def test_the_sentence(unpainted, sentence):
    assert summary().sentence(unpainted) == sentence


def test_the_sentence_counts_in_thousands_and_in_the_singular():
    paint = np.zeros((1, 40, 50), np.uint8)
    paint[0] = 1
    assert summary(paint).sentence(Unpainted.UNKNOWN) == (
        "Will learn from 1 slice, 1 class, 2,000 voxels; the rest is ignored."
    )


def test_counts():
    assert count_slices(PAINT) == {1: {2: 1, 7: 1, 255: 2}, 3: {7: 1}}
    assert count_slices(PAINT, [0, 3]) == {3: {7: 1}}
    counted = summary()
    assert (counted.slices, counted.painted, counted.labels) == ((1, 3), 5, (2, 7))
    assert dict(counted.voxels) == {2: 1, 7: 2, 255: 2}
    assert dict(counted.slices_of) == {2: 1, 7: 2, 255: 1}


def test_little_paint_is_warned_of():
    assert summary().warnings({2: "rib"}) == (
        '"rib" has 1 voxel on 1 slice: paint more of it.',
        '"class 7" has 2 voxels on 2 slices: paint more of it.',
    )
    assert summary(np.full((1, 5, 4), 3, np.uint8)).warnings() == ()


@pytest.mark.parametrize(
    ("paint", "unpainted", "text"),
    [
        ([0, 0], Unpainted.UNKNOWN, "Nothing is painted yet: choose a class and paint"),
        ([255, 0], Unpainted.UNKNOWN, "Nothing is painted yet"),
        ([255, 0], Unpainted.BACKGROUND, "Nothing is painted yet"),
        ([4, 0], Unpainted.UNKNOWN, "Only one class is painted: paint some background too"),
    ],
)
def test_too_little_paint_is_refused(paint, unpainted, text):
    with pytest.raises(NothingPainted, match=text):
        summary(np.array([[paint]], np.uint8)).check(unpainted)


@pytest.mark.parametrize(
    ("paint", "unpainted"),
    [
        ([4, 255], Unpainted.UNKNOWN),
        ([4, 5], Unpainted.UNKNOWN),
        ([4, 0], Unpainted.PAINTED_SLICES),
        ([4, 0], Unpainted.BACKGROUND),
    ],
)
def test_enough_paint_passes(paint, unpainted):
    counted = summary(np.array([[paint]], np.uint8))
    counted.check(unpainted)
    assert len(channel_labels([counted], unpainted)) == 2


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "int64", "float32", "float64", ">i4"])
def test_whole_numbers_of_any_kind_are_paint(dtype):
    array = np.array([[0, 1], [254, 255]], dtype)
    paint = as_paint(array)
    assert paint.dtype == np.uint8
    np.testing.assert_array_equal(paint, array)
    assert (paint is array) == (dtype == "uint8")


def test_true_and_false_are_paint():
    assert as_paint(np.array([True, False])).tolist() == [1, 0]
    assert as_paint(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("check", [as_paint, as_mask])
@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array([0, 256]), "holds the label 256: classes are 1 to 254 and 255 is background. Renumber"),
        (np.array([0, -1]), "holds the label -1"),
        (np.array([1.0, 1e9]), "holds the label 1000000000"),
        (np.array([0, np.inf]), "holds the label inf"),
        (np.array([1.0, 0.5]), "holds fractions such as 0.5: save it as whole numbers"),
        (np.array([1.0, np.nan]), "holds fractions such as nan"),
        (np.array([1 + 0j]), "holds complex128, not numbers"),
        (np.array(["1"]), "holds <U1, not numbers"),
        (np.array([None]), "holds object, not numbers"),
    ],
)
def test_what_is_no_paint_is_refused(check, array, text):
    with pytest.raises(BadInput, match=f"^my layer {text}"):
        check(array, "my layer")


def test_paint_is_no_mask():
    assert as_mask(np.array([0, 254], np.int64)).tolist() == [0, 254]
    with pytest.raises(BadInput, match="the label 255, which stands for painted background: this is paint, not a mask"):
        as_mask(PAINT)
    assert mask_from_paint(PAINT)[1].tolist() == [[2, 0, 7], [0, 0, 0]]
    assert mask_from_paint(PAINT).dtype == np.uint8
    assert PAINT.max() == BACKGROUND


def test_names_and_colours_are_kept_where_known():
    liver = ClassInfo(label=7, name="liver", colour=(0.1, 0.2, 0.3))
    assert classes_for([255, 7, 2, 0, 7], [liver]) == (new_class(2), liver)
    assert new_class(2).name == "class 2"
    assert new_class(2).colour == class_colour(2)
    for label in (-1, 255):
        with pytest.raises(ValidationError):
            new_class(label)


@pytest.mark.parametrize("unpainted", list(Unpainted))
def test_background_that_is_painted_in_full_is_learned_as_when_it_was_meant(unpainted):
    paint = np.zeros((4, 5, 6), np.uint8)
    paint[0, 2, 2], paint[2, 1, 1] = BACKGROUND, 1
    labels = channel_labels([PaintSummary.of(paint.shape, count_slices(paint))], unpainted)
    said = with_background(paint, unpainted)
    np.testing.assert_array_equal(
        training_targets(said, Unpainted.UNKNOWN, labels), training_targets(paint, unpainted, labels)
    )
