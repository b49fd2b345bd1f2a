"""A form for any config: each parameter's range, step, unit and docstring become its control."""

import html
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QLineEdit, QSpinBox, QWidget

from napari_unet.config import Config, refusal
from napari_unet.errors import BadInput
from napari_unet.gui.widgets.controls import (
    CONTROL_WIDTH,
    DecimalBox,
    NumbersValidator,
    Range,
    limits,
    numbers_in,
    written,
)

LARGEST_INT = 2**31 - 1
"""The largest number Qt's spin box holds."""

SPOKEN = {
    "dice+ce": "Dice + CE",
    "dice": "Dice",
    "ce": "cross-entropy",
    "generalised-dice": "general. Dice",
    "tversky": "Tversky",
    "bce": "binary CE",
    "bce+dice": "BCE + Dice",
    "dice+cldice": "Dice + clDice",
    "cbam": "CBAM",
    "unet": "U-Net",
    "unet++": "U-Net++",
    "attention-unet": "Attention U-Net",
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "SGD",
    "cpu": "processor",
    "cuda": "NVIDIA GPU",
    "mps": "Apple GPU",
    "fp32": "32 bit (fp32)",
    "bf16": "16 bit (bf16)",
    "fp16": "16 bit (fp16)",
}
"""Choices that people say otherwise than files write them."""

ConfigType = TypeVar("ConfigType", bound=Config)


@dataclass(frozen=True)
class Control:
    """A control of the form: its widget, how to read it, how to set it."""

    widget: QWidget
    read: Callable[[], Any]
    show: Callable[[Any], None]


