"""``napari-unet convert``: a mask in another format, on another grid, or what is made of it."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.cli.files import check_output
from napari_unet.cli.output import notice
from napari_unet.cli.reading import Reading, read_mask
from napari_unet.cli.refine import class_numbers
from napari_unet.errors import BadInput
from napari_unet.io import (
    EXPORT_SUFFIXES,
    WRITE_SUFFIXES,
    Mask,
    check_mask_fits,
    export,
    onto_grid,
)
from napari_unet.io.formats import patient_notice
from napari_unet.io.label_descriptions import read_label_descriptions
from napari_unet.io.mask import named
from napari_unet.keeping.provenance import write_provenance_of_change


def add_to(commands: Any) -> None:
    """Add the command."""
    parser: ArgumentParser = commands.add_parser(
        "convert",
        help="save a mask in another format, on another scan's grid, or as surfaces or volumes",
        description="Save a mask in another format. The surfaces of its classes (.stl, .obj), their volumes in ml "
        "(.csv) and their names and colours for ITK-SNAP (.txt) are formats too.",
    )
    parser.add_argument("mask", type=Path, metavar="MASK", help="the mask")
    parser.add_argument(
        "output", type=Path, metavar="OUT", help=f"the file to write; its name ends with {', '.join(EXPORT_SUFFIXES)}"
    )
    parser.add_argument(
        "--onto", type=Path, metavar="SCAN",
        help="put the mask onto the grid of this scan of the same patient, through where both lie; a DICOM "
        "segmentation (.dcm) needs the folder of its series here",
    )  # fmt: skip
    parser.add_argument("--series", help="which series of a DICOM folder, by its number")
    parser.add_argument("--classes", type=class_numbers, metavar="1,5", help="only these classes; all when not given")
    parser.add_argument(
        "--names", type=Path, metavar="LABELS.txt", help="take names and colours from label descriptions of ITK-SNAP"
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> None:
    """Read the mask, change what was asked for, and write it."""
    check_output(args.output, EXPORT_SUFFIXES, [file for file in (args.mask, args.onto, args.names) if file])
    mask = read_mask(args.mask)
    if args.names:
        mask = replace(mask, classes=named(mask.labels, read_label_descriptions(args.names)))
    if args.classes:
        mask = of_classes(mask, args.classes)
    if args.onto:
        scan = Reading(args.series).scan(args.onto)
        if args.output.name.lower().endswith(WRITE_SUFFIXES):
            check_mask_fits(args.output, scan)
        moved = onto_grid(mask, scan)
        mask = moved.mask
        notice(moved.sentence)
    for written in export(args.output, mask):
        print(written)
    if not args.output.name.lower().endswith(WRITE_SUFFIXES):
        return
    steps: list[dict[str, Any]] = [{"kind": "keep classes", "classes": list(args.classes)}] if args.classes else []
    steps += [{"kind": "onto another grid"}] if args.onto else []
    write_provenance_of_change(args.output, args.mask, int(np.count_nonzero(mask.labels)), 0, steps)
    if said := patient_notice(args.output):
        notice(said)


def of_classes(mask: Mask, labels: tuple[int, ...]) -> Mask:
    """Keep some classes of a mask.

    Raises
    ------
    BadInput
        It has none of that number.
    """
    known = {info.label: info for info in mask.classes}
    if missing := sorted(set(labels) - set(known)):
        listed = ", ".join(f"{info.label} ({info.name})" for info in mask.classes)
        raise BadInput(f"the mask has no class {missing[0]}, but these: {listed}.")
    kept = np.where(np.isin(mask.labels, labels), mask.labels, np.uint8(0))
    return replace(mask, labels=kept, classes=tuple(known[label] for label in sorted(set(labels))))
