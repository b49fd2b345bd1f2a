"""How the weights follow the gradient: by which rule, how far at each step, and how far at most."""

from collections.abc import Iterable
from math import cos, pi

import torch
from torch.nn import Parameter

from napari_unet.config import Optimizer, Schedule, TrainConfig

MOMENTUM = 0.99
"""Of SGD, with Nesterov's look ahead: Isensee et al. 2021 (nnU-Net), doi:10.1038/s41592-020-01008-z."""
POWER = 0.9
"""Of the polynomial schedule: Chen et al. 2018 (DeepLab), doi:10.1109/TPAMI.2017.2699184; also nnU-Net."""
WARM_UP = 0.05
"""Share of a cosine schedule in which the learning rate rises."""
RISE = 0.3
"""Share of the one-cycle schedule in which it rises: Smith and Topin 2019, doi:10.1117/12.2520589."""
FIRST_PART = 1 / 25
"""Of the largest learning rate: where the one-cycle schedule starts."""
LAST_PART = FIRST_PART / 1e4
"""Of the largest learning rate: where the one-cycle schedule ends."""


def optimizer_of(config: TrainConfig, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
    """Make the optimiser that a config names."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer is Optimizer.SGD:
        return torch.optim.SGD(parameters, lr=rate, weight_decay=decay, momentum=MOMENTUM, nesterov=True, fused=True)
    kind = torch.optim.AdamW if config.optimizer is Optimizer.ADAMW else torch.optim.Adam
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)


def learning_rate(config: TrainConfig, fraction: float) -> float | None:
    """Give the learning rate of a step, or None when it does not depend on how far the training is.

    Parameters
    ----------
    config
        The schedule, and the learning rate that it starts from or rises to.
    fraction
        0..1, how far the training is.
    """
    largest = config.learning_rate
    if config.schedule is Schedule.COSINE:
        return largest * min(1.0, (fraction + 0.002) / WARM_UP) * 0.5 * (1 + cos(pi * fraction))
    if config.schedule is Schedule.POLYNOMIAL:
        return float(largest * (1 - fraction) ** POWER)
    if config.schedule is Schedule.ONE_CYCLE:
        if fraction < RISE:
            return largest * _between(FIRST_PART, 1.0, fraction / RISE)
        return largest * _between(1.0, LAST_PART, (fraction - RISE) / (1 - RISE))
    return None


def _between(first: float, last: float, way: float) -> float:
    """Go from one number to another along half a cosine."""
    return last + (first - last) * 0.5 * (1 + cos(pi * way))


def clip(parameters: Iterable[Parameter], longest: float) -> float:
    """Shorten a gradient whose norm over all parameters exceeds ``longest``; 0 leaves it as it is.

    Pascanu, Mikolov and Bengio 2013, doi:10.48550/arXiv.1211.5063. nnU-Net has 12.

    Returns
    -------
    float
        The norm as it was: not finite when the gradient is of no use.
    """
    parameters = [parameter for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
    if longest:
        torch.nn.utils.clip_grads_with_norm_(parameters, longest, norm)
    return float(norm)
