"""pydensecrf2 in its own environment: ``python peer.py`` answers each line "IN OUT" with wall and CPU seconds.

IN is an .npz of ``chances`` (C, ...), ``picture`` (..., channels) uint8, ``ta``, ``tb``, ``tg``, ``w1``, ``w2`` and
``steps``; OUT is where Q goes. It knows nothing of this repository: it runs where that is not installed.
"""

import sys
from time import perf_counter, process_time

import numpy as np
from pydensecrf.densecrf import DenseCRF
from pydensecrf.utils import create_pairwise_bilateral, create_pairwise_gaussian


def solve(chances, picture, ta, tb, tg, w1, w2, steps):
    extent = chances.shape[1:]
    crf = DenseCRF(picture[..., 0].size, len(chances))
    unary = -np.log(np.clip(chances, 1e-5, 1))
    crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(len(chances), -1), np.float32))
    axes = len(extent)
    colour = create_pairwise_bilateral((ta,) * axes, (tb,) * picture.shape[-1], picture, chdim=axes)
    crf.addPairwiseEnergy(colour, compat=w1)
    crf.addPairwiseEnergy(create_pairwise_gaussian((tg,) * axes, extent), compat=w2)
    return np.array(crf.inference(steps)).reshape(chances.shape)


for line in sys.stdin:
    source, target = line.split()
    given = np.load(source)
    values = {name: given[name] if given[name].ndim else given[name].item() for name in given.files}
    wall, cpu = perf_counter(), process_time()
    q = solve(**values)
    wall, cpu = perf_counter() - wall, process_time() - cpu
    np.save(target, q)
    print(wall, cpu, flush=True)
