"""Thousands of damaged files of each format: each is read or refused with a sentence, in time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from napari_unet.io import READ_SUFFIXES

ROOT = Path(__file__).parents[2]
FILES = 2000
GROUPS = ((".nii", ".nii.gz", ".npy", ".png", ".jpg"), (".nrrd", ".nhdr", ".seg.nrrd"), (".mha", ".mhd"),
          (".tif", ".ome.tif"), (".dcm",), (".npz", ".h5"), (".ome.zarr",))  # fmt: skip
SAME = {".tiff", ".ome.tiff", ".jpeg", ".hdf5", ".zarr"}
"""Other names of formats that are tried."""


@pytest.mark.parametrize("suffixes", GROUPS, ids=" ".join)
def test_damaged_files(suffixes, tmp_path):
    report = tmp_path / "fuzz.log"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz", f"--files={FILES}", f"--report={report}", "--json",
         "--formats", *suffixes],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}{done.stderr[-2000:]}{report.read_text() if report.exists() else ''}"
    for counts in json.loads(done.stdout).values():
        assert counts["read"] + counts["refused"] + counts["crashed"] == FILES
        assert counts["read"] > 20
        assert counts["refused"] > 20


def test_every_format_is_damaged():
    assert {suffix for group in GROUPS for suffix in group} == set(READ_SUFFIXES) - SAME
