"""What a person chose in the controls of a dock, as JSON values, and choosing it anew."""

from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from qtpy.QtWidgets import QAbstractButton, QWidget

from napari_unet.config import RefineConfig
from napari_unet.errors import BadInput
from napari_unet.gui.widgets.choosers import ComboBox
from napari_unet.gui.widgets.forms import ConfigForm
from napari_unet.gui.widgets.step_list import StepList


def choice_of(control: QWidget) -> Any:
    """Give what is chosen in a box, a check box, a form or a list of steps; None when it contradicts itself."""
    match control:
        case ComboBox():
            return control.currentData()
        case QAbstractButton():
            return control.isChecked()
        case StepList():
            return control.config.model_dump(mode="json")
        case ConfigForm():
            with suppress(BadInput):
                return control.value().model_dump(mode="json")
    return None


def choose(control: QWidget, choice: Any) -> None:
    """Choose what :func:`choice_of` gave; what this program does not offer any more is left as it is."""
    match control:
        case ComboBox():
            index = next((i for i in range(control.count()) if control.itemData(i) == choice), None)
            control.setCurrentIndex(control.currentIndex() if index is None else index)
        case QAbstractButton():
            control.setChecked(bool(choice))
        case StepList():
            with suppress(ValidationError):
                config = RefineConfig.model_validate(choice)
                control.set_config(config)
                control.changed.emit(config)
        case ConfigForm():
            with suppress(ValidationError, BadInput):
                control.set_value(type(control.value()).model_validate(choice))
