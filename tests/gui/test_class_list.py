"""The list shows classes and paint, tells what a person did, and never tells back what it was told."""

import gc
import time
import weakref

import pytest
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QColor, QIcon
from qtpy.QtWidgets import QApplication, QColorDialog, QLineEdit, QPushButton, QToolTip, QTreeView

from napari_unet.annotation import BACKGROUND, PaintSummary, new_class
from napari_unet.gui.widgets.class_list import ClassList
from napari_unet.gui.widgets.class_model import SWATCH, Column, painted_words

RIBS, LUNG, LIVER = new_class(1, "ribs"), new_class(5, "right lung"), new_class(3, "liver")
SUMMARY = PaintSummary((100, 64, 64), (1, 2), {1: 3410, 3: 14, BACKGROUND: 900}, {1: 12, 3: 1, BACKGROUND: 1})


class Listener:
    """Everything a list told, in order."""

    def __init__(self, widget):
        self.told = []
        widget.selected.connect(lambda label: self.told.append(label))
        widget.classes_changed.connect(lambda classes: self.told.append(classes))


@pytest.fixture
def shown(qtbot):
    widget = ClassList()
    qtbot.addWidget(widget)
    widget.set_classes([RIBS, LUNG, LIVER])
    widget.set_summary(SUMMARY)
    widget.resize(310, 300)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def view(widget):
    return widget.findChild(QTreeView)


def rows(widget):
    model = view(widget).model()
    return [
        tuple(model.index(row, column).data() for column in (Column.NUMBER, Column.NAME, Column.PAINTED))
        for row in range(model.rowCount())
    ]


def chosen(widget):
    indexes = view(widget).selectedIndexes()
    return indexes[Column.NAME].data() if indexes else None


def click(qtbot, widget, row, column):
    tree = view(widget)
    centre = tree.visualRect(tree.model().index(row, column)).center()
    qtbot.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=centre)


def test_rows_are_classes_then_background_then_eraser(shown):
    assert rows(shown) == [
        ("1", "ribs", "12 slices, 3,410 voxels"),
        ("3", "liver", "1 slice, only 14 voxels"),
        ("5", "right lung", ""),
        ("", "background (G)", "1 slice, 900 voxels"),
        ("", "erase paint (E)", ""),
    ]
    shown.set_summary(None)
    assert {painted for _, _, painted in rows(shown)} == {""}


@pytest.mark.parametrize(
    ("slices", "voxels", "few", "words"),
    [
        (1, 1, True, "1 slice, only 1 voxel"),
        (12, 999_999, False, "12 slices, 999,999 voxels"),
        (1200, 1_250_000, False, "1,200 slices, 1.2 M voxels"),
    ],
)
def test_painted_words(slices, voxels, few, words):
    assert painted_words(slices, voxels, few=few) == words


def test_little_paint_is_amber_and_says_what_to_do(shown):
    model = view(shown).model()
    colours = [model.index(row, Column.PAINTED).data(Qt.ItemDataRole.ForegroundRole) for row in range(5)]
    assert [colour is not None for colour in colours] == [False, True, False, False, False]
    assert "paint more of it" in model.index(1, Column.PAINTED).data(Qt.ItemDataRole.ToolTipRole)


def test_swatches_have_the_colours_of_the_classes(shown):
    model = view(shown).model()
    for row, info in enumerate((RIBS, LIVER, LUNG)):
        icon = model.index(row, Column.COLOUR).data(Qt.ItemDataRole.DecorationRole)
        swatch = icon.pixmap(SWATCH, SWATCH, QIcon.Mode.Selected).toImage()
        assert swatch.pixel(6, 6) == QColor.fromRgbF(*info.colour).rgb()


