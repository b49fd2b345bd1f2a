"""What a parameter is: a field of a frozen config with its range, step and unit."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Config(BaseModel):
    """A frozen set of parameters that checks its ranges and survives JSON unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def refusal(error: ValidationError) -> str:
    """Say in sentences why parameters that are each allowed were refused together."""
    reasons = (problem["msg"].removeprefix("Value error, ") for problem in error.errors())
    return " ".join(f"{reason[:1].upper()}{reason[1:]}." for reason in reasons)


def parameter(
    default: Any,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    step: float | None = None,
    unit: str = "",
    title: str | None = None,
) -> Any:
    """Declare a parameter: its default, inclusive range, the step of its control, unit, and label."""
    extra: dict[str, Any] = {"unit": unit}
    if step is not None:
        extra["step"] = step
    return Field(default, ge=at_least, le=at_most, title=title, json_schema_extra=extra)
