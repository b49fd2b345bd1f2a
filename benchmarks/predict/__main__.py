"""Prediction beside MONAI and nnU-Net: ``python -m benchmarks.predict [--write]``.

The same weights and scan, in turn within one run, medians of the rounds: MONAI's ``sliding_window_inference`` (its
defaults: overlap 0.25), nnU-Net v2's predictor (its defaults, without mirroring), bare passes of the network over the
uncut scan, in fp32 as PyTorch runs it and as this package runs it, and the whole job with normalising and writing.
The peers get the scan normalised already, and look through windows of the size of the patches that the network learned
from, as both do, or larger ones, which spare them work: for the picture of 1024 x 1024, and in 3-D. Dice is the mean of
the classes to fp32 without cutting. The networks are trained for a moment on the phantom that they predict, so that
their answers are not all doubt.

--peak measures the memory of a scan of 512 x 512 x 400 with 8 classes, --zarr that of 2048 x 2048 x 512 voxels in Zarr
by the command line with a narrow network, each in a process of its own. --compile tells instead what PyTorch's
compiler costs and saves. The peers are installed on first use, into .venv-peers.
"""

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.peers import ROOT, peers_python
from benchmarks.predict.cases import CLASSES, Case, case, on_another
from benchmarks.predict.compiled import compiling
from benchmarks.predict.memory import big_zarr, peak
from napari_unet.config import Precision, PredictConfig
from napari_unet.events import result_of
from napari_unet.inference.engine import Engine
from napari_unet.inference.prediction import predict_job
from napari_unet.networks import build, load_weights
from napari_unet.networks.memory import memory_kept
from napari_unet.normalisation import measure, normalise

HERE = Path(__file__).parent
PLAIN, BARE, OURS, MONAI, NNUNET = "bare passes, fp32", "bare passes, ours", "this package", "MONAI", "nnU-Net"


