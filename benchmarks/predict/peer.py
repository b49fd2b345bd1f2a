"""MONAI's and nnU-Net's sliding windows in an environment of their own: ``python peer.py THREADS``, one answer a line.

"case FOLDER" loads a network and a normalised scan; "monai" and "nnunet" predict it from memory to labels in memory,
write these to FOLDER/labels.npy, and answer with the seconds it took. This repository need only be on the path.
"""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from napari_unet.config import NetworkConfig
from napari_unet.networks import build, load_weights

WINDOWS_AT_ONCE = 4
"""MONAI has no default; on a processor it hardly matters."""


class Case:
    """A network as PyTorch runs it, fp32, a scan (C, Z, Y, X), and the patch that the network was trained on."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "case.json").read_text())
        self.patch, self.classes = tuple(about["patch"]), about["classes"]
        self.scan = torch.from_numpy(np.load(folder / "scan.npy"))
        self.network = build(NetworkConfig(**about["network"]), len(self.scan), self.classes).eval()
        load_weights(self.network, dict(np.load(folder / "weights.npz")))

    @torch.inference_mode()
    def monai(self) -> np.ndarray:
        """At its defaults: overlap 0.25, all windows counting alike."""
        deep = len(self.patch) == 3
        windows = [self.scan[None]] if deep else self.scan.movedim(1, 0)[:, None].unbind()
        said = [sliding_window_inference(each, self.patch, WINDOWS_AT_ONCE, self.network) for each in windows]
        labels = [logits.argmax(1).byte() for logits in said]
        return torch.cat(labels).reshape(self.scan.shape[1:]).numpy()

    def nnunet(self) -> np.ndarray:
        """At its defaults but mirroring: half a patch's step, Gaussian weights, logits summed in half precision."""
        predictor = nnUNetPredictor(
            use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
        )
        predictor.network = self.network
        predictor.configuration_manager = SimpleNamespace(patch_size=self.patch)
        predictor.label_manager = SimpleNamespace(num_segmentation_heads=self.classes)
        return predictor.predict_sliding_window_return_logits(self.scan).argmax(0).byte().numpy()


def main() -> None:
    """Answer line by line."""
    torch.set_num_threads(int(sys.argv[1]))
    folder, case = Path(), None
    for line in sys.stdin:
        verb, *rest = line.split()
        if verb == "case":
            folder = Path(rest[0])
            case = Case(folder)
            print("ready", flush=True)
            continue
        begun = perf_counter()
        with redirect_stdout(sys.stderr):  # nnU-Net prints
            labels = getattr(case, verb)()
        seconds = perf_counter() - begun
        np.save(folder / "labels.npy", labels)
        print(seconds, flush=True)


if __name__ == "__main__":
    main()
