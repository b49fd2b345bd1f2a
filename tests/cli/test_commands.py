"""The commands on real files: train, predict, refine, evaluate, info, and what they refuse."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from napari_unet import __version__
from napari_unet.config import DenseCRF, FillHoles, Opening, RefineConfig
from napari_unet.io import GrowingLabels, Mask, read_mask, read_scan, write_mask
from napari_unet.model_file import load_model
from napari_unet.refinement import Probabilities, refine


@pytest.mark.parametrize(("kind", "suffix"), [("nifti", ".nii.gz"), ("nrrd", ".seg.nrrd")])
def test_from_paint_to_scores(command, request, quick, tmp_path, kind, suffix):
    phantom = request.getfixturevalue(kind)
    model, mask, refined = tmp_path / "m.unet", tmp_path / f"mask{suffix}", tmp_path / f"refined{suffix}"
    options = [*quick, "--steps=60", "--json"]
    status, out, _ = command("train", phantom.scan, phantom.paint, "-o", model, *options)
    trained = json.loads(out)
    assert status == 0
    assert trained["slices"] == 2
    assert [entry["name"] for entry in trained["classes"]] == ["background", "block", "ball"]

    status, out, _ = command("predict", model, phantom.scan, "-o", mask, "--json", "--threads=1")
    [predicted] = json.loads(out)["predictions"]
    assert status == 0
    assert not predicted["partial"]
    assert predicted["look_next"].keys() == {"z", "reason", "place"}
    written, scan = read_mask(mask), read_scan(phantom.scan)
    assert written.geometry.close_to(scan.geometry)
    assert [info.name for info in written.classes] == ["block", "ball"]
    block_ml = np.count_nonzero(written.labels == 1) * 0.8 * 0.8 * 3 / 1000
    assert predicted["volumes"]["block"] == pytest.approx(block_ml, abs=1e-3)

    status, out, _ = command("refine", mask, "-o", refined, "--keep-largest", "1", "--json")
    assert status == 0
    assert json.loads(out)["unit"] == "ml"

    status, out, _ = command("evaluate", refined, phantom.truth, "--json")
    scores = json.loads(out)
    assert status == 0
    assert scores["mean_dice"] > 0.9
    assert [row["name"] for row in scores["classes"]] == ["block", "ball"]


def test_several_scans_train_one_model_and_are_predicted_into_a_folder(command, nifti, nrrd, quick, tmp_path):
    model, masks = tmp_path / "m.unet", tmp_path / "masks"
    status, _, told = command("train", nifti.scan, nifti.paint, nrrd.scan, nrrd.paint, "-o", model, *quick)
    assert status == 0
    assert "2 slices" in told
    assert load_model(model).description.learned_from.scans == 2

    other = tmp_path / "other.nrrd"
    other.write_bytes(nrrd.scan.read_bytes())
    status, out, _ = command("predict", model, nifti.scan, other, "-o", masks, "--suffix", ".nrrd", "--threads=1")
    assert status == 0
    assert out.splitlines() == [str(masks / "scan.nrrd"), str(masks / "other.nrrd")]
    assert all(read_mask(line).labels.shape == (8, 32, 32) for line in out.splitlines())


def test_a_scan_that_fails_does_not_keep_the_others(command, model, nifti, tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(nifti.scan.read_bytes()[:200])
    status, out, told = command("predict", model, broken, nifti.scan, "-o", tmp_path / "masks", "--threads=1")
    assert status == 1
    assert out.splitlines() == [str(tmp_path / "masks" / "scan.nii.gz")]
    assert "broken.nii.gz" in told
    assert told.splitlines()[-1] == "napari-unet: 1 of 2 scans could not be predicted, as said above."


def test_the_paint_may_count_unpainted_voxels_as_background(command, nifti, quick, tmp_path):
    argv = ["train", nifti.scan, nifti.paint, "-o", tmp_path / "m.unet", *quick, "--unpainted", "painted-slices"]
    status, out, told = command(*argv)
    assert status == 0
    assert "what is not painted on them is background" in told
    assert out.startswith(f"{tmp_path / 'm.unet'}: 2 classes, trained on 2 slices")


def test_probabilities_are_written_with_their_classes(command, model, nifti, tmp_path):
    files = tmp_path / "mask.nii.gz", tmp_path / "p.npz"
    status, _, _ = command("predict", model, nifti.scan, "-o", files[0], "--probabilities", files[1], "--threads=1")
    assert status == 0
    with np.load(files[1]) as written:
        probabilities = written["probabilities"].astype(np.float32)
        labels = written["labels"]
        assert written["names"].tolist() == ["background", "block", "ball"]
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=5e-3)
    highest = np.sort(probabilities, axis=0)
    clear = highest[-1] - highest[-2] > 1e-2
    np.testing.assert_array_equal(labels[probabilities.argmax(0)][clear], read_mask(files[0]).labels[clear])


def test_only_the_named_slices_are_predicted(command, model, nifti, tmp_path):
    whole, some = tmp_path / "whole.nii.gz", tmp_path / "some.nii.gz"
    assert command("predict", model, nifti.scan, "-o", whole, "--threads=1")[0] == 0
    status, _, told = command("predict", model, nifti.scan, "-o", some, "--slices", "1,3-4", "--threads=1")
    assert status == 0
    assert re.search(r"Look at slice [134] next: unsure along \d+ % of the edge", told)
    expected = np.zeros_like(read_mask(whole).labels)
    expected[[1, 3, 4]] = read_mask(whole).labels[[1, 3, 4]]
    assert expected.any()
    np.testing.assert_array_equal(read_mask(some).labels, expected)


def test_a_part_is_predicted_by_several_models_with_the_doubt_that_is_left(command, model, nifti, tmp_path):
    files = whole, some, doubt = tmp_path / "whole.nii.gz", tmp_path / "some.nii.gz", tmp_path / "doubt.npz"
    assert command("predict", model, nifti.scan, "-o", whole, "--threads=1")[0] == 0
    wish = ("--part", "4-19,8-31", "--uncertainty", files[2], "--with-model", model, "--with-model", model)
    assert command("predict", model, *wish, nifti.scan, "-o", some, "--threads=1")[0] == 0
    expected = np.zeros_like(read_mask(whole).labels)
    expected[:, 4:20, 8:32] = read_mask(whole).labels[:, 4:20, 8:32]
    np.testing.assert_array_equal(read_mask(some).labels, expected)
    uncertainty = np.load(doubt)["uncertainty"]
    assert uncertainty.shape == expected.shape
    assert uncertainty[:, 4:20, 8:32].max() > 0.1
    assert not uncertainty[:, 20:].any()


def test_labels_in_zarr_go_on_where_they_were(command, model, nifti, tmp_path, monkeypatch):
    whole, grown = tmp_path / "whole.nii.gz", tmp_path / "grown.zarr"
    assert command("predict", model, nifti.scan, "-o", whole, "--threads=1")[0] == 0
    note, noted = GrowingLabels.note, []

    def killed(self, slices):
        note(self, slices)
        noted.extend(slices)
        if len(noted) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(GrowingLabels, "note", killed)
    assert command("predict", model, nifti.scan, "-o", grown, "--threads=1")[0] == 130
    monkeypatch.setattr(GrowingLabels, "note", lambda self, slices: noted.extend(slices) or note(self, slices))
    status, out, _ = command("predict", model, nifti.scan, "-o", grown, "--threads=1", "--json")
    assert status == 0
    assert sorted(noted) == list(range(8))
    [predicted] = json.loads(out)["predictions"]
    assert not predicted["partial"]
    np.testing.assert_array_equal(read_scan(grown).array[0, :8], read_mask(whole).labels)
    again = command("predict", model, nifti.scan, "-o", grown, "--threads=1", "--json")
    assert json.loads(again[1])["predictions"] == [predicted]
    status, _, told = command("predict", model, nifti.scan, "-o", grown, "--threads=1", "--views=2")
    assert status == 1
    assert "made otherwise" in told


def test_refinement_does_its_steps_in_the_order_given(command, nrrd, tmp_path):
    truth = read_mask(nrrd.truth)
    noisy = truth.labels.copy()
    noisy[:, 12, 10:20] = 0
    noisy[:, 6, 2:4] = 1
    source = write_mask(tmp_path / "noisy.nrrd", replace(truth, labels=noisy))
    expected = {}
    for order in ((Opening(radius=2.0), FillHoles()), (FillHoles(), Opening(radius=2.0))):
        options = {"opening": ["--opening", "2"], "fill-holes": ["--fill-holes"]}
        argv = [part for step in order for part in options[step.kind]]
        assert command("refine", source, "-o", tmp_path / "out.nrrd", *argv)[0] == 0
        expected[order] = refine(noisy, RefineConfig(steps=order), spacing=truth.spacing).labels
        np.testing.assert_array_equal(read_mask(tmp_path / "out.nrrd").labels, expected[order])
    first, second = expected.values()
    assert (first != second).any()


def test_refinement_of_some_classes_from_a_file_of_steps(command, nrrd, tmp_path):
    steps = tmp_path / "steps.json"
    steps.write_text(RefineConfig(steps=(Opening(radius=30.0),)).model_dump_json())
    assert command("refine", nrrd.truth, "-o", tmp_path / "o.nrrd", "--pipeline", steps, "--classes", "5")[0] == 0
    before, after = read_mask(nrrd.truth).labels, read_mask(tmp_path / "o.nrrd").labels
    np.testing.assert_array_equal(after == 1, before == 1)
    assert not (after == 5).any()


def test_a_pipeline_that_was_saved_gives_the_same_voxels_again(command, nifti, tmp_path):
    steps, first, second = tmp_path / "steps.json", tmp_path / "first.nii.gz", tmp_path / "second.nii.gz"
    options = [
        "--within-intensities=-100,highest=900,classes=1",
        "--within-region=2,parts=1,classes=5",
        "--grow=1.6,classes=5",
        "--keep-touching=3,16,14,reach=20,classes=5",
    ]
    files = ["--scan", nifti.scan, "--region", nifti.truth]
    assert command("refine", nifti.truth, "-o", first, *files, *options, "--save-pipeline", steps)[0] == 0
    status, told, _ = command("refine", nifti.truth, "-o", second, *files, "--pipeline", steps, "--json")
    assert status == 0
    assert json.loads(told)["pipeline"] == json.loads(steps.read_text())
    found = read_mask(first)
    np.testing.assert_array_equal(read_mask(second).labels, found.labels)
    scan, truth = read_scan(nifti.scan), read_mask(nifti.truth)
    expected = refine(
        truth.labels,
        RefineConfig.model_validate_json(steps.read_text()),
        spacing=truth.spacing,
        intensities=scan.array,
        region=truth.labels,
    )
    assert expected.removed
    assert expected.added
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_the_crf_looks_at_the_scan_and_at_what_the_network_said(command, model, nifti, tmp_path):
    mask, said = tmp_path / "mask.nii.gz", tmp_path / "p.npz"
    assert command("predict", model, nifti.scan, "-o", mask, "--probabilities", said, "--threads=1")[0] == 0
    crf, out = "--dense-crf=2,intensity-width=0.1", tmp_path / "refined.nii.gz"
    scan, predicted = read_scan(nifti.scan), read_mask(mask)
    with np.load(said) as stored:
        probabilities = Probabilities(stored["probabilities"], tuple(stored["labels"].tolist()))
    results = []
    for options, known in (([], None), (["--probabilities", said], probabilities)):
        assert command("refine", mask, "-o", out, "--scan", nifti.scan, crf, *options)[0] == 0
        results.append(read_mask(out).labels)
        expected = refine(
            predicted.labels,
            RefineConfig(steps=(DenseCRF(appearance_width=2, intensity_width=0.1),)),
            spacing=predicted.spacing,
            intensities=scan.array,
            probabilities=known,
        )
        np.testing.assert_array_equal(results[-1], expected.labels)
    assert (results[0] != results[1]).any()


def test_it_suggests_what_the_paint_says_helps(command, nifti, tmp_path):
    truth, steps = read_mask(nifti.truth), tmp_path / "steps.json"
    rough = truth.labels.copy()
    rough[np.random.default_rng(0).random(rough.shape) < 0.1] = 0
    mask = write_mask(tmp_path / "rough.nii.gz", replace(truth, labels=rough))
    argv = ["refine", mask, "--scan", nifti.scan, "--suggest", nifti.paint, "--save-pipeline", steps]
    status, told, _ = command(*argv, "--json")
    found = json.loads(told)
    assert status == 0
    assert "to" in found["advice"]
    assert found["tried"][0]["helps"]
    assert found["pipeline"] == json.loads(steps.read_text())
    assert found["advice"] in command(*argv)[1]
    out = tmp_path / "out.nii.gz"
    assert command("refine", mask, "--scan", nifti.scan, "--pipeline", steps, "-o", out)[0] == 0
    assert (read_mask(out).labels == truth.labels).mean() > (rough == truth.labels).mean()


def test_objects_that_were_numbered_are_named(command, nrrd, tmp_path):
    truth = read_mask(nrrd.truth)
    two = np.zeros_like(truth.labels)
    two[:, 2:10, 2:10] = two[:, 20:28, 2:10] = 5
    source = write_mask(tmp_path / "two.seg.nrrd", replace(truth, labels=two))
    out = tmp_path / "numbered.seg.nrrd"
    status, told, _ = command("refine", source, "-o", out, "--split=1,number=true")
    assert status == 0
    assert "class 2: +" in told
    numbered = read_mask(out)
    assert np.unique(numbered.labels).tolist() == [0, 1, 2]
    assert [info.name for info in numbered.classes] == ["block", "class 2", "ball"]


def test_slices_between_painted_ones_are_filled(command, nifti, tmp_path):
    out = tmp_path / "filled.nii.gz"
    status, told, _ = command("fill", nifti.paint, "-o", out, "--json")
    assert status == 0
    paint, filled = read_mask(nifti.paint), read_mask(out)
    np.testing.assert_array_equal(np.flatnonzero(filled.labels.any(axis=(1, 2))), [2, 3, 4, 5])
    np.testing.assert_array_equal(filled.labels[[2, 5]], paint.labels[[2, 5]])
    ball = filled.labels == 5
    for z in (3, 4):  # as large on both painted slices
        np.testing.assert_array_equal(ball[z], paint.labels[2] == 5)
    added = {row["name"]: row["voxels"] for row in json.loads(told)["added"]}
    assert added["ball"] == ball[3:5].sum()
    assert sum(added.values()) == 2 * 32 * 32
    assert filled.geometry.close_to(paint.geometry)
    assert "  ball: +" in command("fill", nifti.paint, "-o", out)[1]


def test_the_table_of_an_evaluation(command, nrrd):
    status, out, _ = command("evaluate", nrrd.truth, nrrd.truth)
    header, *rows = [line.split() for line in out.splitlines()]
    assert status == 0
    assert header[:3] == ["class", "Dice", "IoU"]
    assert [row[:5] for row in rows[:2]] == [[n, "1.000", "1.000", "0.00", "0.00"] for n in ("block", "ball")]
    assert rows[2] == ["mean", "1.000"]


def test_info_of_a_scan_and_of_a_model(command, nrrd, model):
    status, out, _ = command("info", nrrd.scan, "--json")
    facts = json.loads(out)
    assert status == 0
    assert (facts["shape"], facts["unit"], facts["spacing"]) == ([8, 32, 32], "mm", pytest.approx([3.0, 0.8, 0.8]))
    facts = json.loads(command("info", model, "--json")[1])
    assert facts["network"]["width"] == 8
    assert [entry["name"] for entry in facts["classes"]] == ["background", "block", "ball"]
    assert "shape: 8, 32, 32" in command("info", nrrd.scan)[1]
    assert "summary: 2 classes, trained on 2 slices" in command("info", model)[1]


@pytest.fixture
def bad(tmp_path, nifti, nrrd, model):
    """What a user may get wrong: the command line, and what the message must speak of."""
    scan, labels = read_scan(nifti.scan), read_mask(nifti.truth).labels
    unpainted = write_mask(tmp_path / "unpainted.nii.gz", Mask.on(scan, np.zeros_like(labels)))
    one_class = write_mask(tmp_path / "one.nii.gz", Mask.on(scan, np.where(labels == 5, np.uint8(5), np.uint8(0))))
    smaller = write_mask(tmp_path / "smaller.nii.gz", Mask(labels[:, :20]))
    image = sitk.ReadImage(str(nrrd.scan))
    image.SetOrigin((99.0, 0.0, 0.0))
    moved = tmp_path / "moved.nrrd"
    sitk.WriteImage(image, str(moved))
    text = tmp_path / "text.nii.gz"
    text.write_text("not an image")
    out, mask = tmp_path / "m.unet", tmp_path / "mask.nii.gz"
    steps = tmp_path / "steps.json"
    steps.write_text('{"steps": [{"kind": "polish"}]}')
    said = tmp_path / "said.npz"
    np.savez(said, probabilities=np.zeros((2, *labels.shape), np.float16), labels=[0, 1])
    return {
        "nothing painted": (["train", nifti.scan, unpainted, "-o", out], "Nothing is painted"),
        "one class": (["train", nifti.scan, one_class, "-o", out], "Only one class"),
        "another shape": (["train", nifti.scan, smaller, "-o", out], "(8, 20, 32)"),
        "no such scan": (["train", tmp_path / "none.nii.gz", nifti.paint, "-o", out], "none.nii.gz"),
        "not an image": (["train", text, nifti.paint, "-o", out], "text.nii.gz"),
        "a model that is none": (["predict", nifti.scan, nifti.scan, "-o", mask], "not a model"),
        "no such model": (["predict", tmp_path / "none.unet", nifti.scan, "-o", mask], "none.unet"),
        "an unknown suffix": (["predict", model, nifti.scan, "-o", tmp_path / "mask.docx"], ".nii.gz"),
        "a model with another suffix": (["train", nifti.scan, nifti.paint, "-o", tmp_path / "m.pt"], ".unet"),
        "no such folder": (["predict", model, nifti.scan, "-o", tmp_path / "none" / "m.nrrd"], "none"),
        "an input as output": (["refine", nrrd.truth, "-o", nrrd.truth], "is an input"),
        "the paint as mask": (["refine", nrrd.paint, "-o", mask], "255"),
        "masks of two scans": (["evaluate", smaller, nrrd.truth], "(8, 20, 32)"),
        "steps that are none": (["refine", nrrd.truth, "-o", mask, "--pipeline", steps], "steps.json"),
        "a scan of another shape": (["refine", smaller, "-o", mask, "--scan", nifti.scan], "(8, 20, 32)"),
        "a scan elsewhere": (["refine", nrrd.truth, "-o", mask, "--scan", moved], "mm away"),
        "a region elsewhere": (["refine", nrrd.truth, "-o", mask, "--region", smaller], "(8, 20, 32)"),
        "no scan for a step": (["refine", nrrd.truth, "-o", mask, "--within-intensities", "5"], "--scan SCAN"),
        "steps into a text": (["refine", nrrd.truth, "-o", mask, "--save-pipeline", tmp_path / "s.txt"], ".json"),
        "probabilities that are none": (["refine", nrrd.truth, "-o", mask, "--probabilities", text], "predict --prob"),
        "probabilities of another": (["refine", smaller, "-o", mask, "--probabilities", said], "(8, 32, 32)"),
        "no class to compare with": (["refine", nrrd.truth, "--suggest", unpainted], "No class is painted"),
        "nothing to fill": (["fill", unpainted, "-o", mask], "Nothing lies between"),
        "slices that are not there": (["predict", model, nifti.scan, "-o", mask, "--slices", "99"], "99"),
        "two masks of one name": (["predict", model, nifti.scan, nrrd.scan, "-o", tmp_path / "d"], "by itself"),
    }  # fmt: skip


def test_what_cannot_be_done_is_said_in_a_sentence(command, bad, tmp_path):
    before = sorted(tmp_path.iterdir())
    for what, (argv, about) in bad.items():
        status, out, told = command(*argv)
        last = told.splitlines()[-1]
        assert (status, out) == (1, ""), what
        assert last.startswith("napari-unet: "), what
        assert about in last, what
        assert "Traceback" not in told, what
    assert [file for file in sorted(tmp_path.iterdir()) if file.is_file()] == before


@pytest.mark.parametrize(
    ("argv", "about"),
    [
        ([], "required"),
        (["train", "scan.nii.gz", "-o", "m.unet"], "pairs"),
        (["train", "s.nii", "p.nii", "-o", "m.unet", "--patch", "3"], "greater than or equal to 16"),
        (["train", "s.nii", "p.nii", "-o", "m.unet", "--steps", "many"], "--steps"),
        (["predict", "m.unet", "s.nii", "-o", "m.nii", "--slices", "five"], "3,5-9"),
        (["predict", "m.unet", "a.nii", "b.nii", "-o", "d", "--probabilities", "p.npz"], "one scan"),
        (["predict", "m.unet", "s.nii", "-o", "m.nii", "--part", "3,5-9"], "rows and columns"),
        (["refine", "m.nii", "-o", "o.nii", "--classes", "0"], "1,5"),
        (["refine", "m.nii", "-o", "o.nii", "--pipeline", "s.json", "--fill-holes"], "not both"),
        (["refine", "m.nii"], "-o/--output"),
        (["refine", "m.nii", "--suggest", "p.nii", "--fill-holes"], "takes no steps"),
        (["refine", "m.nii", "-o", "o.nii", "--grow", "far"], "radius: input should be a valid number"),
        (["refine", "m.nii", "-o", "o.nii", "--grow", "3,onto=2"], "onto: extra inputs"),
        (["refine", "m.nii", "-o", "o.nii", "--keep-touching", "1,2"], "no point"),
        (["fill", "p.nii", "-o", "o.nii", "--classes", "300"], "less than or equal to 254"),
    ],
)
def test_a_wrong_command_line_is_status_2(command, argv, about):
    status, _, told = command(*argv)
    assert status == 2
    assert about in told.splitlines()[-1]


def test_python_m_napari_unet_is_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "napari_unet", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"napari-unet-paint {__version__}\n"


def test_a_model_goes_on_with_another_scan(command, model, nifti, nrrd, quick, tmp_path):
    after = tmp_path / "after.unet"
    argv = ["train", nrrd.scan, nrrd.paint, "--from", model, "-o", after, *quick]
    status, out, _ = command(*argv, "--again", nifti.scan, nifti.paint)
    assert status == 0
    before, now = (load_model(path).description for path in (model, after))
    assert now.network == before.network
    assert now.learned_from.scans == 2
    assert now.learned_from.steps == before.learned_from.steps + 10
    assert "4 slices" in out
    assert command("train", nifti.scan, nifti.paint, "--again", nifti.scan, "-o", after)[0] == 2
    assert command("train", nifti.scan, nifti.paint, "--from", model, "-o", model)[0] == 1


def test_an_interrupted_training_is_resumed(command, nifti, quick, tmp_path, monkeypatch):
    whole, stopped = tmp_path / "whole.unet", tmp_path / "stopped.unet"
    options = [*quick, "--steps=40"]
    command("train", nifti.scan, nifti.paint, "-o", whole, *options)
    with monkeypatch.context() as interrupt:
        interrupt.setattr("napari_unet.cli.running._Interrupts.news", lambda _: True)
        status, _, told = command("train", nifti.scan, nifti.paint, "-o", stopped, *options)
    kept = tmp_path / "stopped.unfinished"
    assert (status, kept.exists()) == (0, True)
    assert "--resume goes on" in told
    status, _, told = command("train", nifti.scan, nifti.paint, "-o", stopped, *options, "--resume")
    assert (status, kept.exists()) == (0, False)
    resumed, expected = (load_model(path).weights for path in (stopped, whole))
    assert all(np.array_equal(resumed[name], expected[name]) for name in expected)


def test_how_a_training_went_is_written(command, nifti, quick, tmp_path):
    report, events = tmp_path / "report", tmp_path / "events"
    argv = ["train", nifti.scan, nifti.paint, "-o", tmp_path / "m.unet", *quick]
    assert command(*argv, "--report", report, "--tensorboard", events)[0] == 0
    assert {"curves.csv", "curves.png"} <= {path.name for path in report.iterdir()}
    assert [path.name.startswith("events.out.tfevents") for path in events.iterdir()] == [True]
