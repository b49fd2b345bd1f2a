"""The dense CRF against the definition, computed pair by pair.

KL is the mean over voxels of KL(exact || ours); mean |dQ| and the share of voxels whose most probable class differs
are over the same. The pictures are made so that much is undecided: on a scan the differences are far smaller.
"""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_unet.refinement.crf import CrfParameters, dense_crf

WEIGHTS = {"appearance_weight": 10.0, "smoothness_weight": 3.0}


def kernel(positions, *features):
    """A Gaussian over features already in standard deviations, with symmetric normalisation; N x N."""
    columns = np.concatenate([positions, *features])
    squared = ((columns[:, :, None] - columns[:, None, :]) ** 2).sum(0)
    matrix = np.exp(-0.5 * squared)
    scale = 1 / np.sqrt(matrix.sum(1))
    return matrix * scale[:, None] * scale


def pairwise(scan, spacing, p):
    """w1 Ka + w2 Ks."""
    channels, *extent = scan.shape
    grid = np.stack(np.meshgrid(*(np.arange(n) * s for n, s in zip(extent, spacing, strict=True)), indexing="ij"))
    grid = grid.reshape(3, -1)
    total = 0
    if p.appearance_weight:
        widths = np.broadcast_to(p.appearance_width, 3)[:, None]
        likeness = scan.reshape(channels, -1) / np.broadcast_to(p.intensity_width, channels)[:, None]
        total = total + p.appearance_weight * kernel(grid / widths, likeness)
    if p.smoothness_weight:
        widths = np.broadcast_to(p.smoothness_width, 3)[:, None]
        total = total + p.smoothness_weight * kernel(grid / widths)
    return total


def softmax(scores):
    powers = np.exp(scores - scores.max(0))
    return powers / powers.sum(0)


def exact_steps(chances, scan, spacing, p):
    """Q after each of the mean-field steps, and the free energy of each."""
    classes = len(chances)
    unary = -np.log(np.clip(chances, 1e-5, 1)).reshape(classes, -1)
    cost = 1 - np.eye(classes) if p.compatibility is None else np.array(p.compatibility)
    pairs = pairwise(scan, spacing, p)
    q = softmax(-unary)
    for _ in range(p.steps):
        q = softmax(-unary - cost @ (q @ pairs))
        yield q


def exact(chances, scan, spacing, p):
    for q in exact_steps(chances.astype(np.float64), scan.astype(np.float64), spacing, p):
        last = q
    return last.reshape(chances.shape)


def free_energy(q, chances, pairs):
    """What mean field makes small, for a Potts model; every pair once, a voxel with itself not."""
    q = np.clip(q.reshape(len(q), -1).astype(np.float64), 1e-30, 1)
    unary = -np.log(np.clip(chances, 1e-5, 1)).reshape(q.shape)
    others = pairs - np.diag(np.diag(pairs))
    agree = (q * (q @ others)).sum()
    return (q * unary).sum() + (q * np.log(q)).sum() + 0.5 * (others.sum() - agree)


def distance(ours, truth):
    a, b = np.clip(truth, 1e-12, 1), np.clip(ours.astype(np.float64), 1e-12, 1)
    return {
        "KL": (a * np.log(a / b)).sum(0).mean(),
        "mean": np.abs(ours - truth).mean(),
        "class": (ours.argmax(0) != truth.argmax(0)).mean(),
    }


def phantom(extent, classes=2, channels=1, seed=0):
    """Blobs of different grey, noise, and probabilities that are right about them more often than not."""
    rng = np.random.default_rng(seed)
    wide = [0 if n == 1 else n / 8 for n in extent]
    fields = np.stack([gaussian_filter(rng.standard_normal(extent), wide) for _ in range(classes)])
    truth = fields.argmax(0)
    colours = np.stack([rng.permutation(np.linspace(40, 215, classes)) for _ in range(channels)])
    scan = colours[:, truth] + rng.normal(0, 12, (channels, *extent))
    scores = 1.5 * (truth == np.arange(classes)[:, None, None, None]) + rng.normal(0, 1.2, (classes, *extent))
    return softmax(scores).astype(np.float32), scan


FLAT = (1, 40, 44)
THICK = (8, 14, 15)
GREY = [
    # extent, spacing, classes, ta, tb
    (FLAT, (1, 1, 1), 2, 80, 13),
    (FLAT, (1, 1, 1), 3, 80, 13),
    (FLAT, (1, 1, 1), 6, 80, 13),
    (FLAT, (1, 1, 1), 3, 10, 13),
    (FLAT, (1, 1, 1), 5, 4, 40),
    (FLAT, (1, 0.5, 2), 4, 10, 20),
    (THICK, (2, 1, 1), 3, 8, 20),
    (THICK, (5, 1, 1), 2, 6, 15),
    (THICK, (5, 1, 1), 3, (10, 4, 6), 15),
    (THICK, (1, 2, 3), 6, 20, 30),
]


