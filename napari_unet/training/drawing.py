"""Plots as pictures, drawn with Pillow: lines over axes, a table of counts, patches under masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_unet.annotation import BACKGROUND, ClassInfo

SMOOTH = 3
"""A plot is drawn so many times larger and then shrunk: smooth lines."""
WIDTH, HEIGHT, LEGEND = 400, 300, 150
LONGEST = 24
"""Letters of a name in the legend."""
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 30, 40
"""Room around the axes, in pixels."""
INK, FAINT, PAPER = (40, 40, 40), (222, 222, 222), (255, 255, 255)
PATCH = 160
"""Side of a patch in the picture, in pixels."""
GAP = 8
OPACITY = 0.45

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Line:
    """A line of a plot: where it goes, what it is called; with dots where ``marks`` are."""

    name: str
    colour: Colour
    x: Sequence[float]
    y: Sequence[float]
    marks: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Plot:
    """Lines over axes. A range of None is that of the lines."""

    title: str
    across: str
    lines: Sequence[Line]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    logarithmic: bool = False

    def draw(self) -> Image.Image:
        """Draw it; beside the axes the names of its lines, in their colours."""
        width = WIDTH + (LEGEND if any(line.name for line in self.lines) else 0)
        picture = Image.new("RGB", (width * SMOOTH, HEIGHT * SMOOTH), PAPER)
        pen = ImageDraw.Draw(picture)
        frame = _Frame(self._range(0, self.x_range), self._range(1, self.y_range))
        font = ImageFont.load_default(11 * SMOOTH)
        for value in ticks(*frame.x):
            x, _ = frame.place(value, frame.y[0])
            pen.line([(x, TOP * SMOOTH), (x, (HEIGHT - BOTTOM) * SMOOTH)], FAINT, SMOOTH)
            pen.text((x, (HEIGHT - BOTTOM + 5) * SMOOTH), f"{value:g}", INK, font, anchor="mt")
        for value in ticks(*frame.y):
            _, y = frame.place(frame.x[0], value)
            pen.line([(LEFT * SMOOTH, y), ((WIDTH - RIGHT) * SMOOTH, y)], FAINT, SMOOTH)
            words = f"{10**value:.0e}" if self.logarithmic else f"{value:g}"
            pen.text(((LEFT - 5) * SMOOTH, y), words, INK, font, anchor="rm")
        for line in self.lines:
            self._draw_line(pen, frame, line)
        centre = (LEFT + WIDTH - RIGHT) / 2 * SMOOTH
        pen.text((centre, (HEIGHT - 6) * SMOOTH), self.across, INK, font, anchor="mb")
        pen.text((LEFT * SMOOTH, 6 * SMOOTH), self.title, INK, ImageFont.load_default(13 * SMOOTH))
        self._draw_legend(pen, font)
        return picture.resize((width, HEIGHT), Image.Resampling.LANCZOS)

    def _values(self, line: Line) -> list[tuple[float, float]]:
        pairs = [(x, y) for x, y in zip(line.x, line.y, strict=True) if isfinite(x) and isfinite(y)]
        return [(x, log10(y)) for x, y in pairs if y > 0] if self.logarithmic else pairs

    def _range(self, axis: int, given: tuple[float, float] | None) -> tuple[float, float]:
        values = [point[axis] for line in self.lines for point in self._values(line)]
        low, high = given or (min(values, default=0.0), max(values, default=1.0))
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    def _draw_line(self, pen: ImageDraw.ImageDraw, frame: "_Frame", line: Line) -> None:
        places = [frame.place(x, y) for x, y in self._values(line)]
        if len(places) > 1:
            pen.line(places, line.colour, 2 * SMOOTH, joint="curve")
        dots = [frame.place(x, y) for x, y in line.marks if isfinite(x) and isfinite(y)] + (
            places if len(places) == 1 else []
        )
        for x, y in dots:
            pen.ellipse([x - 4 * SMOOTH, y - 4 * SMOOTH, x + 4 * SMOOTH, y + 4 * SMOOTH], line.colour)

    def _draw_legend(self, pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
        for row, line in enumerate(self.lines):
            place = (WIDTH * SMOOTH, (TOP + 4 + 17 * row) * SMOOTH)
            pen.text(place, _short(line.name, LONGEST), line.colour, font)


@dataclass(frozen=True)
class _Frame:
    """The range of both axes, and where a point of them is in the picture."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        across, up = (min(max(share, 0.0), 1.0) for share in (across, up))
        return (
            (LEFT + across * (WIDTH - LEFT - RIGHT)) * SMOOTH,
            (HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)) * SMOOTH,
        )


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Give round numbers between two, at most so many and one more."""
    rough = (high - low) / most
    magnitude = 10.0 ** floor(log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    first = np.ceil(low / step - 1e-9)
    return [float(round(n * step, 12)) + 0.0 for n in np.arange(first, high / step + 1e-9)]


def draw_table(counts: NDArray[np.int64], names: Sequence[str], title: str) -> Image.Image:
    """Draw how many voxels of one class (row) were taken for another (column), as shares of each row."""
    cell, head = 64, 110
    size = (head + cell * len(names) + GAP, TOP + cell // 2 * len(names) + TOP + GAP)
    picture = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(11)
    pen.text((GAP, 6), title, INK, ImageFont.load_default(13))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, name in enumerate(names):
        y = 2 * TOP + row * cell // 2
        pen.text((head - GAP, y + cell // 4), _short(name), INK, font, anchor="rm")
        pen.text((head + row * cell + cell // 2, 2 * TOP - 4), _short(name, 9), INK, font, anchor="mb")
        for column in range(len(names)):
            share, x = float(shares[row, column]), head + column * cell
            blue = tuple(round(255 - share * (255 - part)) for part in (30, 110, 180))
            pen.rectangle([x, y, x + cell - 2, y + cell // 2 - 2], blue)
            ink = PAPER if share > 0.5 else INK
            pen.text((x + cell // 2, y + cell // 4), f"{100 * share:.1f} %", ink, font, anchor="mm")
    return picture


def draw_patches(
    images: NDArray[np.float32], truth: NDArray[np.uint8], found: NDArray[np.uint8], classes: Sequence[ClassInfo]
) -> Image.Image:
    """Draw patches, one a row: the image, what was painted over it, what the model found over it."""
    rows = max(1, len(images))
    picture = Image.new("RGB", (3 * (PATCH + GAP) + GAP, TOP + rows * (PATCH + GAP)), PAPER)
    pen = ImageDraw.Draw(picture)
    for column, title in enumerate(("image", "painted", "found")):
        pen.text((GAP + column * (PATCH + GAP), 8), title, INK, ImageFont.load_default(13))
    for row, (image, painted, mask) in enumerate(zip(images, truth, found, strict=True)):
        cells = [coloured(image, labels, classes) for labels in (np.zeros_like(painted), painted, mask)]
        for column, cell in enumerate(cells):
            place = (GAP + column * (PATCH + GAP), TOP + row * (PATCH + GAP))
            picture.paste(Image.fromarray(cell).resize((PATCH, PATCH), Image.Resampling.BICUBIC), place)
    return picture


def draw_grid(
    images: NDArray[np.float32], labels: NDArray[np.uint8], classes: Sequence[ClassInfo], columns: int = 4
) -> Image.Image:
    """Draw patches side by side, (N, Y, X), with labels over them."""
    cells = [Image.fromarray(coloured(image, over, classes)) for image, over in zip(images, labels, strict=True)]
    width, height = cells[0].size
    scale = PATCH / max(width, height)
    width, height = round(scale * width), round(scale * height)
    picture = Image.new("RGB", (columns * (width + GAP) - GAP, -(-len(cells) // columns) * (height + GAP) - GAP), PAPER)
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        resized = cell.resize((width, height), Image.Resampling.BICUBIC)
        picture.paste(resized, (column * (width + GAP), row * (height + GAP)))
    return picture


def coloured(image: NDArray[np.float32], labels: NDArray[np.uint8], classes: Sequence[ClassInfo]) -> NDArray[np.uint8]:
    """Lay the colours of (Y, X) labels over a (Y, X) image: (Y, X, RGB) uint8; painted background is darkened."""
    low, high = np.percentile(image, (1, 99))
    grey = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1)[..., None] * np.full(3, 255.0)
    colours = np.zeros((256, 3))
    for info in classes:
        colours[info.label] = np.multiply(info.colour, 255)
    colours[BACKGROUND] = (30, 30, 60)
    opacity = np.where(labels > 0, OPACITY, 0.0)[..., None]
    blended: NDArray[np.uint8] = (grey * (1 - opacity) + colours[labels] * opacity).astype(np.uint8)
    return blended


def _short(name: str, most: int = 16) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
