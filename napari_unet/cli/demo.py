"""``napari-unet demo``: the whole job on the bundled chest CT, without a window."""

import csv
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.cli.files import make_folder
from napari_unet.cli.options import add_options, config_from
from napari_unet.cli.output import number, print_table
from napari_unet.cli.overview import draw_overview, spread
from napari_unet.cli.running import run as run_job
from napari_unet.config import PRESETS, PredictConfig, RefineConfig, TrainConfig
from napari_unet.durable import written_whole
from napari_unet.io import Mask, read_mask, read_scan, write_mask
from napari_unet.io.sample import PAINT, SCAN, TRUTH, sample_folder
from napari_unet.keeping.provenance import about_model, write_provenance
from napari_unet.training import train_job

if TYPE_CHECKING:
    from napari_unet.evaluation import Evaluation

COMMON = ("time_limit", "steps", "device", "threads", "seed")
ROWS = 6
"""Slices in the overview."""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser: ArgumentParser = commands.add_parser(
        "demo",
        help="train, predict and refine the bundled chest CT",
        description="Train on four painted slices of the bundled chest CT, predict all of it, refine, and score the "
        "slices that were not painted.",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("results"), metavar="FOLDER", help="where to write to [results]"
    )
    add_options(parser, TrainConfig, COMMON)
    parser.set_defaults(run=run)


def run(args: Namespace) -> None:
    """Do the whole job and print where its results are."""
    # Imported here: SciPy and torch would keep --help waiting.
    from napari_unet.evaluation import evaluate
    from napari_unet.inference.prediction import predict_job
    from napari_unet.refinement import refine_job

    config = config_from(args, PRESETS["fast"].train)
    make_folder(args.output)
    sample = sample_folder()
    scan, paint, truth = read_scan(sample / SCAN), read_mask(sample / PAINT), read_mask(sample / TRUTH)

    trained = run_job(train_job([scan], [paint.labels], config, classes=truth.classes), "train")
    model = trained.result
    where = PredictConfig(device=config.device, precision=config.precision, threads=config.threads)
    predicted = run_job(predict_job(model, scan, where), "predict").result
    refined = run_job(refine_job(predicted.labels, RefineConfig(), spacing=scan.spacing), "refine").result

    unpainted = [z for z in range(scan.grid[0]) if not paint.labels[z].any()]
    masks = {"truth": truth.labels, "prediction": predicted.labels, "refined": refined.labels}
    scores = {
        title: evaluate(masks[title][unpainted], truth.labels[unpainted], spacing=scan.spacing, classes=truth.classes)
        for title in ("prediction", "refined")
    }
    model.save(args.output / "chest.unet")
    mask = write_mask(args.output / "chest.seg.nrrd", Mask.on(scan, refined.labels, truth.classes))
    same = predicted.labels == refined.labels
    voxels = {"model": int((same & (refined.labels > 0)).sum()), "refinement": int((~same).sum())}
    steps = [RefineConfig().model_dump(mode="json")]
    write_provenance(mask, voxels, [about_model(args.output / "chest.unet")], steps)
    with written_whole(args.output / "overview.png") as temporary:
        draw_overview(scan, masks, truth.classes, spread(unpainted, ROWS)).save(temporary)
    report(args.output, dice_table(scores), len(unpainted))


def dice_table(scores: "dict[str, Evaluation]") -> list[tuple[str, ...]]:
    """Make a table of Dice: a row for each class and one for their mean, a column for each mask."""
    columns = [{row.name: row.dice for row in score.classes} | {"mean": score.mean_dice} for score in scores.values()]
    return [("class", *scores), *((name, *(number(column[name], 3) for column in columns)) for name in columns[0])]


def report(folder: Path, table: list[tuple[str, ...]], slices: int) -> None:
    """Write and print the table, and print where everything is."""
    with written_whole(folder / "dice.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(table)
    print(f"Dice on the {slices} slices that were not painted:")
    print_table(table[0], table[1:])
    print(f"""
The mask:     {folder / "chest.seg.nrrd"}
Its making:   {folder / "chest.provenance.json"}
A picture:    {folder / "overview.png"}
This table:   {folder / "dice.csv"}
The model:    {folder / "chest.unet"}
Next: napari-unet predict {folder / "chest.unet"} YOUR_SCAN -o mask.nii.gz""")
