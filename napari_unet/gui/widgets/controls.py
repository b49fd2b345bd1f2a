"""Boxes for numbers that hold exactly what a parameter holds, and take only what it allows.

Qt's own box for decimals rounds to its number of decimals: 1e-05 would become 0.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from qtpy.QtCore import QLocale, QObject, QSize, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QAbstractSpinBox, QLineEdit, QWidget

CONTROL_WIDTH = 150
"""Width of a control in pixels: what is left of a narrow dock is its label's."""
LONGEST_SUFFIX = 8
"""Units with more letters stand in the label, where they can wrap."""


@dataclass(frozen=True)
class Range:
    """What a number may be and how far one click goes; ``unit`` is shown behind it."""

    lowest: float
    highest: float
    step: float
    unit: str

    @classmethod
    def of(cls, field: FieldInfo, *, step: float) -> "Range":
        """Read it from a parameter; ``step`` is for one that names none."""
        lowest, highest = limits(field.metadata)
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        named = extra.get("step")
        return cls(
            lowest, highest, float(named) if isinstance(named, int | float) else step, str(extra.get("unit", ""))
        )

    @property
    def suffix(self) -> str:
        """The unit with its space, when it is short enough to stand in the control."""
        return f" {self.unit}" if 0 < len(self.unit) <= LONGEST_SUFFIX else ""

    @property
    def unit_in_label(self) -> str:
        """The unit when it is too long to stand in the control."""
        return self.unit if len(self.unit) > LONGEST_SUFFIX else ""


def limits(metadata: Iterable[Any]) -> tuple[float, float]:
    """Read the inclusive limits from a field's metadata; infinite where it names none."""
    metadata = tuple(metadata)
    lowest = [limit.ge for limit in metadata if getattr(limit, "ge", None) is not None]
    highest = [limit.le for limit in metadata if getattr(limit, "le", None) is not None]
    return max(lowest, default=-math.inf), min(highest, default=math.inf)


def written(value: float) -> str:
    """Write a number with as few digits as give it back exactly (0.0001, 1e-05, 60)."""
    return repr(float(value)).removesuffix(".0")


class DecimalBox(QAbstractSpinBox):
    """A box for a number with decimals that keeps every digit, also of 1e-05.

    A number below the step of a parameter that cannot be zero, such as a learning rate, is stepped through by
    tenths of the step, so that it is not swept to its end by one click.

    Parameters
    ----------
    allowed
        Range, step and unit.
    parent
        The widget it belongs to.
    """

    changed = Signal(float)

    def __init__(self, allowed: Range, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._allowed = allowed
        self._value = min(max(0.0, allowed.lowest), allowed.highest)
        self._line = QLineEdit()
        self.setLineEdit(self._line)
        self.editingFinished.connect(self._take_text)
        self._show()

    def value(self) -> float:
        """Give the number, with what has been typed."""
        self._take_text()
        return self._value

    def set_value(self, value: float) -> None:
        """Show a number; one outside the range becomes the nearest inside."""
        value = min(max(float(value), self._allowed.lowest), self._allowed.highest)
        different = value != self._value
        self._value = value
        self._show()
        if different:
            self.changed.emit(value)

    def _show(self) -> None:
        self._line.setText(written(self._value) + self._allowed.suffix)

    def _take_text(self) -> None:
        number = self._number(self._line.text())
        self.set_value(self._value if number is None else number)

    def _number(self, text: str) -> float | None:
        """Read a number as people write it, with or without its unit; None when it is not one."""
        text = text.strip().removesuffix(self._allowed.unit).strip()
        if QLocale().decimalPoint() == ",":
            text = text.replace(",", ".")
        try:
            number = float(text)
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """Let digits, sign, decimal point and exponent through (Qt calls this at each key)."""
        typed = (text or "").strip().removesuffix(self._allowed.unit).strip()
        number = self._number(typed)
        if number is not None and self._allowed.lowest <= number <= self._allowed.highest:
            state = QValidator.State.Acceptable
        elif set(typed) <= set("0123456789.,eE+-"):
            state = QValidator.State.Intermediate
        else:
            state = QValidator.State.Invalid
        return state, text or "", position

    def stepBy(self, steps: int) -> None:
        """Go up or down (Qt calls this for arrows, keys and the wheel)."""
        value, step = self.value(), self._allowed.step
        while 0 < self._allowed.lowest < step and (value < step or (value == step and steps < 0)):
            step /= 10
        # 0.1 + 0.2 should read 0.3
        self.set_value(float(f"{value + steps * step:.12g}"))
        self.selectAll()

    def stepEnabled(self) -> Any:
        """Say which arrows do something (Qt asks)."""
        # PyQt5 and PyQt6 give the combined flags different types.
        enabled: Any = QAbstractSpinBox.StepEnabledFlag.StepNone
        if self._value > self._allowed.lowest:
            enabled |= QAbstractSpinBox.StepEnabledFlag.StepDownEnabled
        if self._value < self._allowed.highest:
            enabled |= QAbstractSpinBox.StepEnabledFlag.StepUpEnabled
        return enabled

    def sizeHint(self) -> QSize:
        """Be as high as a line of text; the form gives the width."""
        return QSize(CONTROL_WIDTH, self.minimumSizeHint().height())


class NumbersValidator(QValidator):
    """Lets through whole numbers of a range with commas between them; every such text is a valid value."""

    def __init__(self, lowest: float, highest: float, parent: QObject) -> None:
        super().__init__(parent)
        self._lowest, self._highest = lowest, highest

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """Refuse what is not such a list (Qt calls this at each key)."""
        text = text or ""
        valid = set(text) <= set("0123456789, ") and all(
            self._lowest <= number <= self._highest for number in numbers_in(text)
        )
        return QValidator.State.Acceptable if valid else QValidator.State.Invalid, text, position


def numbers_in(text: str) -> tuple[int, ...]:
    """Read "1, 5" as (1, 5)."""
    return tuple(int(word) for word in text.replace(",", " ").split())
