"""The form holds exactly what the config holds, and tells of each change once."""

import gc
import typing
import weakref
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError, model_validator
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QLineEdit, QSpinBox

from napari_unet.config import (
    PRESETS,
    AugmentConfig,
    Closing,
    Config,
    FillBetweenConfig,
    Grow,
    KeepTouching,
    NetworkConfig,
    Opening,
    PredictConfig,
    RefineStep,
    RemoveSmall,
    TrainConfig,
    parameter,
)
from napari_unet.errors import BadInput
from napari_unet.gui.widgets.controls import DecimalBox
from napari_unet.gui.widgets.forms import ConfigForm

STEPS = typing.get_args(typing.get_args(RefineStep)[0])


def configs(kind: type[Config]) -> st.SearchStrategy[Config]:
    """Any valid config of a class, read from the fields' own ranges."""

    def values(field):
        if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
            return configs(field.annotation)
        lowest = next((limit.ge for limit in field.metadata if hasattr(limit, "ge")), None)
        highest = next((limit.le for limit in field.metadata if hasattr(limit, "le")), None)
        if field.annotation is float:
            return st.floats(lowest, highest, allow_nan=False)
        if field.annotation is int:
            return st.integers(lowest, highest)
        if typing.get_origin(field.annotation) is tuple:
            if typing.get_origin(typing.get_args(field.annotation)[0]) is tuple:
                place = st.floats(-1e6, 1e6)
                return st.lists(st.tuples(place, place, place), max_size=3).map(tuple)
            return st.lists(st.integers(1, 254), max_size=4).map(tuple)
        if typing.get_origin(field.annotation) is Literal:
            return st.sampled_from(typing.get_args(field.annotation))
        return st.booleans() if field.annotation is bool else st.sampled_from(list(field.annotation))

    def made(chosen):
        try:
            return kind(**chosen)
        except ValidationError:  # each is allowed, but not together
            return None

    chosen = st.fixed_dictionaries({name: values(field) for name, field in kind.model_fields.items()})
    return chosen.map(made).filter(lambda config: config is not None)


@pytest.fixture
def make_form(qtbot):
    def make(config, **options):
        form = ConfigForm(config, **options)
        qtbot.addWidget(form)
        return form

    return make


@pytest.mark.parametrize("config", [preset.train for preset in PRESETS.values()], ids=list(PRESETS))
def test_presets_survive(make_form, config):
    form = make_form(TrainConfig())
    form.set_value(config)
    assert form.value() == config


@pytest.mark.parametrize("kind", STEPS, ids=lambda kind: kind.__name__)
def test_refine_steps_survive(make_form, kind):
    form = make_form(kind())
    step = kind(enabled=False, classes=(5, 1))
    form.set_value(step)
    assert form.value() == step
    assert form.findChild(QLineEdit, "classes").text() == "5, 1"


@pytest.mark.parametrize("kind", [TrainConfig, PredictConfig, FillBetweenConfig, *STEPS])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_config_survives(make_form, kind, data):
    form = make_form(kind())
    config = data.draw(configs(kind))
    form.set_value(config)
    assert form.value() == config


@pytest.mark.parametrize("rate", [1e-4, 1e-6, 0.1 + 0.2, 1 / 3])
def test_small_and_long_numbers_keep_every_digit(make_form, rate):
    form = make_form(TrainConfig())
    form.set_value(TrainConfig(learning_rate=rate))
    assert form.value().learning_rate == rate


def test_a_change_is_told_once_and_setting_is_not(make_form, qtbot):
    form = make_form(TrainConfig())
    told = []
    form.changed.connect(told.append)
    form.set_value(PRESETS["paper"].train)
    assert told == []
    form.findChild(QComboBox, "unpainted").setCurrentIndex(1)
    assert told == [PRESETS["paper"].train.model_copy(update={"unpainted": "painted-slices"})]
    form.findChild(QComboBox, "flip").setCurrentIndex(1)
    assert [config.augment.flip for config in told] == ["none", "sideways"]


