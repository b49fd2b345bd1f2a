"""Edits of a layer come back by napari's undo, in order with strokes, bit for bit, in little memory."""

import gc
import weakref

import numpy as np
import pytest
from napari.layers import Labels

from napari_unet.gui.layers.edits import (
    Edit,
    SlicePart,
    applied,
    can_edit,
    compare,
    entries,
    entry_bytes,
    entry_name,
    make_edit,
    size_of,
)

CLOSING = Edit("closing 2 mm", {"steps": [{"kind": "closing"}]})
FILLING = Edit("filling", {"fill": {}})


@pytest.fixture
def layer():
    """Give a layer of blocks, (6, 40, 50)."""
    return Labels(
        np.kron(np.random.default_rng(0).integers(0, 4, (6, 8, 10)), np.ones((1, 5, 5), int)).astype(np.uint8)
    )


def parts_to(layer, after, edit=CLOSING):
    """Compare a layer with what it is to become."""
    grid = (-1, *layer.data.shape[-2:])
    return compare(edit, layer.data.shape[:-2], layer.data.reshape(grid).copy(), after.reshape(grid))


def test_a_part_holds_what_changed_and_no_more():
    random = np.random.default_rng(1)
    before, after = random.integers(0, 3, (2, 30, 40)).astype(np.uint8)
    part = SlicePart.of(CLOSING, (4,), before, after)
    (z, rows, columns), old, new = part
    assert z == 4
    changed = np.zeros((30, 40), bool)
    changed[rows, columns] = True
    np.testing.assert_array_equal(changed, before != after)
    np.testing.assert_array_equal(old, before[changed])
    np.testing.assert_array_equal(new, after[changed])
    assert part.voxels == changed.sum()
    assert SlicePart.of(CLOSING, (4,), before, before) is None
    whole = SlicePart.of(CLOSING, (), np.zeros((512, 512), np.uint8), np.ones((512, 512), np.uint8))
    assert whole.nbytes == 10


@pytest.mark.parametrize("shape", [(40, 50), (6, 40, 50), (2, 3, 40, 50)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_strokes_and_edits_come_back_in_order(layer, shape, dtype):
    layer = Labels(layer.data[: max(1, int(np.prod(shape[:-2])))].reshape(shape).astype(dtype))
    leading = (0,) * (len(shape) - 2)
    states = [layer.data.copy()]
    layer.paint((*leading, 5, 5), 7)
    states.append(layer.data.copy())
    make_edit(layer, parts_to(layer, np.where(layer.data == 1, 2, layer.data).astype(np.uint8)))
    states.append(layer.data.copy())
    assert entry_name(entries(layer)[-1]) == "closing 2 mm"
    assert applied(layer) == [CLOSING.settings]
    assert entry_bytes(entries(layer)[-1]) == size_of(entries(layer)[-1]) > 0
    layer.paint((*leading, 6, 6), 3)
    states.append(layer.data.copy())
    assert entry_bytes(entries(layer)[-1]) >= np.count_nonzero(states[-1] != states[-2])
    assert entry_name(entries(layer)[-1]) == ""
    for step in (-2, -3, -4, -4):
        layer.undo()
        np.testing.assert_array_equal(layer.data, states[step])
    assert applied(layer) == []
    for step in (1, 2, 3):
        layer.redo()
        np.testing.assert_array_equal(layer.data, states[step])
    assert applied(layer) == [CLOSING.settings]


def test_what_is_undone_for_good_is_not_said_to_be_applied(layer):
    make_edit(layer, parts_to(layer, np.where(layer.data == 1, 2, layer.data)))
    make_edit(layer, parts_to(layer, np.where(layer.data == 3, 0, layer.data), FILLING))
    assert applied(layer) == [CLOSING.settings, FILLING.settings]
    layer.undo()
    layer.paint((0, 5, 5), 7)
    assert applied(layer) == [CLOSING.settings]


def test_what_a_person_paints_meanwhile_stays(layer):
    before = layer.data.copy()
    parts = parts_to(layer, np.full_like(before, 9))
    layer.paint((2, 20, 20), 5)
    stroke = layer.data.copy()
    painted = stroke != before
    assert make_edit(layer, parts) == painted.sum() > 0
    np.testing.assert_array_equal(layer.data, np.where(painted, 5, 9))
    layer.undo()
    np.testing.assert_array_equal(layer.data, stroke)
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


def test_one_whole_slice_painted_meanwhile(layer):
    parts = parts_to(layer, np.full_like(layer.data, 9))
    layer.data[2] = 5
    make_edit(layer, parts)
    assert (layer.data[2] == 5).all()
    assert (np.delete(layer.data, 2, axis=0) == 9).all()


def test_an_edit_that_changes_nothing_leaves_no_entry(layer):
    make_edit(layer, parts_to(layer, layer.data))
    assert not layer._undo_history


def test_only_layers_in_memory_that_a_person_may_paint_on(layer):
    assert can_edit(layer)
    layer.editable = False
    assert not can_edit(layer)
    locked = np.zeros((4, 4), np.uint8)
    locked.flags.writeable = False
    assert not can_edit(Labels(locked))
    assert not can_edit(Labels([np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.uint8)], multiscale=True))


def test_an_edited_layer_goes_when_nobody_wants_it(layer):
    layer = Labels(layer.data)
    make_edit(layer, parts_to(layer, np.zeros_like(layer.data)))
    reference = weakref.ref(layer)
    del layer
    gc.collect()
    assert reference() is None


def test_a_layer_whose_rows_are_not_in_order_in_memory():
    before = np.arange(60, dtype=np.uint8).reshape(3, 5, 4).transpose(0, 2, 1)
    after = before.copy()
    after[1:, 1:3, 2:] = 100
    layer = Labels(before.copy(order="K"))
    layer.data[1, 1, 2] = 101
    assert not layer.data[0].flags.c_contiguous
    assert make_edit(layer, compare(Edit("a test", {}), (3,), before, after)) == 1
    after[1, 1, 2] = 101
    np.testing.assert_array_equal(layer.data, after)
