"""The innermost loops: over the voxels of a row, or over neighbouring floats."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.compiled import compiled
from napari_unet.refinement.crf.layout import FREE, Floats


@compiled
def add(source: NDArray[Any], factor: float | np.float32, out: Floats) -> None:
    """Do ``out`` += ``factor * source``."""
    for i in range(len(out)):
        out[i] += factor * np.float32(source[i])


@compiled
def multiply(a: Floats, b: Floats, out: Floats) -> None:
    """Do ``out`` = ``a * b``."""
    for i in range(len(out)):
        out[i] = a[i] * b[i]


@compiled
def blur_line(line: Floats, taps: Floats, out: Floats) -> None:
    """Blur a line that is padded by zeros on both sides; ``taps`` are symmetric."""
    reach = len(taps) // 2
    n = len(out)
    for i in range(n):
        out[i] = taps[reach] * line[reach + i]
    for t in range(reach):
        left, right, tap = line[t : t + n], line[2 * reach - t : 2 * reach - t + n], taps[t]
        for i in range(n):
            out[i] += tap * (left[i] + right[i])


@compiled
def blur_block(source: Floats, taps: Floats, begin: int, end: int, out: Floats) -> None:
    """Blur (n, B) along its first axis, its rows ``begin`` to ``end``, all of them at once for each tap."""
    reach = len(taps) // 2
    out[: end - begin] = np.float32(0)
    for t in range(2 * reach + 1):
        ahead = t - reach
        low, high = max(begin, -ahead), min(end, source.shape[0] - ahead)
        if low < high:
            add(source[low + ahead : high + ahead].reshape(-1), taps[t], out[low - begin : high - begin].reshape(-1))


@compiled
def combine_classes(chances: Floats, differences: Floats, out: Floats) -> None:
    """Make the channels that are filtered of a row of Q."""
    for c in range(len(differences)):
        row = out[c]
        row[:] = np.float32(0)
        for other in range(len(chances)):
            if differences[c, other] != 0:
                add(chances[other], differences[c, other], row)


@compiled
def softmax(chances: Floats, k: int, y: int, scores: Floats) -> None:
    """Make ``scores`` (C, X) probabilities: softmax(log(chances) + scores), without a logarithm."""
    classes, width = scores.shape
    highest, total = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for c in range(classes):
        score = scores[c]
        for x in range(width):
            highest[x] = max(highest[x], score[x])
    for c in range(classes):
        score, chance = scores[c], chances[c, k, y]
        for x in range(width):
            value = max(chance[x], np.float32(1e-5)) * exponential(score[x] - highest[x])
            score[x] = value
            total[x] += value
    for x in range(width):
        total[x] = np.float32(1) / total[x]
    for c in range(classes):
        score = scores[c]
        for x in range(width):
            score[x] *= total[x]


@compiled
def exponential(x: Any) -> Any:
    """Exponential of x <= 0 to 1e-7: 2^whole by its bits, 2^rest by a polynomial; a compiler can vectorise it."""
    t = max(x, np.float32(-86)) * np.float32(1.4426950408889634)
    whole = np.int32(t)
    rest = t - np.float32(whole)
    power = np.float32(0.0009475536455095322)
    power = power * rest + np.float32(0.009210875560689884)
    power = power * rest + np.float32(0.055299607117316935)
    power = power * rest + np.float32(0.2401794894888172)
    power = power * rest + np.float32(0.6931432016425463)
    power = power * rest + np.float32(0.9999999452374333)
    return power * np.int32((whole + np.int32(127)) << np.int32(23)).view(np.float32)


@compiled
def fix_classes(fixed: NDArray[np.uint8], k: int, y: int, chances: Floats) -> None:
    """Make fixed voxels certain; there are none when ``fixed`` is empty."""
    if not fixed.size:
        return
    for x in range(fixed.shape[2]):
        label = fixed[k, y, x]
        if label != FREE:
            for c in range(chances.shape[0]):
                chances[c, x] = np.float32(1) if c == label else np.float32(0)


@compiled
def choose_class(chances: Floats, labels: NDArray[np.uint8]) -> None:
    """Give each voxel the class of the highest probability, on a tie the first."""
    highest = chances[0].copy()
    labels[:] = np.uint8(0)
    for c in range(1, chances.shape[0]):
        for x in range(len(labels)):
            if chances[c, x] > highest[x]:
                highest[x] = chances[c, x]
                labels[x] = np.uint8(c)


@compiled
def round_to(values: Floats, unit: float, out: NDArray[np.int16]) -> None:
    """Do ``out`` = ``values / unit``, rounded."""
    scale = np.float32(1 / unit)
    for i in range(len(out)):
        # A conversion cuts off, so it is done on positive numbers.
        out[i] = np.int16(np.int32(values[i] * scale + np.float32(32768.5)) - np.int32(32768))


@compiled
def keep_row(chances: Floats, k: int, y: int, labels: NDArray[np.uint8], result: Floats) -> None:
    """Write a row of Q where it is wanted: as labels, as such."""
    if labels.size:
        choose_class(chances, labels[k, y])
    if result.size:
        for c in range(len(chances)):
            result[c, k, y] = chances[c]
