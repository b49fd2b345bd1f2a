"""What the commands print."""

import json
import sys
from collections.abc import Sequence
from math import isnan
from typing import Any


def notice(text: str) -> None:
    """Say on stderr something that is not a result."""
    sys.stderr.write(f"napari-unet: {text}\n")


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    print(json.dumps(value, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout: the first column to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for first, *rest in (header, *rows):
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        print("  ".join(cells).rstrip())


def number(value: float, digits: int) -> str:
    """Write a number, or a dash where there is none."""
    return "-" if isnan(value) else f"{value:.{digits}f}"
