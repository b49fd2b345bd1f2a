"""Train one peer: ``python -m benchmarks.quality.peers WHICH FOLDER SEED SECONDS ...``.

FOLDER holds what is given. Whenever one of the times is over, the scans are predicted, and a line says, in JSON, which
time that was, where the masks lie, the seconds of processor and clock that training took, and how it went.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch

from benchmarks.quality.peers.given import Given, Learner

LEARNERS = {
    "basic_unet": ("benchmarks.quality.peers.basic_unet", "BasicUNetLearner"),
    "resnet_unet": ("benchmarks.quality.peers.resnet_unet", "ResNetLearner"),
    "nnunet": ("benchmarks.quality.peers.nnunet", "NNUNetLearner"),
}


def predict(learner: Learner, given: Given, folder: Path) -> None:
    """Predict all scans; in bf16, because that is faster, and this time does not count."""
    folder.mkdir()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for number, scan in enumerate(given.scored):
            np.save(folder / f"{number:03}.npy", learner.predict(scan))


def main() -> None:
    """Train, and predict now and then."""
    which, folder, seed, *limits = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the peers print is no answer
    torch.set_num_threads(1)
    given = Given.read(Path(folder))
    module, name = LEARNERS[which]
    kind: type[Learner] = getattr(importlib.import_module(module), name)
    learner = None
    for limit in sorted(map(float, limits)):
        if learner is None or kind.one_limit:
            learner, cpu, wall = kind(given, int(seed)), 0.0, 0.0
            losses: list[float] = []
        while cpu < limit:
            cpu_then, then = process_time(), perf_counter()
            losses.append(learner.step(cpu / limit))
            cpu, wall = cpu + process_time() - cpu_then, wall + perf_counter() - then
        masks = Path(folder) / f"masks{limit:g}"
        predict(learner, given, masks)
        few = max(1, len(losses) // 10)
        course = f"{len(losses)} steps, loss {np.mean(losses[:few]):.3f} to {np.mean(losses[-few:]):.3f}"
        told = {"seconds": limit, "masks": str(masks), "cpu": cpu, "wall": wall, "course": course}
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    main()
