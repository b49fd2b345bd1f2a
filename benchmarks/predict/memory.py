"""How much memory a prediction takes at most, in a process of its own, as Linux tells it."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_unet.annotation import BACKGROUND_CLASS, new_class
from napari_unet.config import NetworkConfig, TrainConfig
from napari_unet.model_file import LearnedFrom, Model, ModelDescription
from napari_unet.networks import build, weights_of
from napari_unet.normalisation import Normalisation

# Not ru_maxrss, which a process takes over from the one that started it.
MOST = """
def most():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
"""
PREDICT = f"""{MOST}
import json, sys
import numpy as np
import napari_unet as nu

model, slices, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
scan = np.empty((slices, 512, 512), np.int16)
rng = np.random.default_rng(0)
for z in range(slices):
    scan[z] = rng.normal(40, 200, scan.shape[1:])
labels = nu.predict(model, scan, nu.PredictConfig(threads=threads)).labels
print(json.dumps([most(), scan.nbytes, labels.nbytes]))
"""
COMMAND = f"""{MOST}
import json, sys
from napari_unet.cli import main

status = main(sys.argv[1:])
print(json.dumps([status, most()]))
"""


def untrained(width: int, depth: int, classes: int, path: Path) -> Path:
    """Write an untrained model: what it says does not matter here."""
    network = NetworkConfig(width=width, depth=depth, normalisation="batch")
    description = ModelDescription(
        program="benchmark",
        network=network,
        channel_names=("channel 0",),
        classes=(BACKGROUND_CLASS, *(new_class(label) for label in range(1, classes))),
        spacing=(1.0, 1.0, 1.0),
        unit="pixel",
        normalisation=(Normalisation(low=0, high=1, mean=0, std=1),),
        training=TrainConfig(network=network),
        learned_from=LearnedFrom(scans=1, slices=1, voxels={}, steps=1, seconds=1.0),
    )
    return Model(description, weights_of(build(network, 1, classes))).save(path)


def peak(slices: int, threads: int) -> str:
    """Tell the memory that a scan of 512 x 512 with 8 classes takes at most."""
    with TemporaryDirectory() as folder:
        model = untrained(16, 4, 8, Path(folder) / "model.unet")
        run = [sys.executable, "-c", PREDICT, str(model), str(slices), str(threads)]
        told = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    most, scan, labels = json.loads(told.splitlines()[-1])
    return (
        f"512 x 512 x {slices} with 8 classes, width 16: {most / 1e9:.2f} GB resident at most, of which "
        f"{(scan + labels) / 1e9:.2f} GB are scan and labels: {(most - scan - labels) / 1e9:.2f} GB more (<= 1.5)."
    )


def big_zarr(slices: int, threads: int) -> str:
    """Tell the memory that a Zarr of 2048 x 2048 takes at most, predicted by the command line into another."""
    import zarr

    with TemporaryDirectory() as folder:
        model = untrained(4, 2, 2, Path(folder) / "model.unet")
        source, target = Path(folder) / "scan.zarr", Path(folder) / "labels.zarr"
        shape = (slices, 2048, 2048)
        array = zarr.create_array(source, shape=shape, chunks=(min(64, slices), 256, 256), dtype="uint8")
        rng = np.random.default_rng(0)
        for first in range(0, slices, 64):
            array[first : first + 64] = rng.integers(0, 255, (min(64, slices - first), 2048, 2048), np.uint8)
        run = [sys.executable, "-c", COMMAND, "predict", str(model), str(source), "-o", str(target)]
        told = subprocess.run([*run, f"--threads={threads}"], check=True, capture_output=True, text=True).stdout
        status, most = json.loads(told.splitlines()[-1])
        assert status == 0
        assert zarr.open(target, mode="r")["0"].shape == shape
    return (
        f"2048 x 2048 x {slices} uint8 in Zarr, chunks of 64 x 256 x 256: {most / 1e9:.2f} GB resident at most (< 4)."
    )