def test_a_typed_number_is_told_when_it_is_finished(make_form, qtbot):
    form = make_form(TrainConfig())
    form.show()
    told = []
    form.changed.connect(told.append)
    for name, keys in (("learning_rate", "1e-5"), ("batch", "12")):
        box = form.findChild((DecimalBox, QSpinBox)[name == "batch"], name)
        box.selectAll()
        qtbot.keyClicks(box, keys)
        assert len(told) == (name == "batch")
        qtbot.keyClick(box, Qt.Key.Key_Return)
    assert told == [TrainConfig(learning_rate=1e-5), TrainConfig(learning_rate=1e-5, batch=12)]


def test_value_includes_what_is_still_being_typed(make_form, qtbot):
    form = make_form(TrainConfig())
    form.show()
    for name, kind in (("batch", QSpinBox), ("validation", DecimalBox)):
        box = form.findChild(kind, name)
        box.selectAll()
        qtbot.keyClicks(box, {"batch": "7", "validation": "0.2"}[name])
    assert form.value() == TrainConfig(batch=7, validation=0.2)


@pytest.mark.parametrize(
    ("typed", "expected"), [("abc", 0.15), ("0.9", 0.5), ("", 0.15), ("1e", 0.15), ("nan", 0.15), ("0.30", 0.3)]
)
def test_a_number_that_cannot_be_never_comes_out(make_form, qtbot, typed, expected):
    form = make_form(TrainConfig(validation=0.15))
    form.show()
    box = form.findChild(DecimalBox, "validation")
    box.selectAll()
    qtbot.keyClick(box, Qt.Key.Key_Delete)
    qtbot.keyClicks(box, typed)
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert form.value().validation == expected
    assert float(box.text()) == expected


@pytest.mark.parametrize(
    ("typed", "expected"), [("1, 5", (1, 5)), ("1,,5,", (1, 5)), ("300", (30,)), ("0", ()), ("a2", (2,)), ("", ())]
)
def test_only_classes_can_be_typed(make_form, qtbot, typed, expected):
    form = make_form(Opening())
    form.show()
    line = form.findChild(QLineEdit, "classes")
    qtbot.keyClicks(line, typed)
    assert form.value().classes == expected


def test_points_are_typed_and_what_is_none_is_said(make_form, qtbot):
    form = make_form(KeepTouching())
    line = form.findChild(QLineEdit, "points")
    line.setText("1, 2.5,3 ; 4, 5, 6")
    line.editingFinished.emit()
    assert form.value().points == ((1.0, 2.5, 3.0), (4.0, 5.0, 6.0))
    line.setText("1, 2")
    with pytest.raises(BadInput, match="no point"):
        form.value()


def test_none_written_says_what_it_means(make_form):
    form = make_form(Grow())
    assert form.findChild(QLineEdit, "classes").placeholderText() == "all"
    assert form.findChild(QLineEdit, "into").placeholderText() == "background"


def test_decimals_step_without_rounding_noise_and_through_tenths(make_form):
    form = make_form(TrainConfig(validation=0.15))
    validation, rate = form.findChild(DecimalBox, "validation"), form.findChild(DecimalBox, "learning_rate")
    validation.stepBy(3)
    assert validation.text() == "0.3"
    validation.stepBy(100)
    assert form.value().validation == 0.5
    rate.set_value(1e-4)
    rate.stepBy(-1)
    assert form.value().learning_rate == 9e-5
    rate.stepBy(1)
    assert form.value().learning_rate == 1e-4
    rate.set_value(1e-5)
    rate.stepBy(-20)
    assert form.value().learning_rate == 1e-6


def test_a_unit_stands_behind_the_number_and_may_be_left_out(make_form, qtbot):
    form = make_form(RemoveSmall())
    form.show()
    box = form.findChild(DecimalBox, "volume")
    assert box.text() == "0.5 ml"
    box.selectAll()
    qtbot.keyClicks(box, "2 ml")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert form.value().volume == 2
    assert box.text() == "2 ml"


def test_the_wheel_is_left_to_the_dock_unless_the_control_is_in_use(make_form, qtbot):
    form = make_form(TrainConfig())
    form.show()
    qtbot.waitExposed(form)
    form.findChild(QSpinBox, "steps").setFocus()
    for name, kind in (("threads", QSpinBox), ("device", QComboBox), ("time_limit", DecimalBox)):
        event = wheel(form.findChild(kind, name), -120)
        QApplication.sendEvent(form.findChild(kind, name), event)
        assert not event.isAccepted()
    assert form.value() == TrainConfig()
    form.activateWindow()
    qtbot.waitUntil(form.findChild(QSpinBox, "steps").hasFocus)
    QApplication.sendEvent(form.findChild(QSpinBox, "steps"), wheel(form.findChild(QSpinBox, "steps"), 120))
    assert form.value() == TrainConfig(steps=100)


