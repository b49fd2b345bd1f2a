"""The networks, and where and how they compute."""

from napari_unet.config import NetworkConfig
from napari_unet.networks.device import Compute, choose
from napari_unet.networks.unet import UNet
from napari_unet.networks.weights import channels_last, fold_batch_norm, load_weights, weights_of

__all__ = ["Compute", "UNet", "build", "channels_last", "choose", "fold_batch_norm", "load_weights", "weights_of"]


def build(config: NetworkConfig, channels: int, classes: int) -> UNet:
    """Make an untrained network.

    Parameters
    ----------
    config
        Its shape.
    channels
        Channels of the scans.
    classes
        Output channels: one logit for each class, background included.

    Notes
    -----
    Under ``with torch.device("meta")`` it takes no memory; see :func:`load_weights`.
    """
    return UNet(config.dimensions, channels, classes, config.width, config.depth)
