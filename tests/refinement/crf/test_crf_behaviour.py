"""What a user of the dense CRF relies on, whatever its parameters."""

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_unet.errors import BadInput
from napari_unet.refinement.crf import FREE, CrfParameters, dense_crf, dense_crf_job, probabilities_of, rows, warm_up
from napari_unet.refinement.crf import mean_field as streaming

NARROW = CrfParameters(appearance_width=6.0, intensity_width=20.0, smoothness_width=2.0)


@pytest.fixture
def phantom():
    """A bright ball in (12, 30, 28), and probabilities (3, ...) of it that are often wrong."""
    rng = np.random.default_rng(3)
    z, y, x = np.ogrid[:12, :30, :28]
    truth = (((z - 6) ** 2 + (y - 15) ** 2 / 4 + (x - 14) ** 2 / 4) < 25).astype(np.uint8)
    truth[:, :5] = 2
    scan = np.choose(truth, [50.0, 150.0, 200.0]) + rng.normal(0, 12, truth.shape)
    wrong = np.where(rng.random(truth.shape) < 0.2, rng.integers(0, 3, truth.shape), truth)
    return truth, scan[None].astype(np.float32), probabilities_of(wrong, 3, 0.7).astype(np.float32)


def test_it_mends_what_the_picture_shows_to_be_wrong(phantom):
    truth, scan, chances = phantom
    before = (chances.argmax(0) != truth).mean()
    result = dense_crf(chances, scan, parameters=NARROW)
    assert (result.labels != truth).mean() < 0.1 * before
    np.testing.assert_array_equal(result.labels, result.probabilities.argmax(0))
    np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-5)


def test_classes_in_another_order_give_the_same_in_that_order(phantom):
    _, scan, chances = phantom
    one = dense_crf(chances, scan, parameters=NARROW).probabilities
    other = dense_crf(chances[[2, 0, 1]], scan, parameters=NARROW).probabilities
    assert np.abs(one[[2, 0, 1]] - other).max() < 2e-5


def test_axes_in_another_order_give_the_same_in_that_order(phantom):
    _, scan, chances = phantom
    one = dense_crf(chances, scan, (2, 1, 1), NARROW).probabilities
    other = dense_crf(
        np.ascontiguousarray(chances.transpose(0, 3, 1, 2)), scan.transpose(0, 3, 1, 2), (1, 2, 1), NARROW
    ).probabilities
    assert np.abs(one.transpose(0, 3, 1, 2) - other).max() < 1e-4


def test_only_lengths_relative_to_the_kernels_count(phantom):
    _, scan, chances = phantom
    doubled = replace(NARROW, appearance_width=12.0, smoothness_width=4.0)
    one = dense_crf(chances, scan, (2, 1, 1), NARROW).probabilities
    np.testing.assert_array_equal(dense_crf(chances, scan, (4, 2, 2), doubled).probabilities, one)
    brighter = dense_crf(chances, 2 * scan + 512, (2, 1, 1), replace(NARROW, intensity_width=40.0)).probabilities
    assert np.abs(brighter - one).max() < 1e-3


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_volume_cut_into_slabs_gives_the_same(phantom, monkeypatch, threads):
    _, scan, chances = phantom
    fixed = np.full(scan.shape[1:], FREE, np.uint8)
    fixed[4, 3:9, 3:9] = 1
    for spacing in (1, 1, 1), (5, 1, 1):
        whole = dense_crf(chances, scan, spacing, NARROW, fixed=fixed, threads=1)
        monkeypatch.setattr(streaming, "SLAB_BYTES", 150_000)
        job = dense_crf_job(chances, scan, spacing, NARROW, fixed=fixed, threads=threads)
        assert sum(1 for _ in job) > 20  # it was cut
        cut = dense_crf(chances, scan, spacing, NARROW, fixed=fixed, threads=threads)
        assert (cut.labels == whole.labels).mean() >= 0.999
        assert np.abs(cut.probabilities - whole.probabilities).max() < 1e-2
        monkeypatch.undo()


def test_fixed_voxels_come_out_unchanged_and_persuade_others(phantom):
    truth, scan, chances = phantom
    fixed = np.full(truth.shape, FREE, np.uint8)
    fixed[6, 15] = 2  # a row across the ball, painted with another class
    result = dense_crf(chances, scan, parameters=NARROW, fixed=fixed)
    assert (result.labels[6, 15] == 2).all()
    np.testing.assert_array_equal(result.probabilities[2, 6, 15], 1)
    free = dense_crf(chances, scan, parameters=NARROW)
    inside = result.probabilities[2, 5, 13:18, 10:18]
    assert inside.mean() > free.probabilities[2, 5, 13:18, 10:18].mean()


