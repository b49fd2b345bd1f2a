"""The networks, and where and how they compute."""

from napari_unet.config import NetworkConfig
from napari_unet.networks.blocks import pad_to_multiple
from napari_unet.networks.device import Compute, choose
from napari_unet.networks.geometry import decided, flat_levels
from napari_unet.networks.nested import NestedUNet
from napari_unet.networks.network import Network
from napari_unet.networks.unet import UNet
from napari_unet.networks.weights import channels_last, fold_batch_norm, freeze_statistics, load_weights, weights_of

__all__ = [
    "Compute",
    "NestedUNet",
    "Network",
    "UNet",
    "build",
    "channels_last",
    "choose",
    "decided",
    "flat_levels",
    "fold_batch_norm",
    "freeze_statistics",
    "load_weights",
    "pad_to_multiple",
    "weights_of",
]


def build(config: NetworkConfig, channels: int, classes: int) -> Network:
    """Make an untrained network.

    Parameters
    ----------
    config
        Its shape. Flat levels that were left to the spacing are none: see :func:`decided`.
    channels
        Channels of the scans.
    classes
        Output channels: one logit for each class, background included.

    Notes
    -----
    Under ``with torch.device("meta")`` it takes no memory; see :func:`load_weights`.
    """
    return (NestedUNet if config.architecture == "unet++" else UNet)(config, channels, classes)