def test_choosing_tells_and_being_told_does_not(shown, qtbot):
    listener = Listener(shown)
    shown.set_selected(5)
    assert chosen(shown) == "right lung"
    assert listener.told == []
    click(qtbot, shown, 0, Column.NAME)
    qtbot.keyClick(view(shown), Qt.Key.Key_Down)
    click(qtbot, shown, 3, Column.NAME)
    qtbot.keyClick(view(shown), Qt.Key.Key_Down)
    assert listener.told == [1, 3, BACKGROUND, 0]
    shown.set_selected(77)
    assert chosen(shown) is None
    shown.set_selected(None)
    assert listener.told == [1, 3, BACKGROUND, 0]


def test_two_lists_that_follow_each_other_do_not_loop(shown, qtbot):
    other = ClassList()
    qtbot.addWidget(other)
    other.set_classes(shown.classes)
    for one, two in ((shown, other), (other, shown)):
        one.selected.connect(two.set_selected)
        one.classes_changed.connect(two.set_classes)
    listeners = Listener(shown), Listener(other)
    click(qtbot, shown, 2, Column.NAME)
    assert chosen(other) == "right lung"
    qtbot.keyClick(view(shown), Qt.Key.Key_Insert)
    assert other.classes == shown.classes
    assert len(shown.classes) == 4
    assert [len(listener.told) for listener in listeners] == [3, 0]


def test_taking_focus_chooses_nothing(shown, qtbot):
    listener = Listener(shown)
    shown.activateWindow()
    view(shown).setFocus()
    qtbot.waitUntil(view(shown).hasFocus)
    assert listener.told == []


def test_the_chosen_class_stays_chosen_when_classes_come(shown):
    listener = Listener(shown)
    shown.set_selected(5)
    shown.set_classes([LUNG, new_class(4), new_class(7)])
    assert chosen(shown) == "right lung"
    assert listener.told == []


def type_name(qtbot, widget, name):
    editor = view(widget).viewport().findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, name)
    finish(qtbot, editor)


def finish(qtbot, editor):
    with qtbot.waitSignal(editor.destroyed):
        qtbot.keyClick(editor, Qt.Key.Key_Return)


@pytest.mark.parametrize(("typed", "name"), [("left lung ", "left lung"), (" ", "ribs"), ("ribs", "ribs")])
def test_f2_renames(shown, qtbot, typed, name):
    shown.set_selected(1)
    listener = Listener(shown)
    qtbot.keyClick(view(shown), Qt.Key.Key_F2)
    type_name(qtbot, shown, typed)
    assert shown.classes[0].name == name
    assert listener.told == ([] if name == "ribs" else [(new_class(1, name), LIVER, LUNG)])


def test_background_and_eraser_have_no_name_to_edit(shown, qtbot):
    for label in (BACKGROUND, 0):
        shown.set_selected(label)
        qtbot.keyClick(view(shown), Qt.Key.Key_F2)
        assert view(shown).viewport().findChild(QLineEdit) is None


def test_a_name_that_is_being_typed_survives_news_of_paint(shown, qtbot):
    shown.set_selected(1)
    qtbot.keyClick(view(shown), Qt.Key.Key_F2)
    editor = view(shown).viewport().findChild(QLineEdit)
    editor.setText("rib ca")
    shown.set_summary(PaintSummary((100, 64, 64), (1,), {1: 5000}, {1: 20}))
    shown.set_classes([RIBS, LIVER, LUNG])
    qtbot.keyClicks(editor, "ge")
    finish(qtbot, editor)
    assert shown.classes[0].name == "rib cage"


def test_adding_takes_the_next_free_number_and_asks_for_a_name(shown, qtbot):
    listener = Listener(shown)
    shown.set_summary(PaintSummary((1, 2, 3), (0,), {2: 9}, {2: 1}))
    qtbot.mouseClick(shown.findChild(QPushButton), Qt.MouseButton.LeftButton)
    type_name(qtbot, shown, "heart")
    heart = new_class(4, "heart")
    assert shown.classes == (RIBS, LIVER, heart, LUNG)
    assert listener.told == [(RIBS, LIVER, new_class(4), LUNG), 4, (RIBS, LIVER, heart, LUNG)]
    assert chosen(shown) == "heart"


