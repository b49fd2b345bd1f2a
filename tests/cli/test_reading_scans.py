"""What a command can be given as a scan, and what it asks back."""

import json

import nibabel as nib
import numpy as np
import pytest

from napari_unet.cli import main


@pytest.fixture
def info(capfd):
    def run(*argv):
        status = main(["info", "--json", *map(str, argv)])
        out, told = capfd.readouterr()
        return status, json.loads(out) if out else None, told

    return run


def test_a_series_is_chosen_by_its_number(info, dicom_folder):
    folder = dicom_folder(number=1)
    dicom_folder(number=2, slices=4, into=folder)
    status, _, told = info(folder)
    assert status == 1
    assert "1 (CT thin slices, 6 images of 8 x 9); 2 (CT thin slices, 4 images of 8 x 9)" in told
    assert "CANARY" not in told
    assert info(folder, "--series=2")[1]["shape"] == [4, 8, 9]


def test_uneven_slices_are_read_when_that_is_asked_for(info, dicom_folder):
    folder = dicom_folder(skip=(3,))
    status, _, told = info(folder)
    assert status == 1
    assert "slices 3 and 4" in told
    assert info(folder, "--assume-even-spacing")[1]["spacing"][0] == pytest.approx(3.125)


def test_files_on_one_grid_are_channels(info, tmp_path):
    for n, step in ((1, 3), (2, 3), (3, 4)):
        image = nib.Nifti1Image(np.full((4, 3, 2), n, np.uint8), np.diag([2, 2, step, 1]))
        nib.save(image, tmp_path / f"T{n}.nii.gz")
    _, facts, _ = info(f"{tmp_path}/T1.nii.gz+{tmp_path}/T2.nii.gz")
    assert (facts["shape"], facts["channels"], facts["highest"]) == ([2, 3, 4], ["channel 0", "channel 1"], 2)
    status, _, told = info(f"{tmp_path}/T1.nii.gz+{tmp_path}/T3.nii.gz")
    assert status == 1
    assert (
        '"T3" does not lie where "T1" lies: its spacing is 4 x 2 x 2, not 3 x 2 x 2 and it lies up to 1.00 mm' in told
    )
    (tmp_path / "a+b.nii.gz").write_bytes((tmp_path / "T1.nii.gz").read_bytes())
    assert info(tmp_path / "a+b.nii.gz")[1]["name"] == "a+b"
