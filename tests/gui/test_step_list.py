"""Steps are switched, set, ordered by buttons and by dragging, added and taken away; each change is told once."""

import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QToolButton

from napari_unet.config import Closing, FillHoles, KeepLargest, RefineConfig, RemoveSmall, Split, WithinIntensities
from napari_unet.gui.docks.dock import NARROWEST
from napari_unet.gui.widgets.step_list import STEP_KINDS, StepList
from napari_unet.gui.widgets.step_words import pipeline_words, step_summary, step_title

STEPS = RefineConfig(steps=(RemoveSmall(), FillHoles(), Closing(enabled=False)))


@pytest.fixture
def steps(qtbot):
    """Give a list with three steps, in a window of its own."""
    steps = StepList(STEPS)
    qtbot.addWidget(steps)
    steps.resize(NARROWEST, 500)
    with qtbot.waitExposed(steps):
        steps.show()
    return steps


@pytest.fixture
def told(steps):
    told = []
    steps.changed.connect(told.append)
    return told


def kinds(config):
    return [step.kind for step in config.steps]


def press(row, tip):
    next(button for button in row.findChildren(QToolButton) if button.toolTip() == tip).click()


def drag(widget, to):
    """Move the mouse with its button down; QTest moves it with the button up."""
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    here = QPointF(widget.mapFromGlobal(to))
    QApplication.sendEvent(widget, QMouseEvent(QEvent.Type.MouseMove, here, QPointF(to), left, left, none))


def test_it_shows_the_steps_as_they_are(steps):
    assert steps.config == STEPS
    assert [row.form.isHidden() for row in steps.rows] == [True] * 3


def test_switching_and_setting(steps, told):
    steps.rows[2].switch.setChecked(True)
    steps.rows[2].unfold.setChecked(True)
    assert not steps.rows[2].form.isHidden()
    radius = steps.rows[2].form._controls["radius"].widget
    radius.set_value(3.5)
    assert told == [
        RefineConfig(steps=(*STEPS.steps[:2], Closing())),
        RefineConfig(steps=(*STEPS.steps[:2], Closing(radius=3.5))),
    ]
    assert steps.rows[2]._summary.text() == "3.5 mm"


def test_up_and_down_by_keys_and_away(steps, told):
    press(steps.rows[0], "Do it earlier")
    assert told == []
    press(steps.rows[0], "Do it later")
    assert kinds(told[-1]) == ["fill-holes", "remove-small", "closing"]
    button = next(b for b in steps.rows[2].findChildren(QToolButton) if b.toolTip() == "Do it earlier")
    button.setFocus()
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert kinds(told[-1]) == ["fill-holes", "closing", "remove-small"]
    press(steps.rows[0], "Remove this step")
    assert kinds(told[-1]) == ["closing", "remove-small"]
    assert len(told) == 3


def test_a_step_is_dragged(steps, told):
    grip, last = steps.rows[0].grip, steps.rows[2]
    QTest.mousePress(grip, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    for row in (steps.rows[1], last):
        drag(grip, row.mapToGlobal(QPoint(2, row.height() - 1)))
        QTest.qWait(1)
    assert kinds(steps.config) == ["fill-holes", "closing", "remove-small"]
    assert told == []
    QTest.mouseRelease(grip, Qt.MouseButton.LeftButton)
    assert [kinds(config) for config in told] == [["fill-holes", "closing", "remove-small"]]
    QTest.mousePress(grip, Qt.MouseButton.LeftButton)
    QTest.mouseRelease(grip, Qt.MouseButton.LeftButton)
    assert len(told) == 1


def test_any_kind_is_added_with_its_parameters_in_view(steps, told):
    for action in steps._menu.actions():
        action.trigger()
    assert [type(step) for step in told[-1].steps[3:]] == list(STEP_KINDS)
    assert not steps.rows[-1].form.isHidden()
    assert len(told) == len(STEP_KINDS)


def test_other_steps_come_without_a_word(steps, told):
    other = RefineConfig(steps=(KeepLargest(pieces=3), Split(enabled=False)))
    steps.set_config(other)
    assert steps.config == other
    assert told == []
    steps.rows[1].switch.setChecked(True)
    assert told == [RefineConfig(steps=(KeepLargest(pieces=3), Split()))]


def test_a_contradiction_is_not_told(steps, told):
    steps.set_config(RefineConfig(steps=(WithinIntensities(lowest=0, highest=10),)))
    steps.rows[0].form._controls["lowest"].widget.set_value(50)
    assert told == []
    assert "lies over the highest" in steps.rows[0].form._problem.text()


def test_it_fits_a_narrow_dock(steps):
    steps.set_config(RefineConfig(steps=tuple(kind() for kind in STEP_KINDS)))
    for row in steps.rows:
        row.unfold.setChecked(True)
    assert steps.minimumSizeHint().width() <= NARROWEST - 30


def test_steps_in_words():
    assert step_title(RemoveSmall) == "Remove small"
    assert step_summary(Closing(radius=2)) == "2 mm"
    assert step_summary(KeepLargest()) == "1"
    assert step_summary(FillHoles()) == ""
    assert step_summary(WithinIntensities(lowest=-200, highest=300)) == "-200 to 300"
    assert pipeline_words(RefineConfig(steps=())) == "no steps"
    assert pipeline_words(STEPS) == "remove small 0.5 ml and 1 more step"
    assert pipeline_words(RefineConfig(steps=(FillHoles(enabled=False), Closing()))) == "closing 2 mm"