@pytest.mark.parametrize(("extent", "spacing", "classes", "ta", "tb"), GREY)
def test_a_grey_scan_is_solved_as_by_the_definition(extent, spacing, classes, ta, tb):
    chances, scan = phantom(extent, classes, seed=classes)
    p = CrfParameters(appearance_width=ta, intensity_width=tb, **WEIGHTS)
    apart = distance(dense_crf(chances, scan, spacing, p).probabilities, exact(chances, scan, spacing, p))
    assert apart["KL"] < 6e-4
    assert apart["mean"] < 2e-3
    assert apart["class"] < 5e-3


COLOUR = [
    # extent, classes, channels, ta, tb
    (FLAT, 2, 2, 80, 20),
    (FLAT, 3, 3, 20, 20),
    (FLAT, 5, 3, 10, 40),
    (FLAT, 3, 4, 80, 40),
    (THICK, 2, 2, 8, (30.0, 15.0)),
    (THICK, 4, 3, 20, 40),
]


@pytest.mark.parametrize(("extent", "classes", "channels", "ta", "tb"), COLOUR)
def test_a_scan_of_several_channels_is_solved_as_by_the_definition(extent, classes, channels, ta, tb):
    chances, scan = phantom(extent, classes, channels, seed=channels)
    p = CrfParameters(appearance_width=ta, intensity_width=tb, **WEIGHTS)
    apart = distance(dense_crf(chances, scan, (2, 1, 1), p).probabilities, exact(chances, scan, (2, 1, 1), p))
    assert apart["KL"] < 2e-3
    assert apart["mean"] < 2e-3
    assert apart["class"] < 5e-3


def test_twenty_random_pictures_agree_on_all_but_a_few_voxels():
    apart = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        extent = (1, 30, 30) if seed % 2 else (6, 11, 12)
        spacing = tuple(rng.uniform(0.5, 3, 3))
        chances, scan = phantom(extent, int(rng.integers(2, 7)), int(rng.integers(1, 3)), seed)
        p = CrfParameters(
            appearance_width=float(rng.uniform(5, 40)), intensity_width=float(rng.uniform(15, 60)), **WEIGHTS
        )
        ours = dense_crf(chances, scan, spacing, p).probabilities
        apart.append(distance(ours, exact(chances, scan, spacing, p)))
    assert np.mean([each["class"] for each in apart]) < 1e-3
    assert np.median([each["KL"] for each in apart]) < 5e-5


def test_a_full_compatibility_matrix_is_obeyed():
    chances, scan = phantom(FLAT, 4)
    cost = ((0, 1, 2, 0.5), (1, 0, 0.3, 1), (2, 0.3, 0, 1), (0.5, 1, 1, 0))
    p = CrfParameters(3.0, 20.0, 20.0, 1.0, 2.0, compatibility=cost)
    ours = dense_crf(chances, scan, parameters=p).probabilities
    assert distance(ours, exact(chances, scan, (1, 1, 1), p))["KL"] < 1e-4
    potts = dense_crf(chances, scan, parameters=CrfParameters(3.0, 20.0, 20.0, 1.0, 2.0)).probabilities
    assert np.abs(ours - potts).max() > 0.1


@pytest.mark.parametrize(("extent", "spacing"), [(FLAT, (1, 1, 1)), (THICK, (2.5, 1, 1))])
def test_the_smoothness_kernel_alone_is_exact(extent, spacing):
    chances, scan = phantom(extent, 3)
    p = CrfParameters(appearance_weight=0, smoothness_width=(4.0, 3.0, 2.0))
    ours = dense_crf(chances, scan, spacing, p).probabilities
    assert np.abs(ours - exact(chances, scan, spacing, p)).max() < 3e-5


def test_without_kernels_the_probabilities_come_back():
    chances, scan = phantom(FLAT, 3)
    p = CrfParameters(appearance_weight=0, smoothness_weight=0)
    assert np.abs(dense_crf(chances, scan, parameters=p).probabilities - chances).max() < 2e-7


@pytest.mark.parametrize("extent", [FLAT, THICK])
def test_no_step_raises_the_free_energy(extent):
    # A parallel update may swing when the kernels are strong; with these it is known to converge.
    chances, scan = phantom(extent, 3)
    chosen = {"appearance_width": 10.0, "intensity_width": 20.0, "appearance_weight": 1.0, "smoothness_weight": 0.5}
    pairs = pairwise(scan, (1, 1, 1), CrfParameters(**chosen))
    energies = []
    for steps in range(8):
        p = CrfParameters(**chosen, steps=steps)
        energies.append(free_energy(dense_crf(chances, scan, parameters=p).probabilities, chances, pairs))
    falls = -np.diff(energies)
    assert falls[0] > 1
    assert falls.min() > -1e-3 * abs(energies[0])
