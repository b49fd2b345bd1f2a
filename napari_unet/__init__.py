"""Paint a few strokes on a scan, train a U-Net on them, predict the whole scan, correct it.

The four verbs as functions, with NumPy arrays in and out::

    import napari_unet as nu

    model = nu.train(scan, paint, nu.TrainConfig(time_limit=60))
    mask = nu.predict(model, scan).labels
    mask = nu.refine(mask, spacing=(5.0, 0.8, 0.8)).labels
    nu.write_mask("mask.nii.gz", nu.Mask(mask), models=[model], steps=[nu.RefineConfig()])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_unet.config import PRESETS, FillBetweenConfig, PredictConfig, RefineConfig, TrainConfig, Unpainted
    from napari_unet.evaluation import evaluate
    from napari_unet.inference import predict
    from napari_unet.io import Mask, onto_grid, read_mask, read_scan
    from napari_unet.keeping.provenance import export, write_mask
    from napari_unet.model_file import Model, load_model
    from napari_unet.refinement import Probabilities, fill_between, refine, suggest
    from napari_unet.scan import Scan
    from napari_unet.training import Start, train

__version__ = "0.1.0"

_WHERE = {
    "PRESETS": "config",
    "FillBetweenConfig": "config",
    "Mask": "io",
    "Model": "model_file",
    "PredictConfig": "config",
    "Probabilities": "refinement",
    "RefineConfig": "config",
    "Scan": "scan",
    "Start": "training",
    "TrainConfig": "config",
    "Unpainted": "config",
    "evaluate": "evaluation",
    "export": "keeping.provenance",
    "fill_between": "refinement",
    "load_model": "model_file",
    "onto_grid": "io",
    "predict": "inference",
    "read_mask": "io",
    "read_scan": "io",
    "refine": "refinement",
    "suggest": "refinement",
    "train": "training",
    "write_mask": "keeping.provenance",
}

__all__ = [
    "PRESETS",
    "FillBetweenConfig",
    "Mask",
    "Model",
    "PredictConfig",
    "Probabilities",
    "RefineConfig",
    "Scan",
    "Start",
    "TrainConfig",
    "Unpainted",
    "evaluate",
    "export",
    "fill_between",
    "load_model",
    "onto_grid",
    "predict",
    "read_mask",
    "read_scan",
    "refine",
    "suggest",
    "train",
    "write_mask",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package costs nothing."""
    if name in _WHERE:
        return getattr(import_module(f"napari_unet.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'napari_unet' has no attribute {name!r}")
