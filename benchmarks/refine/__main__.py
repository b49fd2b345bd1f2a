"""The dense CRF beside pydensecrf2: ``python -m benchmarks.refine [--data FOLDER] [--write]``.

The same pictures and parameters, five steps, set-up included, from probabilities in memory to probabilities in memory,
the two in turn within one run; medians of the turns. pydensecrf2 uses one thread. On one thread processor seconds
are compared, which a busy machine changes little; on two threads seconds by the clock. A turn lasts half a second
and gives the median of its runs: a virtual processor that slept takes longer to wake than a small picture to solve.

Accuracy is the mean of KL(exact || each) on three small crops of the same pictures, the exact result computed pair by
pair. The pictures are scikit-image's camera (grey) and immunohistochemistry (RGB), 512 x 512, and a phantom of
64 x 128 x 128, or with --data the first NIfTI or NRRD scan in that folder which is as large.

pydensecrf2 1.1 is built on first use, into .venv-peers; this takes a C++ compiler and a minute.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_unet.refinement.crf import CrfParameters, dense_crf

HERE = Path(__file__).parent
PEERS = HERE.parent.parent / ".venv-peers"
STEPS = 5
TURN = 0.5
"""Seconds."""
T = TypeVar("T")
# The least that is asked for: on one thread, on two.
ASKED = {
    ("grey", 2): (4, 8),
    ("grey", 5): (2, 4),
    ("RGB", 2): (1, 2),
    ("RGB", 5): (1, 2),
    ("volume", 2): (3.5, 6),
    ("volume", 5): (1.5, 3),
}


@dataclass(frozen=True)
class Case:
    """A picture, what a network might say of it, and crops that the exact result can be computed of.

    ``picture`` is (..., channels) uint8, ``chances`` (C, ...) float32 with voxel sides of 1.
    """

    name: str
    picture: NDArray[np.uint8]
    chances: NDArray[np.float32]
    parameters: CrfParameters
    crops: tuple[tuple[slice, ...], ...] = ()

    def solve(self, threads: int) -> NDArray[Any]:
        """Give Q as this package finds it."""
        flat = self.chances.ndim == 3
        chances = self.chances[:, None] if flat else self.chances
        scan = np.moveaxis(self.picture, -1, 0)
        q = dense_crf(chances, scan[:, None] if flat else scan, parameters=self.parameters, threads=threads)
        assert q.probabilities is not None
        return q.probabilities.reshape(self.chances.shape)

    def cropped(self) -> "Iterator[Case]":
        """Give the same of each crop."""
        for crop in self.crops:
            chances = np.ascontiguousarray(self.chances[(slice(None), *crop)])
            yield replace(self, picture=np.ascontiguousarray(self.picture[crop]), chances=chances)

    def exact(self) -> NDArray[np.float64]:
        """Mean field pair by pair."""
        p, classes = self.parameters, len(self.chances)
        extent = self.chances.shape[1:]
        positions = np.indices(extent).reshape(len(extent), -1).astype(np.float64)
        colours = self.picture.reshape(-1, self.picture.shape[-1]).T.astype(np.float64)
        near = np.concatenate([positions / p.appearance_width, colours / p.intensity_width])
        pairs = p.appearance_weight * normalised(near) + p.smoothness_weight * normalised(
            positions / p.smoothness_width
        )
        unary = -np.log(np.clip(self.chances, 1e-5, 1)).reshape(classes, -1).astype(np.float64)
        q = softmax(-unary)
        for _ in range(p.steps):
            q = softmax(-unary + q @ pairs)
        return q.reshape(self.chances.shape)


def normalised(features: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (features**2).sum(0)
    kernel = features.T @ features - squares / 2 - squares[:, None] / 2
    np.exp(np.minimum(kernel, 0), out=kernel)
    scale = 1 / np.sqrt(kernel.sum(1))
    kernel *= scale
    kernel *= scale[:, None]
    return kernel


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(0))
    return powers / powers.sum(0)


def divergence(exact: NDArray[Any], ours: NDArray[Any]) -> float:
    a, b = np.clip(exact, 1e-12, 1), np.clip(ours.astype(np.float64), 1e-12, 1)
    return float((a * np.log(a / b)).sum(0).mean())


def opinions(picture: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    """Make probabilities that follow the picture's grey, blurred and often wrong."""
    rng = np.random.default_rng(0)
    grey = gaussian_filter(picture.mean(-1), 2)
    truth = np.digitize(grey, np.quantile(grey, np.arange(1, classes) / classes))
    noise = np.stack([gaussian_filter(rng.standard_normal(grey.shape), 3) for _ in range(classes)])
    noise /= noise.std()
    scores = 2.0 * (truth == np.arange(classes).reshape(-1, *(1,) * grey.ndim)) + 1.5 * noise
    return softmax(scores).astype(np.float32)


