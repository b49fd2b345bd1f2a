"""Learning from corrections with two scans and a model from a file; the choice after it; versions are cleared."""

import numpy as np
import pytest

from napari_unet.gui.widgets.versions_window import VersionsWindow
from napari_unet.session import TrainedModel


@pytest.fixture
def reviewed(window, phantom, model_path):
    """Two scans that a model from a file predicted, with a slice painted over and another found right on each."""
    window.own = model_path
    window.open("Train", "Predict", "Review")
    window.predict, window.review = (window.docks[name][1] for name in ("Predict", "Review"))
    window.predict.open_model(str(model_path))
    window.masks = []
    for name in ("one", "two"):
        image = window.viewer.add_image(phantom.scan.copy(), name=name)
        window.predict.scan.box.choose(image)
        window.ended(window.workspace.prediction, lambda: window.press(window.predict))
        mask = window.viewer.layers[f"{name} prediction"]
        mask.data_setitem(np.nonzero(np.stack([phantom.ball[0], *np.zeros_like(phantom.ball[1:])])), 1)
        window.review.mask_box.choose(mask)
        window.viewer.dims.set_point(0, 2)
        window.review.mark_slice()
        window.masks.append(mask)
    return window


def test_both_scans_teach_and_the_new_model_counts_once_it_is_kept(reviewed):
    review, session, (one, two) = reviewed.review, reviewed.workspace.session, reviewed.masks
    review.mask_box.choose(one)
    review.time.addItem("so long", 1)
    review.time.setCurrentIndex(review.time.count() - 1)
    before = [mask.data.copy() for mask in (one, two)]
    ending = reviewed.ended(reviewed.workspace.learning_again, lambda: reviewed.press(review))
    assert "On the slice you found right: Dice" in ending.text
    for mask, data in zip((one, two), before, strict=True):
        np.testing.assert_array_equal(mask.data, data)
    newest, opened = session.models
    assert newest.description.learned_from.scans == opened.description.learned_from.scans + 2
    assert session.state.model == opened, "until somebody keeps the new one"
    table = review.comparison.table
    assert table.topLevelItem(1).text(0) == 'slices you found right of "two prediction"'
    assert [table.topLevelItem(row).child(0).text(0) for row in range(2)] == ["slice 2", "slice 2"]
    reviewed.viewer.dims.set_point(0, 0)
    table.itemClicked.emit(table.topLevelItem(0).child(0), 0)
    assert reviewed.viewer.dims.current_step[0] == 2

    versions = VersionsWindow(reviewed.workspace, reviewed.predict)
    assert "(reviewed slices)" in versions.table.item(0, 3).text()
    versions.table.selectRow(0)
    assert "Keep the new model or go back" in versions.clear_button.toolTip()
    review.comparison.keep_button.click()
    assert session.state.model == newest
    assert not review.comparison.isVisibleTo(review)
    versions.table.selectRow(1)
    versions.clear_button.click()
    assert session.models == (newest,)
    assert reviewed.own.exists(), "a file of the user's"
    versions.table.selectRow(0)
    versions.clear_button.click()
    reviewed.until(lambda: not newest.path.exists())
    assert session.state.model is None
    session.add_model(TrainedModel.from_file(reviewed.own))
    assert versions.table.item(0, 0).text() == reviewed.own.stem
    versions.close()