def wheel(widget, angle):
    centre = QPointF(widget.rect().center())
    return QWheelEvent(
        centre,
        QPointF(widget.mapToGlobal(centre.toPoint())),
        QPoint(),
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )


def test_excluded_parameters_have_no_control_and_keep_their_values(make_form):
    config = TrainConfig(time_limit=7, network=NetworkConfig(width=8))
    form = make_form(config, exclude={"time_limit", "network.width", "augment"})
    assert form.findChild(DecimalBox, "time_limit") is None
    assert form.findChild(QSpinBox, "width") is None
    assert form.findChild(QSpinBox, "depth") is not None
    assert form.findChild(ConfigForm, "augment") is None
    form.findChild(QSpinBox, "batch").setValue(2)
    assert form.value() == config.model_copy(update={"batch": 2})
    other = config.model_copy(update={"time_limit": 9.0, "augment": AugmentConfig(flip="sideways")})
    form.set_value(other)
    assert form.value() == other


def test_every_control_has_a_label_a_tooltip_and_its_place_in_the_tab_order(make_form):
    form = make_form(TrainConfig())
    buddies = {label.buddy(): label for label in form.findChildren(QLabel) if label.buddy()}
    kinds = (QSpinBox, QComboBox, QCheckBox, DecimalBox)
    controls = [control for kind in kinds for control in form.findChildren(kind)]
    assert {control.objectName() for control in controls} == (
        set(TrainConfig.model_fields) | set(NetworkConfig.model_fields) | set(AugmentConfig.model_fields)
    ) - {"network", "augment"}
    for control in controls:
        assert buddies[control].text() == control.accessibleName()
        assert "<qt>" in control.toolTip()
        assert control.focusPolicy() == Qt.FocusPolicy.StrongFocus


def test_choices_are_in_words(make_form):
    form = make_form(TrainConfig())
    unpainted = form.findChild(QComboBox, "unpainted")
    assert [unpainted.itemText(i) for i in range(unpainted.count())] == ["unknown", "painted slices", "background"]


def test_it_fits_a_narrow_dock(make_form, qtbot):
    form = make_form(TrainConfig())
    form.resize(310, form.heightForWidth(310))
    form.show()
    qtbot.waitExposed(form)
    assert form.minimumSizeHint().width() <= 310
    for box in form.findChildren(QComboBox):
        for text in (box.itemText(i) for i in range(box.count())):
            assert box.fontMetrics().horizontalAdvance(text) < box.width() - 40, text
    for label in form.findChildren(QLabel):
        if label.buddy():
            assert label.height() >= label.heightForWidth(label.width()), label.text()


class Window(Config):
    """Two parameters that may contradict each other."""

    low: int = parameter(0, at_least=0, at_most=9)
    high: int = parameter(5, at_least=0, at_most=9)

    @model_validator(mode="after")
    def _ordered(self):
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


def test_a_contradiction_is_shown_and_not_told(make_form):
    form = make_form(Window())
    told = []
    form.changed.connect(told.append)
    form.findChild(QSpinBox, "low").setValue(7)
    (problem,) = [label for label in form.findChildren(QLabel) if "above high" in label.text()]
    assert not problem.isHidden()
    with pytest.raises(BadInput, match="Low must not be above high"):
        form.value()
    form.findChild(QSpinBox, "high").setValue(8)
    assert problem.isHidden()
    assert told == [Window(low=7, high=8)]


def test_another_class_and_an_unknown_kind_are_refused(make_form):
    class Strange(Config):
        """A parameter of a kind without a control."""

        what: dict[str, float] = {}  # noqa: RUF012

    with pytest.raises(TypeError, match="no control"):
        make_form(Strange())
    with pytest.raises(TypeError, match="this form is for Opening, not Closing"):
        make_form(Opening()).set_value(Closing())


def test_it_goes_and_tells_nobody():
    form = ConfigForm(TrainConfig())
    gone = []
    form.destroyed.connect(lambda: gone.append(True))
    left = weakref.ref(form)
    form.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert gone == [True]
    del form
    gc.collect()
    assert left() is None