def test_everything_fixed_is_everything_kept(phantom):
    truth, scan, chances = phantom
    np.testing.assert_array_equal(dense_crf(chances, scan, fixed=truth).labels, truth)


def test_slice_by_slice_is_each_slice_alone(phantom):
    _, scan, chances = phantom
    result = dense_crf(chances, scan, parameters=NARROW, by_slice=True)
    for z in (0, 7):
        alone = dense_crf(chances[:, z : z + 1], scan[:, z : z + 1], parameters=NARROW)
        np.testing.assert_array_equal(result.probabilities[:, z], alone.probabilities[:, 0])
        np.testing.assert_array_equal(result.labels[z], alone.labels[0])


def test_small_number_formats_lose_little(phantom):
    _, scan, chances = phantom
    truth = dense_crf(chances, scan.round(), parameters=NARROW).probabilities
    halves = np.empty(chances.shape, np.float16)
    result = dense_crf(chances.astype(np.float16), scan.round().astype(np.int16), parameters=NARROW, out=halves)
    assert result.probabilities is halves
    assert np.abs(halves - truth).max() < 5e-3
    bytes_ = (chances * 255).round().astype(np.uint8)
    assert np.abs(dense_crf(bytes_, scan.round(), parameters=NARROW).probabilities - truth).max() < 0.05


def test_inputs_are_not_changed_unless_the_output_is_to_replace_them(phantom):
    _, scan, chances = phantom
    given, seen = chances.copy(), scan.copy()
    for array in (chances, scan):
        array.flags.writeable = False
    truth = dense_crf(chances, scan, parameters=NARROW).probabilities
    np.testing.assert_array_equal(chances, given)
    np.testing.assert_array_equal(scan, seen)
    dense_crf(given, scan, parameters=NARROW, out=given)
    np.testing.assert_array_equal(given, truth)


def test_labels_only_makes_no_probabilities(phantom):
    _, scan, chances = phantom
    result = dense_crf(chances, scan, parameters=NARROW, labels_only=True)
    assert result.probabilities is None
    np.testing.assert_array_equal(result.labels, dense_crf(chances, scan, parameters=NARROW).labels)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (9, 1, 1), (1, 7, 1), (3, 1, 4)])
@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_smallest_scans_are_solved(shape, classes, channels):
    rng = np.random.default_rng(0)
    chances = rng.random((classes, *shape))
    chances /= chances.sum(0)
    result = dense_crf(chances, rng.normal(100, 20, (channels, *shape)))
    assert np.isfinite(result.probabilities).all()
    np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-5)


def test_a_constant_picture_is_smoothed_all_the_same(phantom):
    truth, scan, chances = phantom
    result = dense_crf(chances, np.full_like(scan, 7), parameters=replace(NARROW, appearance_width=2.0))
    assert (result.labels != truth).mean() < (chances.argmax(0) != truth).mean()


def test_voxels_without_a_number_count_as_dark_or_bright(phantom):
    _, scan, chances = phantom
    broken, mended = scan.copy(), scan.copy()
    broken[0, 2, 4:9, 4:9], mended[0, 2, 4:9, 4:9] = np.nan, scan.min()
    broken[0, 3, 4:9, 4:9], mended[0, 3, 4:9, 4:9] = np.inf, scan.max()
    broken[0, 4, 4:9, 4:9], mended[0, 4, 4:9, 4:9] = -np.inf, scan.min()
    one, other = (dense_crf(chances, each, parameters=NARROW).probabilities for each in (broken, mended))
    np.testing.assert_array_equal(one, other)
    huge = np.where(np.isinf(broken), np.copysign(1e300, broken.astype(np.float64)), broken)
    np.testing.assert_array_equal(dense_crf(chances, huge, parameters=NARROW).probabilities, other)


def test_progress_rises_to_one_and_closing_ends_it(phantom):
    _, scan, chances = phantom
    fractions = list(dense_crf_job(chances, scan, parameters=NARROW))
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] == pytest.approx(1)
    slices = list(dense_crf_job(chances, scan, parameters=NARROW, by_slice=True))
    assert slices == sorted(slices)
    assert slices[-1] == pytest.approx(1)
    job = dense_crf_job(chances, scan, parameters=NARROW, threads=2)
    next(job)
    running = threading.active_count()
    job.close()
    assert threading.active_count() < running


