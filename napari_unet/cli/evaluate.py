"""``napari-unet evaluate``: how well a mask agrees with a reference."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.cli.output import number, print_json, print_table
from napari_unet.cli.reading import read_mask

if TYPE_CHECKING:
    from napari_unet.evaluation import Evaluation


def add_to(commands: Any) -> None:
    """Add the command."""
    parser: ArgumentParser = commands.add_parser(
        "evaluate",
        help="compare a mask with a reference",
        description="Compare a mask with a reference, class by class: Dice, intersection over union, 95th percentile "
        "of the surface distance (HD95), mean surface distance (ASSD), volume.",
    )
    parser.add_argument("mask", type=Path, metavar="MASK", help="the mask")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="the reference; its class names are used")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(args: Namespace) -> None:
    """Compare and print."""
    # Imported here: SciPy would keep --help waiting.
    from napari_unet.evaluation import evaluate

    mask, truth = read_mask(args.mask), read_mask(args.truth)
    grid = truth.as_scan(args.truth.name)
    labels = grid.unfold(mask.folded_onto(grid, f"the mask {args.mask}"))
    classes = (*truth.classes, *(info for info in mask.classes if info.label not in {c.label for c in truth.classes}))
    evaluation = evaluate(labels, truth.labels, spacing=truth.spacing, classes=classes)
    if args.json:
        print_json({"unit": truth.unit, **evaluation.as_json()})
    else:
        print_evaluation(evaluation, in_mm=truth.unit == "mm")


def print_evaluation(evaluation: "Evaluation", *, in_mm: bool) -> None:
    """Print a row for each class, and the mean Dice."""
    length, volume, per_ml = ("mm", "ml", 1) if in_mm else ("voxels", "voxels", 1000)
    header = ("class", "Dice", "IoU", f"HD95 {length}", f"ASSD {length}", f"mask {volume}", f"truth {volume}")
    rows = [
        (
            row.name,
            number(row.dice, 3),
            number(row.iou, 3),
            number(row.hd95_mm, 2),
            number(row.assd_mm, 2),
            number(row.volume_ml * per_ml, 1 if in_mm else 0),
            number(row.truth_ml * per_ml, 1 if in_mm else 0),
        )
        for row in evaluation.classes
    ]
    print_table(header, [*rows, ("mean", number(evaluation.mean_dice, 3), *("",) * 5)])
