"""nnU-Net v2 as it comes: its own data set, fingerprint, 2-D plan, preprocessing, trainer, and predictor.

What nobody painted has its ignore label. All scans are for training, none for its validation, and its learning rate
falls over the time limit. Augmentation runs in the same process, so that its time counts as everybody's does.
"""

import json
import os
import random
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprint_dataset,
    plan_experiment_dataset,
    preprocess_dataset,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from numpy.typing import NDArray

from benchmarks.quality.peers.given import IGNORE, Given, Scan

NUMBER, NAME, PLANS = 1, "Dataset001_paint", "nnUNetPlans.json"
WORKERS = "nnUNet_n_proc_DA"


class NNUNetLearner:
    """See above; the environment says where its files go."""

    one_limit = True

    def __init__(self, given: Given, seed: int) -> None:
        raw, preprocessed = (Path(str(folder)) / NAME for folder in (nnUNet_raw, nnUNet_preprocessed))
        if not raw.exists():
            _write(given, raw)
            os.environ[WORKERS] = "1"  # its planner takes that for threads of torch
            extract_fingerprint_dataset(NUMBER, num_processes=1, show_progress_bar=False)
            plan_experiment_dataset(NUMBER)
            preprocess_dataset(NUMBER, configurations=("2d",), num_processes=[1], show_progress_bar=False)
        os.environ[WORKERS] = "0"  # to augment in this process
        for begin in (random.seed, np.random.seed, torch.manual_seed):
            begin(seed)
        plans, about = (json.loads(file.read_text()) for file in (preprocessed / PLANS, raw / "dataset.json"))
        self.trainer = nnUNetTrainer({**plans, "continue_training": False}, "2d", "all", about, torch.device("cpu"))
        self.trainer.initialize()
        self.batches, _ = self.trainer.get_dataloaders()
        self.rate = PolyLRScheduler(self.trainer.optimizer, self.trainer.initial_lr, 1)
        print(self.trainer.configuration_manager)

    def step(self, fraction: float) -> float:
        """Learn from a batch of its plan."""
        self.rate.step(fraction)
        self.trainer.set_deep_supervision_enabled(True)
        self.trainer.network.train()
        return float(self.trainer.train_step(next(self.batches))["loss"])

    def predict(self, scan: Scan) -> NDArray[np.uint8]:
        """With its defaults: half a patch's step, Gaussian weights, mirrored in both directions."""
        trainer = self.trainer
        trainer.set_deep_supervision_enabled(False)
        predictor = nnUNetPredictor(perform_everything_on_device=False, device=trainer.device, allow_tqdm=False)
        predictor.manual_initialization(
            trainer.network,
            trainer.plans_manager,
            trainer.configuration_manager,
            [trainer.network.state_dict()],
            trainer.dataset_json,
            type(trainer).__name__,
            trainer.inference_allowed_mirroring_axes,
        )
        found = predictor.predict_single_npy_array(scan.image, {"spacing": list(scan.spacing)})
        return found.astype(np.uint8)


def _write(given: Given, folder: Path) -> None:
    """Make a data set as nnU-Net wants it."""
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for number, scan in enumerate(given.painted):
        for channel, values in enumerate(scan.image):
            _save(values, scan, folder / "imagesTr" / f"scan{number:03}_{channel:04}.nii.gz")
        _save(np.where(scan.target == IGNORE, given.classes, scan.target), scan,
              folder / "labelsTr" / f"scan{number:03}.nii.gz")  # fmt: skip
    classes = {f"class{channel}": channel for channel in range(1, given.classes)}
    about = {
        "channel_names": {str(c): "CT" if given.ct else f"channel{c}" for c in range(given.channels)},
        "labels": {"background": 0, **classes, "ignore": given.classes},
        "numTraining": len(given.painted),
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    (folder / "dataset.json").write_text(json.dumps(about))


def _save(values: NDArray[np.generic], scan: Scan, file: Path) -> None:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(scan.spacing[::-1])
    sitk.WriteImage(image, file)
