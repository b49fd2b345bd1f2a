"""A training begins with a new network, goes on from a model, or is resumed."""

import numpy as np

from napari_unet.config import PRESETS
from napari_unet.gui.widgets import beginnings
from napari_unet.gui.widgets.beginnings import KEPT, OPEN, Beginning, new_state
from napari_unet.gui.work import training
from napari_unet.gui.work.activity import How


def offers(dock):
    return [dock.begin.itemText(i) for i in range(dock.begin.count())]


def choose(dock, words):
    index = next(i for i, offer in enumerate(offers(dock)) if offer.startswith(words))
    dock.begin.setCurrentIndex(index)
    dock.begin.activated.emit(index)


def test_a_preset_fills_the_form(window):
    dock = window.open("Train")
    assert offers(dock) == [*(preset.name for preset in PRESETS.values()), OPEN]
    choose(dock, "Balanced")
    assert dock.config.network.width == PRESETS["balanced"].train.network.width


def test_a_model_goes_on_and_is_shown_again_what_it_learned_from(window, phantom, monkeypatch):
    viewer = window.viewer
    viewer.add_image(phantom.scan, name="first")
    viewer.add_labels(phantom.paint, name="first paint")
    dock = window.open("Train")
    assert window.train(dock).how is How.DONE
    viewer.add_image(phantom.scan + 3, name="second")
    paint = np.where(phantom.paint == 1, 2, phantom.paint).astype(np.uint8)
    viewer.add_labels(paint, name="second paint")
    dock.scan.choose([viewer.layers["second"]])
    dock.paint.choose(viewer.layers["second paint"])
    choose(dock, "Go on: first model")
    asked = []
    really = training.share
    monkeypatch.setattr(training, "share", lambda p, *other: asked.append(p.name) or really(p, *other))
    assert window.ended(window.workspace.training, lambda: window.press(dock)).how is How.DONE
    assert asked == ["second paint", "first paint"]
    newest, oldest = window.workspace.session.models
    assert newest.description.labels == (0, 1, 2)
    assert newest.description.learned_from.steps == 2 * oldest.description.learned_from.steps

    viewer.layers.remove("first paint")
    choose(dock, "Go on: second model")
    asked.clear()
    window.ended(window.workspace.training, lambda: window.press(dock))
    assert asked == ["second paint"]


def test_a_stopped_training_is_resumed_in_another_window(new_window, phantom):
    window = new_window()
    window.viewer.add_image(phantom.scan, name="scan")
    window.viewer.add_labels(phantom.paint, name="paint")
    dock = window.open("Train")
    window.begin_to_train(dock)
    window.ended(window.workspace.training, dock.panel.stop_button.click)
    stopped = window.workspace.session.models[0].description.learned_from
    window.close("Train")

    later = new_window()
    later.viewer.add_image(phantom.scan, name="scan")
    later.viewer.add_labels(phantom.paint, name="paint")
    dock = later.open("Train")
    dock.begin.refill()
    choose(dock, "Resume: ")
    later.press(dock)
    later.until(lambda: dock.panel._bar.value() > 0)
    later.ended(later.workspace.training, dock.panel.stop_button.click)
    assert later.workspace.session.models[0].description.learned_from.seconds > stopped.seconds

    later.viewer.layers["paint"].data[1, 12:20, 12:20] = 0
    later.viewer.layers["paint"].data[2, 12:20, 12:20] = 1
    later.viewer.layers["paint"].refresh()
    ending = later.ended(later.workspace.training, lambda: later.press(dock))
    assert (ending.how, "not the one" in ending.text) == (How.FAILED, True)


def test_a_finished_training_leaves_no_state(window, phantom):
    window.viewer.add_image(phantom.scan, name="scan")
    window.viewer.add_labels(phantom.paint, name="paint")
    dock = window.open("Train")
    window.train(dock)
    assert beginnings.interrupted() == []


def test_few_states_are_kept_and_a_folder_that_cannot_be_made_costs_nothing_else(tmp_path, monkeypatch):
    for number in range(KEPT + 2):
        state = new_state()
        state.with_stem(f"{state.stem} {number}").touch()
    assert len(beginnings.interrupted()) == KEPT
    (tmp_path / "file").touch()
    monkeypatch.setattr(beginnings, "folder", lambda: tmp_path / "file" / "unfinished")
    assert new_state() is None


def test_a_model_is_opened_from_a_file(window, phantom, tmp_path):
    window.viewer.add_image(phantom.scan, name="scan")
    window.viewer.add_labels(phantom.paint, name="paint")
    dock = window.open("Train")
    window.train(dock)
    dock.save_model(str(tmp_path / "saved"))
    dock.begin.open_model(str(tmp_path / "saved.unet"))
    assert dock.begin.currentText() == "Go on: saved"
    (tmp_path / "broken.unet").write_bytes(b"nothing")
    dock.begin.open_model(str(tmp_path / "broken.unet"))
    assert "not a model" in dock.panel.ending.text()
    assert dock.begin.beginning != Beginning(preset="fast")
