"""``napari-unet train``: a model from scans and what is painted on them."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, PaintSummary, classes_for, count_slices
from napari_unet.cli.files import check_output, make_folder
from napari_unet.cli.options import add_options, config_from
from napari_unet.cli.output import notice, print_json
from napari_unet.cli.reading import SCAN_HELP, Reading, add_reading_options, read_mask
from napari_unet.cli.running import run as run_job
from napari_unet.config import PRESETS, TrainConfig
from napari_unet.model_file import SUFFIX, Model, load_model
from napari_unet.scan import Scan
from napari_unet.training import Start, train_to_file
from napari_unet.training.given import UNFINISHED, Given
from napari_unet.training.report import write_report
from napari_unet.training.tensorboard import logged

COMMON = ("unpainted", "time_limit", "steps", "device", "threads", "seed")


def add_to(commands: Any) -> None:
    """Add the command."""
    parser: ArgumentParser = commands.add_parser(
        "train",
        help="train a model on painted scans",
        description="Train a model on one or more scans and what is painted on them. In a PAINT file 0 is not painted, "
        "1 to 254 are classes, 255 is painted as background.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="SCAN PAINT",
        help=f"scans, each followed by the file of its paint; a scan is {SCAN_HELP}",
    )
    add_reading_options(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL.unet", help="the model to write")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="fast",
        help=" ".join(f"{key.upper()}: {preset.sentence}" for key, preset in PRESETS.items())
        + " Other options change single parameters of it; their defaults, as shown, are those of fast. [fast]",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="MODEL.unet",
        help="go on from this model instead of beginning with a new network: its classes are kept, new ones are added",
    )
    parser.add_argument(
        "--again",
        nargs="+",
        type=Path,
        default=[],
        metavar="SCAN PAINT",
        help="with --from: scans that the model learned from, each followed by its paint, to be shown to it again",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help=f"go on with the same training where it was interrupted: its state lies in MODEL{UNFINISHED}",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FOLDER",
        help="write there how it went and how good the model is on held-out paint: curves, precision and recall by "
        "threshold, confusion, and some patches (CSV and PNG)",
    )
    parser.add_argument(
        "--tensorboard", type=Path, metavar="FOLDER", help="write event files for TensorBoard there while it trains"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_options(parser, TrainConfig, COMMON)
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: Namespace) -> None:
    """Train and write the model."""
    if len(args.files) % 2 or len(args.again) % 2:
        args.usage_error("name scans and paints in pairs: SCAN PAINT [SCAN PAINT ...]")
    if args.again and args.start is None:
        args.usage_error("--again is for a model that goes on: name it with --from, or give all scans alike")
    config = config_from(args, PRESETS[args.preset].train)
    check_output(args.output, (SUFFIX,), [*args.files, *args.again, *([args.start] if args.start else [])])
    for folder in filter(None, (args.report, args.tensorboard)):
        make_folder(folder)
    start = start_from(args.start, args.again, Reading.of(args))
    scans, paints, classes = read_painted(args.files, Reading.of(args))
    for scan, paint in zip(scans, paints, strict=True):
        painted = PaintSummary.of(scan.grid, count_slices(paint))
        notice(f"{scan.name}: {painted.sentence(config.unpainted)}")
    unfinished = args.output.with_suffix(UNFINISHED)
    if unfinished.exists() and not args.resume:
        notice(f"{unfinished} is from a training that was interrupted and is replaced; --resume goes on with it.")
    given = Given(scans, paints, config, classes, start, unfinished=unfinished, resume=args.resume)
    job = train_to_file(given, args.output)
    ran = run_job(job if args.tensorboard is None else logged(job, args.tensorboard), "train")
    if args.report is not None:
        write_report(args.report, ran.result.rounds, ran.result.evidence, ran.result.model.description.classes)
    report(ran.result.model, args.output, stopped=not ran.result.finished, as_json=args.json)
    if not ran.result.finished:
        notice(f"the same command with --resume goes on where it was stopped ({unfinished}).")


def start_from(model: Path | None, again: Sequence[Path], reading: Reading) -> Start | None:
    """Read the model to go on from, and scans and paints to show it again."""
    if model is None:
        return None
    scans, paints, _ = read_painted(again, reading)
    return Start(load_model(model), scans, paints)


def read_painted(
    files: Sequence[Path], reading: Reading
) -> tuple[list[Scan], list[NDArray[np.uint8]], tuple[ClassInfo, ...]]:
    """Read scans and their paints.

    Parameters
    ----------
    files
        A scan, its paint, and so on.
    reading
        How to read the scans.

    Returns
    -------
    scans : list of Scan
        The scans.
    paints : list of numpy.ndarray
        (Z, Y, X) uint8 on the grid of each scan.
    classes : tuple of ClassInfo
        All classes, with the names that the first file gives them.
    """
    scans, paints = [], []
    named: dict[int, ClassInfo] = {}
    for scan_file, paint_file in zip(files[::2], files[1::2], strict=True):
        scan, paint = reading.scan(scan_file), read_mask(paint_file)
        scans.append(scan)
        paints.append(paint.folded_onto(scan, f"the paint {paint_file}"))
        named = {info.label: info for info in paint.classes} | named
    return scans, paints, classes_for(named, tuple(named.values()))


def report(model: Model, path: Path, *, stopped: bool, as_json: bool) -> None:
    """Print what the model is and where it lies."""
    description = model.description
    if not as_json:
        print(f"{path}: {description.sentence()}")
        return
    learned = description.learned_from.model_dump(mode="json")
    classes = [{"label": info.label, "name": info.name} for info in description.classes]
    print_json({"model": str(path), "classes": classes, "stopped": stopped, **learned})
