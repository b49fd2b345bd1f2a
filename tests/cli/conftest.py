"""A phantom on disk: a bright ball in a grey block, its paint and truth, as NIfTI and as NRRD, and a model of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_unet.annotation import BACKGROUND, ClassInfo
from napari_unet.cli import main
from napari_unet.io import Mask, read_scan, write_mask

CLASSES = (
    ClassInfo(label=1, name="block", colour=(1.0, 0.5, 0.0)),
    ClassInfo(label=5, name="ball", colour=(0.0, 0.5, 1.0)),
)
QUICK = (
    "--steps=10",
    "--threads=1",
    "--network-width=8",
    "--network-depth=2",
    "--device=cpu",
    "--precision=fp32",
    "--no-network-filters",
)


@dataclass(frozen=True)
class Phantom:
    scan: Path
    paint: Path
    truth: Path


def make_phantom(folder: Path, suffix: str, seed: int = 0, mask_suffix: str | None = None) -> Phantom:
    z, y, x = np.ogrid[:8, :32, :32]
    labels = np.zeros((8, 32, 32), np.uint8)
    labels[:, 6:26, 4:28] = 1
    labels[(3 * (z - 3.5)) ** 2 + (y - 16) ** 2 + (x - 14) ** 2 < 64] = 5
    noise = np.random.default_rng(seed).normal(0, 60, labels.shape)
    intensities = np.choose(np.minimum(labels, 2), (-800, 0, 600)) + noise
    image = sitk.GetImageFromArray(intensities.astype(np.int16))
    image.SetSpacing((0.8, 0.8, 3.0))
    image.SetOrigin((12.0, -30.0, 100.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    mask_suffix = mask_suffix or suffix
    files = Phantom(folder / f"scan{suffix}", folder / f"paint{mask_suffix}", folder / f"truth{mask_suffix}")
    sitk.WriteImage(image, str(files.scan))
    scan = read_scan(files.scan)
    paint = np.zeros_like(labels)
    for painted in (2, 5):
        paint[painted] = np.where(labels[painted] == 0, BACKGROUND, labels[painted])
    write_mask(files.paint, Mask.on(scan, paint, CLASSES))
    write_mask(files.truth, Mask.on(scan, labels, CLASSES))
    return files


@pytest.fixture(scope="session")
def quick():
    """Options that make a training a matter of a second."""
    return QUICK


@pytest.fixture(scope="session")
def nifti(tmp_path_factory):
    return make_phantom(tmp_path_factory.mktemp("nifti"), ".nii.gz")


@pytest.fixture(scope="session")
def nrrd(tmp_path_factory):
    return make_phantom(tmp_path_factory.mktemp("nrrd"), ".nrrd", seed=1, mask_suffix=".seg.nrrd")


@pytest.fixture(scope="session")
def model(tmp_path_factory, nifti):
    path = tmp_path_factory.mktemp("model") / "phantom.unet"
    assert main(["train", str(nifti.scan), str(nifti.paint), "-o", str(path), *QUICK]) == 0
    return path


@pytest.fixture
def command(capsys):
    """Run the command line; give its exit status, stdout and stderr."""

    def run(*argv):
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in argv])
        except SystemExit as exit_:
            status = exit_.code
        return status, *capsys.readouterr()

    return run
