"""Undo takes back the last step in the window, whichever layer it was on, by napari's own keys."""

import numpy as np
import pytest
from napari.utils.key_bindings import KeymapHandler

from napari_unet.gui.layers.edits import Edit, compare, entries, make_edit
from napari_unet.history import History

UNDO, REDO = "Ctrl-Z", "Ctrl-Shift-Z"
MOST_STEPS = 20
CLOSING = Edit("closing 2 mm", {})


@pytest.fixture
def painted(window, phantom):
    """A window with two masks on a scan, one stroke of before any dock was open, and the Refine dock."""
    window.viewer.add_image(phantom.scan, name="scan")
    window.one, window.other = (window.viewer.add_labels(np.zeros_like(phantom.paint), name=name) for name in "ab")
    paint(window, window.one, 1)
    window.dock = window.open("Refine")
    return window


def paint(window, layer, z):
    window.viewer.dims.set_current_step(0, z)
    layer.brush_size = 3
    layer.mode = "paint"
    layer.paint((z, 9, 9), int(layer.data[z, 9, 9]) % 9 + 1)


def close_holes(layer):
    after = layer.data.copy()
    after[:, 20:22] = 2
    make_edit(layer, compare(CLOSING, layer.data.shape[:-2], layer.data.copy(), after))


def press(window, key):
    """Press a key as napari has it for what is selected."""
    keys = KeymapHandler()
    keys.keymap_providers = [window.viewer]
    if window.viewer.layers.selection.active is not None:
        keys.keymap_providers = [window.viewer.layers.selection.active, window.viewer]
    assert keys.press_key(key)


def names(window):
    """Say what the buttons say."""
    buttons = (window.dock.undo.undo_button, window.dock.undo.redo_button)
    return [button.text() if button.isVisibleTo(window.dock) else "" for button in buttons]


def test_the_last_step_comes_back_whatever_is_selected_and_where_it_can_be_seen(painted):
    one, other, viewer = painted.one, painted.other, painted.viewer
    paint(painted, other, 3)
    close_holes(one)
    paint(painted, other, 0)
    other.visible = viewer.layers["scan"].visible = False
    viewer.dims.set_current_step(0, 2)
    states = [(one.data.copy(), other.data.copy())]
    assert names(painted) == ["Undo: painting on slice 0 (Ctrl+Z)", ""]
    viewer.layers.selection.active = one
    press(painted, UNDO)
    assert not other.data[0].any()
    assert viewer.dims.current_step[0] == 0
    assert other.visible
    assert viewer.layers["scan"].visible, "no mask lies alone over another scan"
    assert viewer.layers.selection.active is one, "whoever paints on goes on in the same layer"
    assert names(painted) == ["Undo: closing 2 mm (Ctrl+Z)", "Redo: painting on slice 0 (Ctrl+Shift+Z)"]
    assert 'Undone: painting on slice 0, on "b"' in viewer.status
    viewer.layers.selection.active = viewer.layers["scan"]
    press(painted, UNDO)
    assert not (one.data == 2).any()
    assert one.mode == "paint", "the brush stays in hand"
    painted.dock.undo.undo_button.click()
    assert not other.data.any()
    press(painted, UNDO)
    assert not one.data.any(), "what was painted before a dock was open is known too"
    assert names(painted) == ["", "Redo: painting on slice 1 (Ctrl+Shift+Z)"]
    for _ in range(4):
        press(painted, REDO)
    np.testing.assert_array_equal((one.data, other.data), states[0])
    press(painted, UNDO)
    paint(painted, one, 0)
    assert names(painted)[1] == ""
    assert not other._redo_history


def test_what_napari_takes_back_itself_is_followed(painted):
    one, other = painted.one, painted.other
    paint(painted, other, 3)
    close_holes(one)
    other.undo()
    assert names(painted) == ["Undo: closing 2 mm (Ctrl+Z)", "Redo: painting on slice 3 (Ctrl+Shift+Z)"]
    other.redo()
    assert names(painted) == ["Undo: painting on slice 3 (Ctrl+Z)", ""]
    other.data = np.zeros_like(other.data)
    assert names(painted)[0] == "Undo: closing 2 mm (Ctrl+Z)"
    other.undo()
    assert not other.data.any()
    painted.viewer.layers.remove(one)
    assert names(painted) == ["", ""]
    press(painted, UNDO)
    painted.viewer.layers.append(one)
    assert names(painted)[0] == "Undo: closing 2 mm (Ctrl+Z)", "its strokes came back with it"
    one.editable = False
    assert names(painted) == ["", ""]


def test_memory_is_bounded_over_all_layers(painted, monkeypatch):
    monkeypatch.setattr("napari_unet.history.MOST_STEPS", MOST_STEPS)
    history = painted.workspace.history
    painted.dock.undo.undo_button.click()
    for number in range(MOST_STEPS + 1):
        paint(painted, (painted.one, painted.other)[number % 2], number % 4)
    assert sum(len(entries(layer)) for layer in (painted.one, painted.other)) == MOST_STEPS
    history._most_bytes = history.nbytes // 2
    close_holes(painted.other)
    assert history.nbytes <= history._most_bytes
    kept = sum(len(entries(layer)) for layer in (painted.one, painted.other))
    assert 1 < kept <= MOST_STEPS // 2
    for _ in range(kept):
        press(painted, UNDO)
    assert names(painted)[0] == ""


def test_keys_are_naparis_again_when_the_docks_are_closed(painted):
    paint(painted, painted.other, 3)
    painted.close("Refine")
    for layer in (painted.one, painted.other):
        assert not layer.keymap
    painted.viewer.layers.selection.active = painted.one
    press(painted, UNDO)
    assert not painted.one.data.any()
    assert painted.other.data.any()
    assert isinstance(painted.workspace.history, History)
    painted.dock = painted.open("Refine")
    assert names(painted)[0] == "Undo: painting on slice 3 (Ctrl+Z)"
