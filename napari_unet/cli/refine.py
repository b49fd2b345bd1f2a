"""``napari-unet refine``: a cleaner mask."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_unet.annotation import LARGEST_CLASS
from napari_unet.cli.files import check_output, grid_of
from napari_unet.cli.options import add_step_options
from napari_unet.cli.output import notice, print_json
from napari_unet.cli.running import run as run_job
from napari_unet.config import RefineConfig
from napari_unet.errors import BadInput
from napari_unet.io import WRITE_SUFFIXES, Mask, read_mask, write_mask

if TYPE_CHECKING:
    from napari_unet.refinement import Refined


def add_to(commands: Any) -> None:
    """Add the command."""
    parser: ArgumentParser = commands.add_parser(
        "refine",
        help="clean a mask up",
        description="Clean a mask up: its shapes, pieces and edges. Without steps: "
        + ", ".join(step.kind for step in RefineConfig().steps if step.enabled)
        + ", with their defaults.",
    )
    parser.add_argument("mask", type=Path, metavar="MASK", help="the mask")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the mask to write")
    parser.add_argument(
        "--classes", type=class_numbers, metavar="1,5", help="the classes that the steps work on; all when not given"
    )
    parser.add_argument(
        "--config", type=Path, metavar="STEPS.json",
        help='the steps with all their parameters: {"steps": [{"kind": "opening", "radius": 3}]}',
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_step_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def class_numbers(text: str) -> tuple[int, ...]:
    """Read class numbers such as "1,5"."""
    parts = text.split(",")
    if not all(part.isdecimal() and 1 <= int(part) <= LARGEST_CLASS for part in parts):
        raise ArgumentTypeError(f"{text!r} does not name classes: write their numbers like 1,5")
    return tuple(int(part) for part in parts)


def run(args: Namespace) -> None:
    """Refine the mask and write the result."""
    # Imported here: SciPy would keep --help waiting.
    from napari_unet.refinement import refine_job

    if args.config and args.steps:
        args.usage_error("name steps as options or in a file, not both")
    check_output(args.output, WRITE_SUFFIXES, [args.mask, *([args.config] if args.config else [])])
    config = steps_of(args)
    mask = read_mask(args.mask)
    if mask.unit == "pixel":
        notice(f"{args.mask} does not say how large a voxel is: lengths in mm are taken as voxels.")
    grid = grid_of(mask, args.mask.name)
    job = refine_job(grid.fold(mask.labels), config, spacing=grid.spacing, depth=grid.depth)
    ran = run_job(job, "refine")
    write_mask(args.output, replace(mask, labels=grid.unfold(ran.result.labels)))
    report(args.output, mask, ran.result, stopped=ran.stopped, as_json=args.json)


def steps_of(args: Namespace) -> RefineConfig:
    """Give the steps that the command line or its file names."""
    config = RefineConfig()
    if args.config:
        config = read_steps(args.config)
    elif args.steps:
        config = RefineConfig(steps=args.steps)
    if args.classes:
        config = RefineConfig(steps=tuple(step.model_copy(update={"classes": args.classes}) for step in config.steps))
    return config


def read_steps(file: Path) -> RefineConfig:
    """Read the steps of a refinement from JSON.

    Raises
    ------
    BadInput
        The file is missing or does not describe steps.
    """
    try:
        return RefineConfig.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read the steps {file}: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = " > ".join(str(part) for part in first["loc"])
        raise BadInput(f"the steps {file} will not do: {place}: {first['msg']}.") from error


def report(path: Path, mask: Mask, refined: "Refined", *, stopped: bool, as_json: bool) -> None:
    """Print where the mask lies and what changed."""
    in_mm = mask.unit == "mm"
    added, removed = (refined.added_ml, refined.removed_ml) if in_mm else (refined.added, refined.removed)
    unit = "ml" if in_mm else "voxels"
    names = {info.label: info.name for info in mask.classes}
    changes = [(label, names[label], added.get(label, 0), removed.get(label, 0)) for label in refined.changed]
    if as_json:
        rows = [dict(zip(("label", "name", "added", "removed"), change, strict=True)) for change in changes]
        print_json({"mask": str(path), "unit": unit, "changes": rows, "stopped": stopped})
        return
    print(path)
    for _, name, gained, lost in changes:
        print(f"  {name}: {gained:+.4g} {unit}, {-lost:+.4g} {unit}")
