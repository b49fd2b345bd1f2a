"""Options are made from the configs: every field has one, it reaches the config, and --help is quick."""

import re
import subprocess
import sys
from enum import StrEnum
from typing import Literal, get_args, get_origin

import pytest

from napari_unet.cli import command_line
from napari_unet.cli.options import config_from, option_name, parameters, step_kinds
from napari_unet.config import (
    PRESETS,
    DenseCRF,
    FillBetweenConfig,
    Grow,
    KeepTouching,
    PredictConfig,
    Smooth,
    Split,
    TrainConfig,
    WithinIntensities,
    WithinRegion,
)
from napari_unet.errors import BadInput

FIELDS = [
    pytest.param(config, path, field, id=f"{command}{option_name(path)}")
    for command, config in (("train", TrainConfig), ("predict", PredictConfig))
    for path, field in parameters(config)
]
POSITIONAL = {TrainConfig: ["train", "scan", "paint", "-o", "m"], PredictConfig: ["predict", "m", "scan", "-o", "mask"]}


def another_value(field):
    """Give an allowed value other than the default, where there is one."""
    if field.annotation is bool:
        return not field.default
    if get_origin(field.annotation) is Literal:
        return get_args(field.annotation)[-1]
    if isinstance(field.annotation, type) and issubclass(field.annotation, StrEnum):
        return list(field.annotation)[-1]
    if get_origin(field.annotation) is tuple:
        return ((1, 0.3), (2, 0.6))
    return field.annotation(next(bound.le for bound in field.metadata if hasattr(bound, "le")))


@pytest.mark.parametrize(("config", "path", "field"), FIELDS)
def test_every_parameter_has_an_option(config, path, field):
    value = another_value(field)
    name = option_name(path)
    written = "; ".join(f"{a}, {b}" for a, b in value) if isinstance(value, tuple) else str(value)
    option = ([name] if value else [f"--no-{name[2:]}"]) if field.annotation is bool else [name, written]
    args = command_line().parse_args([*POSITIONAL[config], *option])
    got = config_from(args, config()).model_dump()
    expected = config().model_dump()
    for part in path[:-1]:
        got, expected = got[part], expected[part]
    assert got == expected | {path[-1]: value}


@pytest.mark.parametrize(("config", "path", "field"), FIELDS)
def test_help_explains_every_parameter(config, path, field, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        command_line().parse_args([POSITIONAL[config][0], "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert re.search(rf"{option_name(path)}\b.{{1,80}} {re.escape(field.description)} \[", text)


def test_options_change_single_parameters_of_a_preset():
    args = command_line().parse_args(["train", "s", "p", "-o", "m", "--preset", "paper", "--network-depth", "3"])
    paper = PRESETS["paper"].train
    network = paper.network.model_copy(update={"depth": 3})
    assert config_from(args, PRESETS[args.preset].train) == paper.model_copy(update={"network": network})


def test_parameters_that_contradict_each_other_are_refused_in_a_sentence():
    options = ["--network-architecture", "attention-unet", "--network-depth", "1"]
    args = command_line().parse_args(["train", "s", "p", "-o", "m", *options])
    with pytest.raises(BadInput, match=r"^An Attention U-Net of depth 1 has no gates: .*\.$"):
        config_from(args, PRESETS[args.preset].train)


def test_refinement_steps_keep_their_order_and_values():
    options = "--smooth 3 --remove-small 0.2 --fill-holes --opening 1 --smooth 1"
    steps = command_line().parse_args(["refine", "m", "-o", "o", *options.split()]).steps
    assert [step.kind for step in steps] == ["smooth", "remove-small", "fill-holes", "opening", "smooth"]
    assert [steps[0].sigma, steps[1].volume, steps[3].radius, steps[4].sigma] == [3.0, 0.2, 1.0, 1.0]


def test_the_value_of_a_step_is_its_first_own_parameter():
    assert {kind: own for kind, (_, own) in step_kinds().items()} == {
        "opening": "radius",
        "closing": "radius",
        "grow": "radius",
        "shrink": "radius",
        "fill-holes": "by_slice",
        "remove-small": "volume",
        "keep-largest": "pieces",
        "keep-touching": "points",
        "smooth": "sigma",
        "split": "neck",
        "within-intensities": "lowest",
        "within-region": "margin",
        "dense-crf": "appearance_width",
    }


@pytest.mark.parametrize(
    ("option", "step"),
    [
        ("--grow=3", Grow(radius=3)),
        ("--grow=3,into=2,5,classes=1", Grow(radius=3, into=(2, 5), classes=(1,))),
        ("--grow=into=2", Grow(into=(2,))),
        ("--smooth=2,method=distance", Smooth(sigma=2, method="distance")),
        ("--split=0.5,by-slice=true,number=yes", Split(neck=0.5, by_slice=True, number=True)),
        ("--within-intensities=-200,highest=300", WithinIntensities(lowest=-200, highest=300)),
        ("--keep-touching=1,2,3;4,5,6,reach=2", KeepTouching(points=[(1, 2, 3), (4, 5, 6)], reach=2)),
        ("--within-region=2,parts=1,3", WithinRegion(margin=2, parts=(1, 3))),
        ("--dense-crf=4,steps=9,by-slice=no", DenseCRF(appearance_width=4, steps=9, by_slice=False)),
    ],
)
def test_further_parameters_of_a_step_follow_behind_commas(option, step):
    assert command_line().parse_args(["refine", "m", "-o", "o", option]).steps == (step,)


def test_filling_has_an_option_for_each_parameter():
    args = command_line().parse_args(["fill", "p", "-o", "o", "--axis=y", "--most-gap=7", "--classes=1,5"])
    assert config_from(args, FillBetweenConfig()) == FillBetweenConfig(axis="y", most_gap=7, classes=(1, 5))


def test_help_needs_neither_torch_nor_scipy_nor_napari():
    program = """
import sys
from napari_unet.cli import main
for command in ([], ["train"], ["predict"], ["fill"], ["refine"], ["evaluate"], ["info"], ["demo"]):
    try:
        main([*command, "--help"])
    except SystemExit as end:
        assert end.code == 0
slow = {"torch", "scipy", "SimpleITK", "numba", "napari", "qtpy", "rich"} & set(sys.modules)
sys.exit(f"--help imports {slow}" if slow else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