def volume(folder: Path | None) -> tuple[str, NDArray[np.uint8]]:
    extent = (64, 128, 128)
    if folder:
        import SimpleITK as sitk

        for path in sorted(each for kind in ("*.nii*", "*.nrrd") for each in folder.rglob(kind)):
            scan = sitk.GetArrayFromImage(sitk.ReadImage(path))
            if scan.ndim == 3 and len(np.unique(scan)) > 100 and all(np.array(scan.shape) >= extent):
                middle = tuple(slice((n - m) // 2, (n + m) // 2) for n, m in zip(scan.shape, extent, strict=True))
                low, high = np.percentile(scan[middle], [0.5, 99.5])
                return path.name, np.uint8(np.clip((scan[middle] - low) / (high - low), 0, 1) * 255)
        raise SystemExit(f"no NIfTI or NRRD scan of {extent} voxels or more in {folder}")
    rng = np.random.default_rng(0)
    shapes = gaussian_filter(rng.standard_normal(extent), 5)
    levels = np.digitize(shapes, np.quantile(shapes, [0.2, 0.4, 0.6, 0.8]))
    return "phantom", np.uint8(np.clip(gaussian_filter(40.0 + 40 * levels, 1) + rng.normal(0, 8, extent), 0, 255))


def cases(folder: Path | None) -> Iterator[Case]:
    flat = CrfParameters(steps=STEPS)
    deep = replace(flat, appearance_width=20.0, intensity_width=10.0)
    name, grey_volume = volume(folder)
    pictures = {
        "grey": (data.camera()[..., None], flat, (1, 64, 64)),
        "RGB": (data.immunohistochemistry(), flat, (1, 64, 64)),
        "volume": (grey_volume[..., None], deep, (14, 16, 16)),
    }
    print(f"volume: {name}")
    for kind, (picture, parameters, side) in pictures.items():
        extent = picture.shape[:-1]
        crops = tuple(
            tuple(slice(int(at * n), int(at * n) + m) for n, m in zip(extent, side[-len(extent) :], strict=True))
            for at in (0.2, 0.4, 0.6)
        )
        for classes in (2, 5):
            yield Case(kind, picture, opinions(picture, classes), parameters, crops)


class Peer:
    """pydensecrf2 in a process of its own."""

    def __init__(self, folder: Path) -> None:
        python = PEERS / "bin" / "python"
        if not (PEERS / "installed").exists():
            print("building pydensecrf2 ...")
            subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-qq", "numpy", "pydensecrf2==1.1"], check=True)
            (PEERS / "installed").touch()
        self._folder = folder
        self._process = subprocess.Popen(
            [str(python), str(HERE / "peer.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def solve(self, case: Case) -> tuple[float, float, NDArray[Any]]:
        """Give wall seconds, processor seconds and Q."""
        p = case.parameters
        source, target = self._folder / "given.npz", self._folder / "q.npy"
        weights = {"w1": p.appearance_weight, "w2": p.smoothness_weight, "steps": p.steps}
        widths = {"ta": p.appearance_width, "tb": p.intensity_width, "tg": p.smoothness_width}
        np.savez(source, chances=case.chances, picture=case.picture, **widths, **weights)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{source} {target}\n")
        self._process.stdin.flush()
        wall, cpu = self._process.stdout.readline().split()
        return float(wall), float(cpu), np.load(target)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def turn(measure: Callable[[], T]) -> list[T]:
    """Measure again and again for a while."""
    begun, found = perf_counter(), [measure()]
    while perf_counter() - begun < TURN:
        found.append(measure())
    return found


def timed(case: Case, threads: int, clock: Callable[[], float]) -> float:
    begin = clock()
    case.solve(threads)
    return clock() - begin


def compare(case: Case, peer: Peer, rounds: int) -> str:
    apart = []
    for small in case.cropped():
        exact = small.exact()
        apart.append((divergence(exact, peer.solve(small)[2]), divergence(exact, small.solve(1))))
    peer_apart, ours_apart = np.mean(apart, axis=0)
    case.solve(1)
    one, two, theirs_cpu, theirs_wall = [], [], [], []
    for _ in range(rounds):
        for threads, seconds, clock in ((1, one, process_time), (2, two, perf_counter)):
            seconds.append(median(turn(lambda threads=threads, clock=clock: timed(case, threads, clock))))
            walls, cpus = zip(*turn(lambda: peer.solve(case)[:2]), strict=True)
            theirs_wall.append(median(walls))
            theirs_cpu.append(median(cpus))
    classes = len(case.chances)
    ratio_one, ratio_two = median(theirs_cpu) / median(one), median(theirs_wall) / median(two)
    asked_one, asked_two = ASKED[case.name, classes]
    extent = " x ".join(map(str, case.chances.shape[1:]))
    return (
        f"| {case.name} {extent} | {classes} | {median(theirs_cpu):.3f} | {median(one):.3f} | "
        f"{ratio_one:.1f} x (>= {asked_one}) | {median(theirs_wall):.3f} | {median(two):.3f} | "
        f"{ratio_two:.1f} x (>= {asked_two}) | {peer_apart:.1e} | {ours_apart:.1e} |"
    )


def machine() -> str:
    name = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.exists():
        names = [line.split(":")[1].strip() for line in about.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    versions = ", ".join(f"{package} {version(package)}" for package in ("numba", "numpy", "scikit-image"))
    return (
        f"{name}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}. Load average during the run "
        f"{os.getloadavg()[0]:.1f}; above 2, other work held back what takes two threads."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with a scan to take instead of the phantom")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true", help="write benchmarks/refine/RESULTS.md")
    options = parser.parse_args()
    head = [
        "| picture | classes | pydensecrf2, CPU s | ours, 1 thread, CPU s | ratio | pydensecrf2, s | ours, 2 threads, "
        "s | ratio | KL pydensecrf2 | KL ours |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(head))
    with TemporaryDirectory() as folder:
        peer = Peer(Path(folder))
        rows = []
        for case in cases(options.data):
            rows.append(compare(case, peer, options.rounds))
            print(rows[-1], flush=True)
        peer.close()
    if options.write:
        lines = [
            "# Dense CRF",
            "",
            "Made by `python -m benchmarks.refine --write`; what is compared is told there.",
            "",
        ]
        lines += [machine(), "", *head, *rows, ""]
        (HERE / "RESULTS.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