class ConfigForm(QWidget, Generic[ConfigType]):
    """A form that shows and changes a config; a config inside it becomes a group with a title.

    ``changed`` carries the new config once for each change a user makes: not at each key of a number that is
    being typed, and not for :meth:`set_value`.

    Parameters
    ----------
    config
        What to show first; the form is for configs of its class.
    exclude
        Parameters that are shown elsewhere, with dots ("unpainted", "network.width"). They keep their values.
    parent
        The widget it belongs to.
    """

    changed = Signal(object)

    def __init__(self, config: ConfigType, *, exclude: Iterable[str] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._config = config
        self._controls: dict[str, Control] = {}
        self._listening = False
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(0, 1)
        exclude = frozenset(exclude)
        fields = {name: field for name, field in type(config).model_fields.items() if name not in exclude}
        # Groups come last: a row below one would look like a part of it.
        for name, field in sorted(fields.items(), key=lambda item: isinstance(getattr(config, item[0]), Config)):
            value = getattr(config, name)
            if isinstance(value, Config):
                inside = (path.removeprefix(f"{name}.") for path in exclude if path.startswith(f"{name}."))
                self._add_group(name, field, ConfigForm(value, exclude=inside))
            elif (control := _control(field, self._report)) is not None:
                self._add_row(name, field, control)
        self._problem = QLabel()
        self._problem.setWordWrap(True)
        self._problem.hide()
        self._grid.addWidget(self._problem, self._grid.rowCount(), 0, 1, 2)
        self.set_value(config)

    def value(self) -> ConfigType:
        """Give the config, with what has been typed.

        Raises
        ------
        BadInput
            Parameters that are each allowed contradict each other.
        """
        shown = {name: control.read() for name, control in self._controls.items()}
        kept = {name: getattr(self._config, name) for name in type(self._config).model_fields}
        try:
            return type(self._config).model_validate(kept | shown)
        except ValidationError as error:
            raise BadInput(refusal(error)) from error

    def set_value(self, config: ConfigType) -> None:
        """Show a config of the same class, without a ``changed``."""
        if type(config) is not type(self._config):
            raise TypeError(f"this form is for {type(self._config).__name__}, not {type(config).__name__}")
        self._config = config
        self._listening = False
        for name, control in self._controls.items():
            control.show(getattr(config, name))
        self._listening = True
        self._problem.hide()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Leave the wheel to the dock unless the control is in use: people scroll across it (Qt calls this)."""
        if (
            event is not None
            and event.type() == QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _report(self, *_: object) -> None:
        # Connected as it is: a lambda would keep the form in memory after its window went.
        if not self._listening:
            return
        try:
            config = self.value()
        except BadInput as error:
            self._problem.setText(str(error))
            self._problem.show()
            return
        self._problem.hide()
        if config != self._config:
            self._config = config
            self.changed.emit(config)

    def _add_row(self, name: str, field: FieldInfo, control: Control) -> None:
        label = QLabel(_label(name, field))
        label.setWordWrap(True)
        label.setBuddy(control.widget)
        for widget in (label, control.widget):
            widget.setToolTip(_tooltip(field))
        control.widget.setObjectName(name)
        control.widget.setAccessibleName(label.text())
        # The wheel gives no focus either.
        control.widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        control.widget.setFixedWidth(CONTROL_WIDTH)
        control.widget.installEventFilter(self)
        row = self._grid.rowCount()
        self._grid.addWidget(label, row, 0)
        self._grid.addWidget(control.widget, row, 1)
        self._controls[name] = control

    def _add_group(self, name: str, field: FieldInfo, form: "ConfigForm[Config]") -> None:
        title = QLabel(f"<b>{html.escape(_label(name, field))}</b>")
        title.setToolTip(_tooltip(field))
        title.setContentsMargins(0, 8, 0, 0)
        form.setObjectName(name)
        form.changed.connect(self._report)
        row = self._grid.rowCount()
        self._grid.addWidget(title, row, 0, 1, 2)
        self._grid.addWidget(form, row + 1, 0, 1, 2)
        self._controls[name] = Control(form, form.value, form.set_value)


def _label(name: str, field: FieldInfo) -> str:
    words = field.title or SPOKEN.get(name, name.replace("_", " "))
    unit = Range.of(field, step=1).unit_in_label
    return words[:1].upper() + words[1:] + (f" ({unit})" if unit else "")


def _tooltip(field: FieldInfo) -> str:
    """Give its docstring as rich text, which Qt wraps."""
    return f"<qt>{html.escape((field.description or '').replace('``', ''))}</qt>"


def _spoken(choice: Any) -> str:
    name = str(choice.value if isinstance(choice, Enum) else choice)
    return SPOKEN.get(name, name.replace("-", " ").replace("_", " "))


def _choices(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    return tuple(kind) if isinstance(kind, type) and issubclass(kind, Enum) else ()


def _control(field: FieldInfo, changed: Callable[..., None]) -> Control | None:
    """Make the control of a parameter; None when it leaves no choice."""
    kind = field.annotation
    if choices := _choices(kind):
        return _combo_control(choices, changed) if len(choices) > 1 else None
    if kind is bool:
        return _check_control(changed)
    if kind is int:
        return _int_control(Range.of(field, step=1), changed)
    if kind is float:
        return _decimal_control(Range.of(field, step=0.1), changed)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        if typing.get_origin(item) is tuple:
            return _points_control(changed)
        return _numbers_control(item, changed, _when_empty(field))
    raise TypeError(f"there is no control for {kind}: exclude the parameter or add one here")


def _combo_control(choices: tuple[Any, ...], changed: Callable[..., None]) -> Control:
    box = QComboBox()
    box.addItems([_spoken(choice) for choice in choices])
    box.currentIndexChanged.connect(changed)
    return Control(box, lambda: choices[box.currentIndex()], lambda value: box.setCurrentIndex(choices.index(value)))


def _check_control(changed: Callable[..., None]) -> Control:
    box = QCheckBox()
    box.toggled.connect(changed)
    return Control(box, box.isChecked, box.setChecked)


def _int_control(allowed: Range, changed: Callable[..., None]) -> Control:
    box = QSpinBox()
    box.setRange(int(max(allowed.lowest, -LARGEST_INT)), int(min(allowed.highest, LARGEST_INT)))
    box.setSingleStep(int(allowed.step))
    box.setSuffix(allowed.suffix)
    box.setKeyboardTracking(False)
    box.valueChanged.connect(changed)

    def read() -> int:
        box.interpretText()
        return box.value()

    return Control(box, read, box.setValue)


def _decimal_control(allowed: Range, changed: Callable[..., None]) -> Control:
    box = DecimalBox(allowed)
    box.changed.connect(changed)
    return Control(box, box.value, box.set_value)


def _numbers_control(item: Any, changed: Callable[..., None], when_empty: str) -> Control:
    """Make the line for a tuple of whole numbers such as classes ("1, 5")."""
    line = QLineEdit()
    line.setPlaceholderText(when_empty)
    line.setValidator(NumbersValidator(*_limits_of_item(item), line))
    line.editingFinished.connect(changed)
    return Control(line, lambda: numbers_in(line.text()), lambda value: line.setText(", ".join(map(str, value))))


def _points_control(changed: Callable[..., None]) -> Control:
    """Make the line for points ("12, 40, 51; 3, 20, 20"); the config reads what is typed."""
    line = QLineEdit()
    line.setPlaceholderText("none")
    line.editingFinished.connect(changed)

    def show(points: Iterable[tuple[float, ...]]) -> None:
        line.setText("; ".join(", ".join(written(place) for place in point) for point in points))

    return Control(line, line.text, show)


def _when_empty(field: FieldInfo) -> str:
    """Say what none written means."""
    extra = field.json_schema_extra
    return str(extra.get("empty", "all")) if isinstance(extra, dict) else "all"


def _limits_of_item(item: Any) -> tuple[float, float]:
    fields = (extra for extra in typing.get_args(item) if isinstance(extra, FieldInfo))
    return limits(limit for field in fields for limit in field.metadata)