def test_254_classes_are_all_and_quick(shown, qtbot):
    start = time.process_time()
    shown.set_classes([new_class(label) for label in range(1, 255)])
    shown.set_summary(PaintSummary((9, 9, 9), (1,), dict.fromkeys(range(1, 255), 50), dict.fromkeys(range(1, 255), 1)))
    shown.set_selected(254)
    shown.grab()
    assert time.process_time() - start < 0.5
    button = shown.findChild(QPushButton)
    assert not button.isEnabled()
    assert "All 254 numbers are taken" in button.toolTip()
    qtbot.keyClick(view(shown), Qt.Key.Key_Insert)
    assert len(shown.classes) == 254


def test_a_class_without_paint_is_removed_and_the_next_row_chosen(shown, qtbot):
    shown.set_selected(5)
    listener = Listener(shown)
    qtbot.keyClick(view(shown), Qt.Key.Key_Delete)
    assert listener.told == [(RIBS, LIVER), BACKGROUND]


@pytest.mark.parametrize(
    ("label", "summary", "reason"),
    [
        (1, SUMMARY, '"ribs" has paint: erase it first'),
        (5, None, "still being counted"),
        (BACKGROUND, SUMMARY, "cannot be removed"),
        (0, SUMMARY, "cannot be removed"),
    ],
)
def test_removing_is_refused_with_a_sentence(shown, qtbot, label, summary, reason):
    shown.set_summary(summary)
    shown.set_selected(label)
    listener = Listener(shown)
    qtbot.keyClick(view(shown), Qt.Key.Key_Delete)
    assert reason in QToolTip.text()
    assert listener.told == []
    menu = shown._menu(label)
    remove = menu.actions()[-1]
    assert not remove.isEnabled()
    assert reason in remove.toolTip()
    menu.close()


def test_the_menu_removes_renames_and_opens_at_a_row(shown, qtbot):
    opened = view(shown).visualRect(view(shown).model().index(2, Column.NAME)).center()
    view(shown).customContextMenuRequested.emit(opened)
    menu = QApplication.activePopupWidget()
    assert [action.text().split("\t")[0] for action in menu.actions()] == ["Rename", "Colour…", "Remove"]
    menu.actions()[-1].trigger()
    menu.close()
    assert shown.classes == (RIBS, LIVER)
    view(shown).customContextMenuRequested.emit(QPoint(5, 5000))
    assert QApplication.activePopupWidget() is None


def test_a_click_on_the_colour_opens_the_dialog(shown, qtbot):
    click(qtbot, shown, 3, Column.COLOUR)
    assert shown.findChild(QColorDialog) is None
    click(qtbot, shown, 0, Column.COLOUR)
    dialog = shown.findChild(QColorDialog)
    listener = Listener(shown)
    dialog.setCurrentColor(QColor(255, 0, 51))
    dialog.accept()
    assert shown.classes[0].colour == pytest.approx((1.0, 0.0, 0.2), abs=1e-4)
    assert listener.told == [shown.classes]


def test_few_rows_are_high_enough_and_many_scroll(shown):
    few = view(shown).height()
    assert view(shown).verticalScrollBar().maximum() == 0
    shown.set_classes([new_class(label) for label in range(1, 30)])
    QApplication.processEvents()
    assert few <= view(shown).height() < 2 * few
    assert view(shown).verticalScrollBar().maximum() > 0
    assert shown.minimumSizeHint().width() <= 310


def test_it_goes_and_tells_nobody(qtbot):
    widget = ClassList()
    widget.set_classes([RIBS])
    gone = []
    widget.destroyed.connect(lambda: gone.append(True))
    left = weakref.ref(widget)
    widget.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert gone == [True]
    del widget
    gc.collect()
    assert left() is None
