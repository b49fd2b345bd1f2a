"""Label descriptions of ITK-SNAP (.txt, .label): which label has which name and colour, as a text file.

Formats such as NIfTI have no place for names; ITK-SNAP keeps them in a file of this kind, one row a label:
``IDX R G B A VIS MSH "LABEL"``. One that lies beside a mask and has its name, ``liver.txt`` beside ``liver.nii.gz``,
is read with it.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from napari_unet.annotation import LARGEST_CLASS, ClassInfo
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput

SUFFIXES = (".txt", ".label")
LARGEST_FILE = 1_000_000
"""In bytes; a row takes about 50."""
HEADER = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# Fields:
#    IDX:   Zero-based index
#    -R-:   Red color component (0..255)
#    -G-:   Green color component (0..255)
#    -B-:   Blue color component (0..255)
#    -A-:   Label transparency (0.00 .. 1.00)
#    VIS:   Label visibility (0 or 1)
#    IDX:   Label mesh visibility (0 or 1)
#  LABEL:   Label description
################################################
"""
ROW = re.compile(r'\s*(\d{1,5})\s+(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})\s+[\d.eE+-]+\s+[01]\s+[01]\s+"([^"]*)"\s*')


def read_label_descriptions(path: Path) -> tuple[ClassInfo, ...]:
    """Read names and colours of labels, ascending; label 0 is background and left out.

    Raises
    ------
    BadInput
        It cannot be read, a row is not a label description, or labels are over 254 or come twice.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadInput(f"{path} is too large for a list of labels: choose ITK-SNAP's label descriptions.")
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    classes: dict[int, ClassInfo] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        info = _class_of(path, number, line)
        if info.label in classes:
            raise BadInput(f"{path}, line {number}: label {info.label} is described twice.")
        classes[info.label] = info
    return tuple(classes[label] for label in sorted(classes) if label)


def _class_of(path: Path, number: int, line: str) -> ClassInfo:
    found = ROW.fullmatch(line)
    if found is None or max(int(part) for part in found.groups()[1:4]) > 255:
        raise BadInput(f"{path}, line {number}, is not a label description of ITK-SNAP.")
    label, red, green, blue = (int(part) for part in found.groups()[:4])
    if label > LARGEST_CLASS:
        raise BadInput(f"{path}, line {number}: label {label}; {LARGEST_CLASS} is the largest here.")
    return ClassInfo(label=label, name=found[5] or f"class {label}", colour=(red / 255, green / 255, blue / 255))


def write_label_descriptions(path: Path, classes: Sequence[ClassInfo]) -> Path:
    """Write names and colours of labels for ITK-SNAP, whole or not at all.

    Quotation marks and line ends in names become apostrophes and spaces, since the format knows no others.

    Raises
    ------
    BadInput
        It cannot be written.
    """
    plain = [info.model_copy(update={"name": " ".join(info.name.replace('"', "'").split())}) for info in classes]
    lines = ['    0     0    0    0        0  0  0    "Clear Label"\n']
    for info in plain:
        red, green, blue = (round(255 * part) for part in info.colour)
        lines.append(f'{info.label:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{info.name}"\n')

    def check(written: Path) -> None:
        read = [(info.label, info.name) for info in read_label_descriptions(written)]
        if read != [(info.label, info.name or f"class {info.label}") for info in plain]:
            raise BadInput(f"{path} did not read back as it was written: an older file is untouched. Try again.")

    try:
        with written_whole(path, check=check) as temporary:
            temporary.write_bytes((HEADER + "".join(lines)).encode())
    except OSError as error:
        raise BadInput(f"{path} could not be written ({error.strerror}): an older file is untouched.") from error
    return path


def described_beside(path: Path, stem: str) -> tuple[ClassInfo, ...]:
    """Read the label descriptions that lie beside a mask under its name; none when there are none that can be read."""
    for suffix in SUFFIXES:
        beside = path.with_name(stem + suffix)
        if beside.is_file():
            with suppress(BadInput):
                return read_label_descriptions(beside)
    return ()
