"""``napari-unet fill``: paint on the slices between painted ones."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_unet.annotation import BACKGROUND
from napari_unet.cli.files import check_output, save_mask
from napari_unet.cli.options import add_options, config_from
from napari_unet.cli.output import print_json
from napari_unet.cli.reading import read_mask
from napari_unet.cli.running import run as run_job
from napari_unet.config import FillBetweenConfig
from napari_unet.io import WRITE_SUFFIXES, check_mask_fits


def add_to(commands: Any) -> None:
    """Add the command."""
    parser: ArgumentParser = commands.add_parser(
        "fill",
        help="fill the slices between painted ones",
        description="Fill the slices between painted ones: the shapes of all classes go over into one another. What is "
        "painted does not change. Paint all of a class on a slice, or none of it.",
    )
    parser.add_argument("paint", type=Path, metavar="PAINT", help="the paint")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the paint to write")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_options(parser, FillBetweenConfig, tuple(FillBetweenConfig.model_fields))
    parser.set_defaults(run=run)


def run(args: Namespace) -> None:
    """Fill the paint and write the result."""
    # Imported here: SciPy would keep --help waiting.
    from napari_unet.refinement import fill_between_job

    check_output(args.output, WRITE_SUFFIXES, [args.paint])
    paint = read_mask(args.paint)
    grid = paint.as_scan(args.paint.name)
    check_mask_fits(args.output, grid)
    job = fill_between_job(
        grid.fold(paint.labels), config_from(args, FillBetweenConfig()), spacing=grid.spacing, depth=grid.depth
    )
    ran = run_job(job, "fill")
    save_mask(args.output, replace(paint, labels=grid.unfold(ran.result.paint)))
    names = {info.label: info.name for info in paint.classes} | {BACKGROUND: "background"}
    if args.json:
        rows = [{"label": label, "name": names[label], "voxels": n} for label, n in ran.result.added.items()]
        print_json({"paint": str(args.output), "added": rows, "stopped": ran.stopped})
        return
    print(args.output)
    for label, voxels in ran.result.added.items():
        print(f"  {names[label]}: +{voxels:,} voxels")
