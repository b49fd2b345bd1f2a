"""What ITK takes for granted of compressed MetaImage files (.mha, .mhd): where they are damaged, it may never end."""

import re
from pathlib import Path

from napari_unet.errors import BadInput
from napari_unet.io.gate import unpacked_size

HEADER = 1_000_000
"""Bytes in which the header ends."""
FIELD = re.compile(rb"^[ \t]*(\w+)[ \t]*=[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
ANY_FORMAT = 47
"""zlib or gzip, whichever it is, as ITK does."""


def check_compressed(path: Path, parts: list[Path], claimed: int) -> None:
    """Check that compressed voxels can be unpacked to the end; nothing of them is kept.

    Parameters
    ----------
    path
        The file.
    parts
        What holds the voxels: the file itself, or one beside it.
    claimed
        Bytes of voxels the header claims.

    Raises
    ------
    BadInput
        They end before that.
    zlib.error
        They are no compressed voxels.
    """
    with path.open("rb") as stream:
        head = stream.read(HEADER)
    end = head.lower().find(b"elementdatafile")
    end = len(head) if end < 0 else head.find(b"\n", end) + 1
    fields = {name.lower(): value for name, value in FIELD.findall(head[:end])}
    if fields.get(b"compresseddata", b"").lower() not in (b"true", b"1"):
        return
    size = fields.get(b"compresseddatasize", b"")
    left = int(size) if size.isdigit() and int(size) else parts[0].stat().st_size
    with parts[0].open("rb") as stream:
        stream.seek(end if parts == [path] else 0)
        unpacked = unpacked_size(stream, left, claimed, ANY_FORMAT)
    if unpacked < claimed:
        raise BadInput(f"{path} is damaged: its voxels end too early. Get it again from where it came from.")
