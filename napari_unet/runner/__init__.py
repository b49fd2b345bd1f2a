"""Where a job runs: here, or in a warm child process that the window talks to."""

from napari_unet.runner.child import SHORT_SPIN, Child, Closed, Failed, Finished, Message
from napari_unet.runner.exchange import Exchange, SharedArray, SharedScan
from napari_unet.runner.here import run_here
from napari_unet.runner.requests import (
    FillDone,
    FillRequest,
    PredictDone,
    PredictRequest,
    RefineDone,
    RefineRequest,
    Request,
    SuggestDone,
    SuggestRequest,
    TrainDone,
    TrainRequest,
)

__all__ = [
    "SHORT_SPIN",
    "Child",
    "Closed",
    "Exchange",
    "Failed",
    "FillDone",
    "FillRequest",
    "Finished",
    "Message",
    "PredictDone",
    "PredictRequest",
    "RefineDone",
    "RefineRequest",
    "Request",
    "SharedArray",
    "SharedScan",
    "SuggestDone",
    "SuggestRequest",
    "TrainDone",
    "TrainRequest",
    "run_here",
]
