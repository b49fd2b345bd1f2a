"""Beside every mask lies where it comes from: as checksums, and with nothing about the patient."""

import json

import numpy as np

import napari_unet as nu
from napari_unet.io import read_mask, read_scan
from napari_unet.keeping.checksums import file_checksum, voxel_checksum
from napari_unet.keeping.provenance import read_provenance


def test_a_mask_says_which_model_and_which_steps_made_it(command, tmp_path, model, nifti):
    predicted, refined, converted = tmp_path / "mask.nii.gz", tmp_path / "refined.seg.nrrd", tmp_path / "ball.nii.gz"
    assert command("predict", model, nifti.scan, "-o", predicted)[0] == 0
    known = json.loads((tmp_path / "mask.provenance.json").read_text())
    assert known["mask"] == {"sha256": file_checksum(predicted)}
    (source,) = known["models"][0]["learned_from"]["sources"]
    paint = np.ascontiguousarray(read_mask(nifti.paint).labels)
    assert source == {"scan": voxel_checksum(read_scan(nifti.scan).array), "paint": voxel_checksum(paint)}
    assert known["models"][0]["sha256"] == file_checksum(model)
    assert known["share_of_voxels"] == {"model": 1.0}
    assert known["programs"].keys() >= {"napari-unet-paint", "torch", "numpy"}

    assert command("refine", predicted, "--opening", "4", "-o", refined)[0] == 0
    known = read_provenance(refined)
    changed = np.count_nonzero(read_mask(predicted).labels != read_mask(refined).labels)
    assert known["voxels"]["refinement"] == changed > 0
    assert known["voxels"]["model"] == np.count_nonzero(
        (read_mask(predicted).labels == read_mask(refined).labels) & (read_mask(refined).labels > 0)
    )
    assert known["refinement"][0]["steps"][0]["kind"] == "opening"
    assert known["made_from"]["mask"]["sha256"] == file_checksum(predicted)

    assert command("convert", refined, converted, "--classes", "5")[0] == 0
    status, out, _ = command("info", converted, "--json")
    assert status == 0
    known = json.loads(out)["provenance"]
    assert [step["kind"] for step in known["refinement"][1:]] == ["keep classes"]
    assert next(iter(known["voxels"])) == "as before"

    text = (tmp_path / "mask.provenance.json").read_text() + (tmp_path / "refined.provenance.json").read_text()
    for name in (nifti.scan.name, "phantom", str(tmp_path), "ball", "block"):
        assert name not in text, "no file, scan, class or person is named"


def test_a_mask_that_python_writes_says_so_too(tmp_path, model):
    loaded, mask = nu.load_model(model), nu.Mask(np.eye(5, dtype=np.uint8)[None])
    for given, steps, who in (
        ((), (), "not known"),
        ((loaded,), (), "model"),
        ((model,), (nu.RefineConfig(),), "not known"),
    ):
        written = nu.write_mask(tmp_path / "mask.nii.gz", mask, models=given, steps=steps)
        known = read_provenance(written)
        assert known["voxels"] == {who: 5}
        assert [one["sha256"] for one in known["models"]] == [file_checksum(model)] * len(given)
        assert len(known["refinement"]) == len(steps)
    nu.export(tmp_path / "other.nrrd", mask, models=[loaded])
    assert read_provenance(tmp_path / "other.nrrd")["models"] == known["models"]
    nu.export(tmp_path / "volumes.csv", mask)
    assert not (tmp_path / "volumes.provenance.json").exists()


def test_an_older_word_about_an_older_mask_is_not_believed(command, tmp_path, model, nifti, nrrd):
    mask = tmp_path / "mask.nii.gz"
    assert command("predict", model, nifti.scan, "-o", mask)[0] == 0
    before = (tmp_path / "mask.provenance.json").read_text()
    assert command("predict", model, nrrd.scan, "-o", mask)[0] == 0
    assert read_provenance(mask) is not None
    (tmp_path / "mask.provenance.json").write_text(before)
    assert read_provenance(mask) is None
