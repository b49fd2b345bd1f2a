"""``napari-unet refine``: a cleaner mask."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation import LARGEST_CLASS
from napari_unet.cli.evidence import intensities_on, probabilities_on
from napari_unet.cli.files import check_output, save_mask
from napari_unet.cli.options import add_step_options
from napari_unet.cli.output import notice, print_json
from napari_unet.cli.reading import read_mask
from napari_unet.cli.running import run as run_job
from napari_unet.cli.suggest import suggest
from napari_unet.config import RefineConfig
from napari_unet.io import WRITE_SUFFIXES, Mask, check_mask_fits
from napari_unet.io.mask import named
from napari_unet.keeping.provenance import write_provenance_of_change

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
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="the mask to write")
    parser.add_argument(
        "--classes", type=class_numbers, metavar="1,5", help="the classes that the steps work on; all when not given"
    )
    parser.add_argument(
        "--scan", type=Path, metavar="SCAN", help="the scan that the mask belongs to, for steps that look at it"
    )
    parser.add_argument(
        "--probabilities", type=Path, metavar="FILE.npz",
        help="what the network said, as predict --probabilities writes it, for steps that look at it",
    )  # fmt: skip
    parser.add_argument(
        "--region", type=Path, metavar="MASK", help="another mask on the same grid, for the step within-region"
    )
    parser.add_argument(
        "--suggest", type=Path, metavar="PAINT",
        help="only try a few refinements and tell by this paint what they gain; --save-pipeline keeps the best",
    )  # fmt: skip
    parser.add_argument(
        "--pipeline", type=Path, metavar="STEPS.json",
        help='the steps with all their parameters: {"steps": [{"kind": "opening", "radius": 3}]}',
    )  # fmt: skip
    parser.add_argument(
        "--save-pipeline", type=Path, metavar="STEPS.json", help="also write the steps that were done, for --pipeline"
    )
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
    """Refine the mask and write the result, or suggest how to."""
    # Imported here: SciPy would keep --help waiting.
    from napari_unet.refinement import refine_job
    from napari_unet.refinement.pipeline_file import write_pipeline

    if args.suggest:
        if args.output or args.pipeline or args.steps:
            args.usage_error("--suggest takes no steps and writes no mask: leave out -o and the steps")
        suggest(args)
        return
    if not args.output:
        args.usage_error("the following arguments are required: -o/--output")
    if args.pipeline and args.steps:
        args.usage_error("name steps as options or in a file, not both")
    inputs = [file for file in (args.mask, args.scan, args.probabilities, args.region, args.pipeline) if file]
    check_output(args.output, WRITE_SUFFIXES, inputs)
    if args.save_pipeline:
        check_output(args.save_pipeline, (".json",), inputs)
    config = steps_of(args)
    mask = read_mask(args.mask)
    if mask.unit == "pixel":
        notice(f"{args.mask} does not say how large a voxel is: lengths in mm are taken as voxels.")
    grid = mask.as_scan(args.mask.name)
    check_mask_fits(args.output, grid)
    job = refine_job(
        grid.fold(mask.labels),
        config,
        spacing=grid.spacing,
        depth=grid.depth,
        intensities=intensities_on(mask, args.scan),
        probabilities=probabilities_on(grid, mask, args.probabilities),
        region=read_mask(args.region).folded_onto(grid, f"the region {args.region}") if args.region else None,
        geometry=mask.geometry,
    )
    ran = run_job(job, "refine")
    labels = grid.unfold(ran.result.labels)
    written = replace(mask, labels=labels, classes=named(labels, mask.classes))
    save_mask(args.output, written)
    same = mask.labels == labels
    kept, changed = np.count_nonzero(same & (labels != 0)), np.count_nonzero(~same)
    write_provenance_of_change(args.output, args.mask, int(kept), int(changed), [config.model_dump(mode="json")])
    if args.save_pipeline:
        write_pipeline(args.save_pipeline, config)
    report(args.output, written, ran.result, config, stopped=ran.stopped, as_json=args.json)


def steps_of(args: Namespace) -> RefineConfig:
    """Give the steps that the command line or its file names."""
    from napari_unet.refinement.pipeline_file import read_pipeline

    config = RefineConfig()
    if args.pipeline:
        config = read_pipeline(args.pipeline)
    elif args.steps:
        config = RefineConfig(steps=args.steps)
    if args.classes:
        config = RefineConfig(steps=tuple(step.model_copy(update={"classes": args.classes}) for step in config.steps))
    return config


def report(path: Path, mask: Mask, refined: "Refined", config: RefineConfig, *, stopped: bool, as_json: bool) -> None:
    """Print where the mask lies and what changed."""
    in_mm = mask.unit == "mm"
    added, removed = (refined.added_ml, refined.removed_ml) if in_mm else (refined.added, refined.removed)
    unit = "ml" if in_mm else "voxels"
    names = {info.label: info.name for info in mask.classes}
    changes = [(label, names[label], added.get(label, 0), removed.get(label, 0)) for label in refined.changed]
    if as_json:
        rows = [dict(zip(("label", "name", "added", "removed"), change, strict=True)) for change in changes]
        pipeline = config.model_dump(mode="json")
        print_json({"mask": str(path), "unit": unit, "changes": rows, "stopped": stopped, "pipeline": pipeline})
        return
    print(path)
    for _, name, gained, lost in changes:
        print(f"  {name}: {gained:+.4g} {unit}, {-lost:+.4g} {unit}")
