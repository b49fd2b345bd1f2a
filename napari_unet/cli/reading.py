"""How the commands read files: in a process of its own, so that a damaged one does not end the command."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

from napari_unet.io import Mask
from napari_unet.runner.reading import reader
from napari_unet.scan import Scan

JOINED = "+"
"""What stands between the files of the channels of one scan."""
SCAN_HELP = "a file, a folder of DICOM files, or files of one grid that are its channels: T1.nii.gz+T2.nii.gz"
"""What the name of a scan may be."""


@dataclass(frozen=True)
class Reading:
    """What a command was told about reading scans, as in :func:`napari_unet.io.read_scan`."""

    series: str | None = None
    assume_even_spacing: bool = False

    @classmethod
    def of(cls, args: Namespace) -> "Reading":
        """Take it from a command line."""
        return cls(args.series, args.assume_even_spacing)

    def scan(self, path: Path) -> Scan:
        """Read a scan.

        Raises
        ------
        BadInput, OutOfMemory
            It cannot be read.
        """
        found = reader.read(files_of(path), "scan", series=self.series, assume_even_spacing=self.assume_even_spacing)
        return found.as_scan(path.name) if isinstance(found, Mask) else found


def read_mask(path: Path) -> Mask:
    """Read a mask, or a paint, as :func:`napari_unet.io.read_mask` does.

    Raises
    ------
    BadInput, OutOfMemory
        It cannot be read.
    """
    found = reader.read([path], "mask")
    assert isinstance(found, Mask)
    return found


def add_reading_options(parser: ArgumentParser) -> None:
    """Add what :class:`Reading` takes."""
    parser.add_argument(
        "--series", help="which of several: the number of a DICOM series in a folder, the name of an array in a file"
    )
    parser.add_argument(
        "--assume-even-spacing", action="store_true",
        help="read DICOM series with missing or unevenly spaced slices as if they were evenly spaced",
    )  # fmt: skip


def files_of(path: Path) -> list[Path]:
    """Give the files that the name of a scan stands for."""
    parts = [Path(part) for part in str(path).split(JOINED) if part]
    return [path] if len(parts) < 2 or path.exists() else parts
