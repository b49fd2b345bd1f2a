"""Where to look next: what stands for the most doubt, in words, and distance where nothing else is known."""

import numpy as np
import pytest

from napari_unet.review.looking import Look, where_next


def look(doubt, *features, unsure=0.14):
    return Look(unsure, doubt, (10.0, 20.0), np.array(features, np.float32))


def chosen(count, looks, looked_at=()):
    """Choose so many slices, each looked at before the next is chosen."""
    looked_at = list(looked_at)
    while count:
        looked_at.append(where_next(9, looked_at, looks).z)
        count -= 1
    return looked_at


def test_of_slices_alike_the_one_in_doubt_is_next():
    own = 0.1 * np.eye(9)
    looks = {z: look(0.3 if z == 6 else 0.1, z % 2, *own[z]) for z in range(9)}
    assert where_next(9, {0}, looks).z != 6, "it looks as slice 0, which was painted, does"
    looks[6] = look(0.3, 1, *own[6])
    assert where_next(9, {0}, looks).z == 6


def test_one_that_many_are_like_is_next_rather_than_an_odd_one_in_more_doubt():
    features = [0.0, 30.0, *[10 + 0.1 * z for z in range(7)]]
    looks = {z: look(0.15 if z == 1 else 0.1, feature) for z, feature in enumerate(features)}
    assert where_next(9, {0}, looks).z > 1


def test_of_slices_in_like_doubt_the_one_unlike_those_looked_at_is_next():
    looks = {z: look(0.1, 5.0 if z == 4 else 0.1 * z) for z in range(9)}
    assert where_next(9, {0, 8}, looks).z == 4


def test_one_of_a_kind_is_enough_for_now():
    kinds = {z: z // 3 for z in range(9)}
    looks = {z: look(0.1 + 0.01 * z, 10.0 * kind) for z, kind in kinds.items()}
    assert {kinds[z] for z in chosen(2, looks, [0])} == {0, 1, 2}


def test_the_reason_is_said_in_words_with_the_place():
    looks = {0: look(0.1, 0.0), 1: look(0.1, 9.0), 2: look(0.1, 0.1)}
    suggestion = where_next(3, {0}, looks)
    assert (
        suggestion.sentence() == "Look at slice 1 next: unsure along 14 % of the edge; unlike the slices you painted."
    )
    assert suggestion.place == (10.0, 20.0)
    assert "; like the slices you painted" in where_next(3, {0}, {**looks, 2: look(99.0, 0.1)}).reason
    assert where_next(3, set(), looks).reason == "unsure along 14 % of the edge"


def test_without_edges_it_does_not_speak_of_them():
    looks = {0: look(0.1, 0.0), 1: look(0.1, 9.0, unsure=0.0)}
    assert where_next(2, {0}, looks).reason == "unlike the slices you painted"


@pytest.mark.parametrize(("looked_at", "z"), [((), 4), ((0, 1), 8), ((0, 8), 4), (range(8), 8)])
def test_a_mask_about_which_nothing_was_found_out_goes_by_distance(looked_at, z):
    assert where_next(9, looked_at, {}).z == z


def test_distance_is_said_in_words():
    assert where_next(9, {0, 1}, {}).sentence() == "Look at slice 8 next: 7 slices away from any you looked at."


def test_slices_of_air_come_last():
    looks = {2: look(0.01, 0.0), 3: look(0.01, 0.1)}
    assert set(chosen(2, looks, [1])) == {1, 2, 3}


def test_when_all_were_looked_at_there_is_nothing_next():
    assert where_next(2, {0, 1}, {}) is None