def test_two_threads_may_solve_at_once(phantom):
    _, scan, chances = phantom
    truth = dense_crf(chances, scan, parameters=NARROW).probabilities
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(dense_crf(chances, scan, parameters=NARROW))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        assert np.abs(result.probabilities - truth).max() < 1e-5


def test_a_warm_up_leaves_nothing_to_compile(phantom):
    _, scan, chances = phantom
    warm_up()
    loops = [rows.count_rows, rows.normalise_rows, rows.blur_rows, rows.update_rows, rows.blur_grid, rows.blur_lines]
    before = [len(loop.signatures) for loop in loops]
    fixed = np.zeros(scan.shape[1:], np.uint8)
    dense_crf(chances.astype(np.float16), scan.astype(np.int16), fixed=fixed, by_slice=True)
    assert [len(loop.signatures) for loop in loops] == before == [1] * 6


def test_it_runs_where_nothing_can_be_cached(tmp_path):
    script = (
        "import numba.core.caching as caching\n"
        "def nowhere(*_): return None\n"
        "for each in caching.CacheImpl._locator_classes: each.from_function = classmethod(nowhere)\n"
        "from napari_unet.refinement import compiled\n"
        "print(compiled.compiled(lambda x: x + 1)(2))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "3"


def test_a_mask_becomes_probabilities():
    chances = probabilities_of(np.array([[[0, 2]]]), 3, 0.8)
    assert chances.dtype == np.float16
    np.testing.assert_allclose(chances[:, 0, 0], [[0.8, 0.1], [0.1, 0.1], [0.1, 0.8]], atol=1e-3)


@pytest.mark.parametrize(
    ("labels", "classes", "confidence", "words"),
    [([[[3]]], 3, 0.8, "labels 3..3"), ([[[1]]], 2, 0.5, "more than 0.5"), ([[[1]]], 2, 1.5, "up to 1")],
)
def test_a_mask_that_is_none_is_refused(labels, classes, confidence, words):
    with pytest.raises(BadInput, match=words):
        probabilities_of(np.array(labels), classes, confidence)


GOOD = np.full((2, 2, 4, 5), 0.5, np.float32)
SCAN = np.arange(40, dtype=np.float32).reshape(1, 2, 4, 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"probabilities": GOOD[0]}, "not empty; these are"),
        ({"probabilities": np.full((255, 2, 4, 5), 0.1)}, "up to 254 classes"),
        ({"probabilities": GOOD * 3}, "Logits need a softmax"),
        ({"probabilities": GOOD * np.nan}, "go from nan"),
        ({"probabilities": GOOD.astype(np.int16)}, "must be floating point"),
        ({"intensities": SCAN[:, :1]}, "its intensities are"),
        ({"intensities": SCAN * 1j}, "real numbers"),
        ({"intensities": SCAN * np.nan}, "only NaN"),
        ({"spacing": (1, 0, 1)}, "three lengths above 0"),
        ({"fixed": np.zeros((2, 4, 4), np.uint8)}, "must be uint8"),
        ({"fixed": np.full((2, 4, 5), 2, np.uint8)}, "not among 0..1"),
        ({"out": np.empty((2, 2, 4, 4))}, "it must be floating point"),
        ({"parameters": CrfParameters(appearance_width=0)}, "takes 3 numbers above 0"),
        ({"parameters": CrfParameters(intensity_width=(1.0, 2.0))}, "takes 1 numbers above 0"),
        ({"parameters": CrfParameters(smoothness_weight=-1)}, "must be 0 or more"),
        ({"parameters": CrfParameters(compatibility=((0, 1),))}, "2 rows of 2"),
    ],
)
def test_what_cannot_be_solved_is_refused_in_words(change, words):
    given = {"probabilities": GOOD, "intensities": SCAN, **change}
    with pytest.raises(BadInput, match=words):
        dense_crf(**given)


def test_a_kernel_too_narrow_for_memory_is_refused():
    rng = np.random.default_rng(0)
    scan = rng.uniform(0, 255, (4, 1, 32, 32))
    with pytest.raises(BadInput, match="too narrow"):
        dense_crf(np.full((2, 1, 32, 32), 0.5), scan, parameters=CrfParameters(intensity_width=0.1))
