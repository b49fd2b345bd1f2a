"""What an entry of the undo changed in the end, whatever it is made of."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_unet.gui.layers.edits import Edit
from napari_unet.gui.layers.net_changes import do_again, net_parts, packed, take_back, unpacked

EDIT = Edit("painting", {})


@pytest.mark.parametrize("shape", [(30, 20), (5, 30, 20), (2, 5, 30, 20)])
def test_strokes_over_each_other_are_one_change_that_can_be_taken_back(shape):
    chance = np.random.default_rng(0)
    layer = Labels(chance.integers(0, 3, shape).astype(np.uint8))
    before = layer.data.copy()
    layer.n_edit_dimensions = min(3, len(shape))
    with layer.block_history():
        for label in (1, 2, 0, 2):
            layer.brush_size = int(chance.integers(3, 9))
            layer.paint([int(chance.integers(0, n)) for n in shape], label)
        layer.data_setitem(tuple(chance.integers(0, n, 40) for n in shape), 1)
    after = layer.data.copy()
    parts = list(unpacked(packed(net_parts(layer._undo_history[0], EDIT, shape)), EDIT))
    assert len(parts) == len({part.place for part in parts})
    assert sum(part.voxels for part in parts) == np.count_nonzero(before != after)
    for part in parts:
        assert take_back(part, layer.data).voxels == part.voxels
    np.testing.assert_array_equal(layer.data, before)
    do_again(parts, layer.data)
    np.testing.assert_array_equal(layer.data, after)


def test_what_somebody_painted_since_is_not_taken_back():
    layer = Labels(np.zeros((4, 4), np.uint8))
    layer.data_setitem((np.array([1, 1, 1]), np.array([0, 1, 2])), 1)
    (part,) = net_parts(layer._undo_history[0], EDIT, (4, 4))
    layer.data[1, 1] = 3
    rest = take_back(part, layer.data)
    assert layer.data[1].tolist() == [0, 3, 0, 0]
    assert rest.voxels == 2
    layer.data[1] = 3
    assert take_back(part, layer.data) is None
