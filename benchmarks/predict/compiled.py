"""What PyTorch's compiler costs and saves."""

from statistics import median
from time import perf_counter

import torch

from benchmarks.predict.cases import Case
from napari_unet.config import Precision, PredictConfig
from napari_unet.inference.compiling import compiled
from napari_unet.networks import build, channels_last, choose, fold_batch_norm, load_weights
from napari_unet.networks.memory import memory_kept

ROUNDS = 7


def compiling(case: Case, precision: Precision, threads: int) -> str:
    """Tell it of the pass of a slice, or of a piece of a volume, of noise: what is in it does not matter."""
    described, dtype = case.model.description, choose(PredictConfig(threads=threads, precision=precision)).dtype
    network = build(described.network, 1, len(described.classes))
    load_weights(network, case.model.weights)
    module = channels_last(fold_batch_norm(network).to(dtype=dtype))
    sides = case.scan.grid[-described.network.dimensions :]
    noise = torch.rand(1, 1, *sides)
    x = torch.empty_like(noise, memory_format=torch.channels_last if noise.ndim == 4 else torch.channels_last_3d)
    x.copy_(noise)
    with memory_kept(), torch.inference_mode():
        begun = perf_counter()
        run = compiled(module, x)
        cost = perf_counter() - begun
        plain, fast = [], []
        for _ in range(ROUNDS):
            for one, times in ((module, plain), (run, fast)):
                begun = perf_counter()
                one(x)
                times.append(perf_counter() - begun)
        alike = (run(x).argmax(1) == module(x).argmax(1)).float().mean()
    saved = 1 - median(fast) / median(plain)
    seen = " x ".join(map(str, sides))
    return (
        f"{seen}, width {described.network.width}, {precision}: {median(plain):.3f} s, compiled {median(fast):.3f} s, "
        f"{saved:.1%} saved; compiling took {cost:.0f} s; {alike:.2%} of the voxels alike."
    )
