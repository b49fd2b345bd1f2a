"""How a training went and how good its model is, as files: tables (CSV) and pictures (PNG) in a folder.

They hold class names, numbers, and patches of the scan as small pictures; no names of files or patients.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from napari_unet.annotation import ClassInfo
from napari_unet.durable import written_whole
from napari_unet.events import EpochDone
from napari_unet.training.drawing import Colour, Line, Plot, draw_patches, draw_table
from napari_unet.training.evidence import Evidence, Point

TRAINING, VALIDATION, MEAN = (86, 180, 233), (230, 159, 0), (40, 40, 40)
PATCHES = 6
"""Patches in the picture of them."""
DARK = 0.55
"""Brightness of a line at most, 0 to 1."""


def write_report(
    folder: Path, rounds: Sequence[EpochDone], evidence: Evidence | None, classes: Sequence[ClassInfo]
) -> list[Path]:
    """Write curves, and with held-out paint how good the model is on it.

    Parameters
    ----------
    folder
        Where; it exists. Files of these names are replaced.
    rounds
        How the training went.
    evidence
        How good its model is; None when nothing was held out.
    classes
        Names and colours.

    Returns
    -------
    list of pathlib.Path
        What was written.

    Raises
    ------
    BadInput
        The folder cannot be written to.
    """
    tables = {"curves.csv": curve_rows(rounds, classes)}
    pictures = {"curves.png": draw_curves(rounds, classes)}
    if evidence is not None:
        names = [info.name for info in evidence.classes]
        tables["precision_recall.csv"] = precision_recall_rows(evidence)
        tables["confusion.csv"] = [["painted as", *names], *_confusion_rows(evidence, names)]
        pictures["precision_recall.png"] = draw_precision_recall(evidence)
        pictures["confusion.png"] = draw_table(evidence.confusion, names, "painted as (row), found as (column)")
        pictures["patches.png"] = draw_patches(
            evidence.images[:PATCHES], evidence.truth[:PATCHES], evidence.found[:PATCHES], evidence.classes
        )
    for name, rows in tables.items():
        with written_whole(folder / name) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
    for name, picture in pictures.items():
        with written_whole(folder / name) as temporary:
            picture.save(temporary)
    return [folder / name for name in (*tables, *pictures)]


def curve_rows(rounds: Iterable[EpochDone], classes: Sequence[ClassInfo]) -> list[list[object]]:
    """Make the table of a training: a row for each round."""
    foreground = [info for info in classes if info.label]
    head = ["step", "seconds", "learning rate", "training loss", "validation loss", "Dice"]
    rows: list[list[object]] = [[*head, *(f"Dice of {info.name}" for info in foreground)]]
    for done in rounds:
        numbers = (done.learning_rate, done.train_loss, done.validation_loss, done.validation_dice)
        of_classes = (done.dice_per_class.get(info.label) for info in foreground)
        rows.append([done.step, f"{done.seconds:.1f}", *map(_number, (*numbers, *of_classes))])
    return rows


def precision_recall_rows(evidence: Evidence) -> list[list[object]]:
    """Make the table of precision and recall: a row for each class and threshold."""
    rows: list[list[object]] = [["class", "name", "threshold", "precision", "recall", "Dice"]]
    for info in evidence.measured:
        for point in evidence.curve(info.label):
            numbers = map(_number, (point.precision, point.recall, point.dice))
            rows.append([info.label, info.name, f"{point.threshold:.2f}", *numbers])
    return rows


def draw_curves(rounds: Sequence[EpochDone], classes: Sequence[ClassInfo]) -> Image.Image:
    """Draw loss, Dice and learning rate over the seconds, side by side."""
    seconds = [done.seconds for done in rounds]

    def line(name: str, colour: Colour, values: Iterable[float | None]) -> Line:
        return Line(name, colour, seconds, [float("nan") if value is None else value for value in values])

    losses = [
        line("training", TRAINING, (done.train_loss for done in rounds)),
        line("validation", VALIDATION, (done.validation_loss for done in rounds)),
    ]
    foreground = [info for info in classes if info.label]
    dice = [
        line(info.name, colour_of(info), (done.dice_per_class.get(info.label) for done in rounds))
        for info in foreground
    ]
    if len(foreground) > 1:
        dice.append(line("mean", MEAN, (done.validation_dice for done in rounds)))
    rate = line("", MEAN, (done.learning_rate for done in rounds))
    return beside(
        [
            Plot("Loss", "seconds", losses).draw(),
            Plot("Dice on held-out paint", "seconds", dice, y_range=(0, 1)).draw(),
            Plot("Learning rate", "seconds", [rate], logarithmic=True).draw(),
        ]
    )


def draw_precision_recall(evidence: Evidence, at: Mapping[int, Point] | None = None) -> Image.Image:
    """Draw precision over recall: of the classes ``at`` a point each, or of all where their Dice is highest."""
    lines = []
    for info in evidence.measured:
        point = evidence.best(info.label) if at is None else at.get(info.label)
        if point is None:
            continue
        points = evidence.curve(info.label)
        recall, precision = [p.recall for p in points], [p.precision for p in points]
        name = f"{info.name} ({point.threshold:.2f})"
        lines.append(Line(name, colour_of(info), recall, precision, marks=[(point.recall, point.precision)]))
    dot = "dot: the threshold with the highest Dice" if at is None else "dot: this threshold"
    return Plot("Precision", f"recall ({dot})", lines, (0, 1), (0, 1)).draw()


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """Put pictures of one height side by side."""
    joined = Image.new("RGB", (sum(picture.width for picture in pictures), pictures[0].height))
    left = 0
    for picture in pictures:
        joined.paste(picture, (left, 0))
        left += picture.width
    return joined


def colour_of(info: ClassInfo) -> Colour:
    """Give the colour of a class, dark enough to be read on white."""
    bright = float(np.dot(info.colour, (0.3, 0.6, 0.1)))
    red, green, blue = (round(255 * part * min(1.0, DARK / max(bright, 1e-6))) for part in info.colour)
    return red, green, blue


def _confusion_rows(evidence: Evidence, names: Sequence[str]) -> list[list[object]]:
    return [[name, *counts] for name, counts in zip(names, evidence.confusion.tolist(), strict=True)]


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.6g}"
