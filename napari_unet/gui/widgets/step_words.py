"""Steps of a refinement in a few words, for lists and for what "Undo" takes back."""

from napari_unet.config import RefineConfig, RefineStep, WithinIntensities
from napari_unet.gui.widgets.controls import written


def step_title(kind: type[RefineStep]) -> str:
    """Name a kind of step in words ("Remove small")."""
    words = str(kind.model_fields["kind"].default).replace("-", " ").replace("crf", "CRF")
    return words[0].upper() + words[1:]


def step_summary(step: RefineStep) -> str:
    """Say how a step is set, by its first number that has a unit or is counted ("2 mm"); "" when it has none."""
    if isinstance(step, WithinIntensities):
        return f"{written(step.lowest)} to {written(step.highest)}"
    for name, field in type(step).model_fields.items():
        value, extra = getattr(step, name), field.json_schema_extra
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        return f"{written(value)} {unit}".strip()
    return ""


def pipeline_words(config: RefineConfig) -> str:
    """Name the first step that is switched on, and count the others ("closing 2 mm and 2 more steps")."""
    if not config.enabled:
        return "no steps"
    first, more = config.enabled[0], len(config.enabled) - 1
    title = step_title(type(first))
    words = f"{title[0].lower()}{title[1:]} {step_summary(first)}".strip()
    return f"{words} and {more} more step{'s' * (more != 1)}" if more else words
