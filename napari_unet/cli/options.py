"""Command-line options made from configs: their names, types, ranges and help texts are declared there only."""

import re
from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from napari_unet.config import Config, RefineStep, refusal
from napari_unet.errors import BadInput

AnyConfig = TypeVar("AnyConfig", bound=Config)
_MARK = "parameter:"


def parameters(config: type[Config]) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """List the parameters of a config, those of configs within it too, with their paths ("network", "width")."""
    for name, field in config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
            for path, inner in parameters(field.annotation):
                yield (name, *path), inner
        else:
            yield (name,), field


def option_name(path: tuple[str, ...]) -> str:
    """Name the option of a parameter: ("network", "width") is ``--network-width``."""
    return "--" + "-".join(path).replace("_", "-")


def add_options(parser: ArgumentParser, config: type[Config], common: Collection[str]) -> None:
    """Give a parser an option for each parameter of a config.

    Parameters
    ----------
    parser
        The parser of a command.
    config
        Its fields become options, those of a nested config with its name in front (``--network-width``).
    common
        Fields whose options come first in the help, in this order; the others are grouped as advanced.
    """
    advanced = parser.add_argument_group("advanced options")
    by_name = {".".join(path): (path, field) for path, field in parameters(config)}
    for name in (*common, *(name for name in by_name if name not in common)):
        path, field = by_name[name]
        group = parser if name in common else advanced
        group.add_argument(
            option_name(path), dest=_MARK + name, default=SUPPRESS, help=_help_text(field), **_value_of(field)
        )


def config_from(args: Namespace, base: AnyConfig) -> AnyConfig:
    """Give ``base`` with the parameters that were named on the command line.

    Raises
    ------
    BadInput
        They are each allowed, but not together.
    """
    values = base.model_dump()
    for name, value in vars(args).items():
        if name.startswith(_MARK):
            *within, last = name.removeprefix(_MARK).split(".")
            target = values
            for part in within:
                target = target[part]
            target[last] = value
    try:
        return type(base).model_validate(values)
    except ValidationError as error:
        raise BadInput(refusal(error)) from error


def _value_of(field: FieldInfo) -> dict[str, Any]:
    """Say how argparse reads the value of a parameter."""
    kind = field.annotation
    if kind is bool:
        return {"action": BooleanOptionalAction}
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return {"choices": choices, "type": type(choices[0])}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"choices": [member.value for member in kind]}
    return {"type": checked(field), "metavar": _metavar(field)}


def checked(field: FieldInfo) -> Callable[[str], Any]:
    """Make the function that turns the text of an option into the value of a parameter, or says why it cannot."""
    kind: Any = Annotated[field.annotation, *field.metadata]

    def value(text: str) -> Any:
        try:
            return TypeAdapter(kind).validate_python(text)
        except ValidationError as error:
            raise ArgumentTypeError(f"{text!r} will not do: {error.errors()[0]['msg'].lower()}") from error

    return value


def _help_text(field: FieldInfo) -> str:
    """Take the help from the field: its docstring, default, unit and range."""
    default = field.default
    if isinstance(default, bool):
        facts = "on" if default else "off"
    elif isinstance(default, int | float):
        facts = f"{default:g} {_unit(field)}".strip()
    elif default == ():
        facts = _extra(field, "empty") or "all"
    else:
        facts = str(default)
    least = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
    most = next((bound.le for bound in field.metadata if isinstance(bound, Le)), None)
    if least is not None and most is not None:
        facts += f"; {least:,} to {most:,}"
    return f"{field.description} [{facts}]".replace("%", "%%")


def _metavar(field: FieldInfo) -> str:
    """Name what goes behind an option: its unit where that is one word."""
    unit = _unit(field)
    if get_origin(field.annotation) is tuple:
        return _extra(field, "metavar") or "1,5"
    if unit == "s":
        return "SECONDS"
    return unit.upper() if unit.isalpha() else "N"


def _unit(field: FieldInfo) -> str:
    return _extra(field, "unit")


def _extra(field: FieldInfo, name: str) -> str:
    extra = field.json_schema_extra
    return str(extra.get(name, "")) if isinstance(extra, dict) else ""


def step_kinds() -> dict[str, tuple[type[Config], str]]:
    """List the steps of a refinement by name, each with the parameter that its option sets.

    That parameter is the first that a step declares for itself.
    """
    kinds: dict[str, tuple[type[Config], str]] = {}
    for step in get_args(get_args(RefineStep)[0]):
        own = next(name for name in step.__annotations__ if name != "kind")
        kinds[step.model_fields["kind"].default] = (step, own)
    return kinds


def add_step_options(parser: ArgumentParser) -> None:
    """Give a parser an option for each kind of refinement step; they are collected in their order as ``steps``."""
    group = parser.add_argument_group(
        "steps, done in the order in which they are given",
        "Further parameters of a step follow behind commas: --grow 3,into=2,classes=1 or "
        "--within-intensities lowest=-200,highest=300",
    )
    for kind, (step, own) in step_kinds().items():
        field = step.model_fields[own]
        value = (
            {"nargs": 0} if field.annotation is bool else {"type": _step_from(step, own), "metavar": _metavar(field)}
        )
        others = ", ".join(name for name in step.model_fields if name not in ("enabled", "kind", own, "classes"))
        text = f"{step.__doc__} [{own}{f'; also {others}' if others else ''}]" if "type" in value else str(step.__doc__)
        group.add_argument(f"--{kind}", dest="steps", action=_AppendStep, help=text.replace("%", "%%"), **value)


def _step_from(step: type[Config], own: str) -> Callable[[str], Config]:
    """Make the function that turns "3,into=2" into a step, or says why it cannot."""

    def made(text: str) -> Config:
        first, *others = re.split(r",(?=[a-z_-]+=)", text)
        pairs = [first if re.match(r"[a-z_-]+=", first) else f"{own}={first}", *others]
        values = dict(pair.split("=", 1) for pair in pairs)
        try:
            return step.model_validate({name.replace("-", "_"): value for name, value in values.items()})
        except ValidationError as error:
            wrong = error.errors()[0]
            place = " ".join(str(part) for part in wrong["loc"])
            raise ArgumentTypeError(f"{text!r} will not do: {place}: {wrong['msg'].lower()}") from error

    return made


class _AppendStep(Action):
    """Add a refinement step to those given so far."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        made = step_kinds()[self.option_strings[0].removeprefix("--")][0]() if self.nargs == 0 else values
        setattr(namespace, self.dest, (*(getattr(namespace, self.dest) or ()), made))
