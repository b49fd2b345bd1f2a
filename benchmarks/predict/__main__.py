"""How much of the network's own speed a prediction keeps: ``python -m benchmarks.predict``.

On a phantom of 512 x 512 x 20: bare passes of the plain network (fp32, as PyTorch runs it) and of the folded
network in the number format chosen here, against the whole job with reading, normalising and writing. All take
turns within one run; medians of the rounds are given. A network with instance normalisation looks through overlapping
windows as large as its patches, and so passes over most voxels more than once.
"""

import argparse
from collections.abc import Callable
from itertools import product
from statistics import median
from time import perf_counter

import numpy as np
import torch

from napari_unet.annotation import BACKGROUND_CLASS, new_class
from napari_unet.config import NetworkConfig, Normaliser, PredictConfig, TrainConfig
from napari_unet.events import result_of
from napari_unet.inference.engine import Engine
from napari_unet.inference.prediction import predict_job
from napari_unet.model_file import LearnedFrom, Model, ModelDescription
from napari_unet.networks import build, load_weights, weights_of
from napari_unet.normalisation import measure, normalise
from napari_unet.scan import Scan


def phantom(slices: int, side: int) -> Scan:
    rng = np.random.default_rng(0)
    return Scan.from_array(rng.normal(40, 200, (slices, side, side)).astype(np.int16), name="phantom")


def random_model(scan: Scan, width: int, normalisation: Normaliser) -> Model:
    network = NetworkConfig(width=width, normalisation=normalisation)
    description = ModelDescription(
        program="benchmark",
        network=network,
        channel_names=scan.channel_names,
        classes=(BACKGROUND_CLASS, new_class(1), new_class(2)),
        spacing=scan.spacing,
        unit=scan.unit,
        normalisation=measure(scan),
        training=TrainConfig(network=network),
        learned_from=LearnedFrom(scans=1, slices=1, voxels={}, steps=1, seconds=1.0),
    )
    return Model(description, weights_of(build(network, scan.channels, 3)))


def contestants(model: Model, scan: Scan, config: PredictConfig) -> dict[str, Callable[[], object]]:
    engine = Engine([model], config)
    plain = build(model.description.network, scan.channels, len(model.description.classes)).eval()
    load_weights(plain, model.weights)
    plain.to(engine.compute.device)
    slices = [normalise(scan, measure(scan), slice(z, z + 1))[None] for z in range(scan.grid[0])]

    @torch.inference_mode()
    def plain_passes() -> None:
        for one in slices:
            plain(torch.from_numpy(one[:, :, 0]).to(engine.compute.device)).argmax(1).cpu()

    def engine_passes() -> None:
        for one in slices:
            engine.logits(one).argmax(1).cpu()

    return {
        "plain network, fp32": plain_passes,
        f"bare passes, {engine.compute.sentence}": engine_passes,
        "predict_job": lambda: result_of(predict_job(model, scan, config)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--normalisations", type=Normaliser, nargs="+", default=[Normaliser.INSTANCE, Normaliser.BATCH])
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()

    scan, config = phantom(options.slices, options.side), PredictConfig(threads=options.threads)
    print("| width | normalisation | what | s | voxels/s |\n|---|---|---|---|---|")
    for width, normalisation in product(options.widths, options.normalisations):
        runs = contestants(random_model(scan, width, normalisation), scan, config)
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(options.rounds):
            for name, run in runs.items():
                begun = perf_counter()
                run()
                seconds[name].append(perf_counter() - begun)
        for name, times in seconds.items():
            speed = np.prod(scan.grid) / median(times)
            print(f"| {width} | {normalisation} | {name} | {median(times):.2f} | {speed:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