class Peers:
    """MONAI and nnU-Net in a process of their own."""

    def __init__(self, folder: Path, threads: int) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [str(peers_python()), str(HERE / "peer.py"), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def take(self, case: Case) -> None:
        """Hand over a case."""
        np.save(self._folder / "scan.npy", normalise(case.scan, measure(case.scan)))
        np.savez(self._folder / "weights.npz", **case.model.weights)
        network = case.model.description.network.model_dump(mode="json")
        about = {"patch": case.patch, "classes": len(case.model.description.classes), "network": network}
        (self._folder / "case.json").write_text(json.dumps(about))
        self._ask(f"case {self._folder}")

    def predict(self, who: str) -> tuple[float, NDArray[np.uint8]]:
        """Give the seconds it took, and the labels."""
        return float(self._ask(who)), np.load(self._folder / "labels.npy")

    def _ask(self, line: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f'the peers ended at "{line}"')
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def contestants(case: Case, peers: Peers, threads: int) -> dict[str, Callable[[], tuple[float, Any]]]:
    """Give what is compared: each runs once, and gives the seconds it took and the labels, 0, 1, ..."""
    config = PredictConfig(threads=threads)
    engine = Engine([case.model], config)
    flat = engine.flat
    network = build(case.model.description.network, 1, len(case.model.description.classes)).eval()
    load_weights(network, case.model.weights)
    seen = normalise(case.scan, measure(case.scan))
    pieces = [seen[None, :, z : z + 1] for z in range(seen.shape[1])] if flat else [seen[None]]

    @torch.inference_mode()
    def plain() -> Any:
        of = [network(torch.from_numpy(one[:, :, 0] if flat else one)).argmax(1).byte() for one in pieces]
        return torch.cat(of).reshape(case.scan.grid).numpy()

    def bare() -> Any:
        with memory_kept():
            return torch.cat([engine.logits(one).argmax(1).byte() for one in pieces]).reshape(case.scan.grid).numpy()

    def timed(run: Callable[[], Any]) -> Callable[[], tuple[float, Any]]:
        def once() -> tuple[float, Any]:
            with memory_kept():
                pass  # at its end what others left lies with the system again: all begin alike
            begun = perf_counter()
            labels = run()
            return perf_counter() - begun, labels

        return once

    return {
        PLAIN: timed(plain),
        BARE: timed(bare),
        OURS: timed(lambda: result_of(predict_job(case.model, case.scan, config)).labels),
        MONAI: lambda: peers.predict("monai"),
        NNUNET: lambda: peers.predict("nnunet"),
    }


def compare(case: Case, peers: Peers, rounds: int, threads: int) -> list[str]:
    """Let them take turns; give the rows of a table."""
    peers.take(case)
    seconds: dict[str, list[float]] = {}
    labels: dict[str, Any] = {}
    runs = contestants(case, peers, threads)
    for _ in range(rounds):
        for who, run in runs.items():
            took, labels[who] = run()
            seconds.setdefault(who, []).append(took)
    ours, voxels = median(seconds[OURS]), np.prod(case.scan.grid)
    return [
        f"| {case.name} | {who} | {median(times):.2f} | {voxels / median(times):,.0f} | {median(times) / ours:.2f} x | "
        f"{dice(labels[who], labels[PLAIN]):.4f} |"
        for who, times in seconds.items()
    ]


def dice(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    each = [
        2 * np.sum((one == c) & (other == c)) / np.sum((one == c).astype(int) + (other == c))
        for c in range(1, CLASSES + 1)
    ]
    return float(np.mean(each))


def machine(threads: int) -> str:
    name = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.exists():
        names = [line.split(":")[1].strip() for line in about.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    return (
        f"{name}, {os.cpu_count()} cores, {threads} threads; Python {platform.python_version()}, "
        f"torch {torch.__version__}. Load average during the run {os.getloadavg()[0]:.1f}; above the number of "
        "threads, other work held it back."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--slices", type=int, default=8, help="of 512 x 512 in 2-D; a quarter as many of 1024 x 1024")
    parser.add_argument("--volume", type=int, nargs=3, default=(64, 256, 256), help="for the 3-D network")
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0, help="of training")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--peak", type=int, default=400, metavar="SLICES", help="of the scan for the memory; 0 for none"
    )
    parser.add_argument("--zarr", type=int, default=512, metavar="SLICES", help="of the Zarr; 0 for none")
    parser.add_argument("--compile", action="store_true", help="only measure PyTorch's compiler")
    parser.add_argument("--write", action="store_true", help="write benchmarks/predict/RESULTS.md")
    options = parser.parse_args()

    flat = case(2, options.width, options.depth, (options.slices, 512, 512), options.seconds, options.threads)
    deep = case(3, options.width // 2, options.depth, tuple(options.volume), options.seconds, options.threads)
    if options.compile:
        for of, precision in product((flat, deep), (Precision.BF16, Precision.FP32)):
            print(compiling(of, precision, options.threads), flush=True)
        return
    wide = on_another(flat, (max(1, options.slices // 4), 1024, 1024), (512, 512))
    lines = ["| scan and network | | s | voxels/s | time, of ours | Dice |", "|---|---|---|---|---|---|"]
    print("\n".join(lines))
    with TemporaryDirectory() as folder:
        peers = Peers(Path(folder), options.threads)
        for made in (flat, wide, deep):
            lines += compare(made, peers, options.rounds, options.threads)
            print("\n".join(lines[-5:]), flush=True)
        peers.close()
    for slices, of in ((options.peak, peak), (options.zarr, big_zarr)):
        if slices:
            lines += ["", of(slices, options.threads)]
            print(lines[-1], flush=True)
    if options.write:
        told = "Made by `python -m benchmarks.predict --write`; what is compared is told there."
        written = ["# Prediction", "", told, "", machine(options.threads), "", *lines, ""]
        (HERE / "RESULTS.md").write_text("\n".join(written))


if __name__ == "__main__":
    main()
