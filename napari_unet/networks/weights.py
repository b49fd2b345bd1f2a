"""A network's weights: out of it, into it, and folded for prediction."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from napari_unet.errors import BadModelFile
from napari_unet.networks.blocks import ConvNorm

_NOT_WEIGHTS = "num_batches_tracked"


def weights_of(module: nn.Module) -> dict[str, NDArray[np.float32]]:
    """Copy all weights and running statistics into fp32 NumPy arrays by name."""
    return {
        name: value.detach().to("cpu", torch.float32).contiguous().numpy().copy()
        for name, value in module.state_dict().items()
        if not name.endswith(_NOT_WEIGHTS)
    }


def load_weights(module: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    """Put weights into a network.

    Parameters
    ----------
    module
        The network. Built on torch's "meta" device it takes no memory until the weights are found to fit.
    weights
        As :func:`weights_of` gives them.

    Raises
    ------
    BadModelFile
        Names or shapes are not those of the network.
    """
    wanted = {n: tuple(v.shape) for n, v in module.state_dict().items() if not n.endswith(_NOT_WEIGHTS)}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if wanted != found:
        name = min(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise BadModelFile(
            f"The weights do not belong to the network that the model describes ({name!r} is "
            f"{found.get(name, 'missing')}, expected {wanted.get(name, 'nothing')}): get the file again from "
            "where it came from."
        )
    others = {name: value for name, value in module.state_dict().items() if name not in wanted}
    state = {name: torch.zeros(value.shape, dtype=value.dtype) for name, value in others.items()}
    state |= {name: torch.from_numpy(np.array(value, np.float32)) for name, value in weights.items()}
    module.load_state_dict(state, assign=next(module.parameters()).is_meta)


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Make a network one for prediction, and give it: batch normalisation folded into the convolutions, eval mode.

    Batch normalisation with fixed statistics is a scale and a shift, which the convolution before it can do. What the
    network says differs by rounding only.
    """
    module.eval().requires_grad_(requires_grad=False)
    for block in module.modules():
        if isinstance(block, ConvNorm):
            block.fold()
    return module


def freeze_statistics(module: nn.Module) -> None:
    """Let batch normalisation go on with the means and variances that it has."""
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.eval()


def channels_last(module: nn.Module) -> nn.Module:
    """Lay the weights out with channels last, which is faster on processors and on tensor cores."""
    for parameter in module.parameters():
        if parameter.ndim > 3:
            layout = torch.channels_last if parameter.ndim == 4 else torch.channels_last_3d
            # Not .contiguous(): it leaves weights of one channel as they are, and then what follows from them too.
            parameter.data = torch.empty_like(parameter.data, memory_format=layout).copy_(parameter.data)
    return module
