"""The programs that this one is compared with, in an environment of their own: .venv-peers."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv-peers"
# What imports of theirs need, and not what they would like to have.
WITH_OTHERS = ("torch", "monai", "threadpoolctl", "pandas", "scipy", "scikit-image", "SimpleITK", "einops", "blosc2")
WITH_OTHERS += ("tqdm", "requests", "pydantic", "safetensors", "psutil", "platformdirs", "nibabel", "matplotlib")
WITH_OTHERS += (
    "seaborn",
    "imagecodecs",
    "yacs",
    "connected-components-3d",
    "graphviz",
    "dicom2nifti",
    "pyyaml",
    "scikit-learn",
)
WITH_OTHERS += ("huggingface-hub", "timm<1.0.23", "torchvision")
ALONE = ("nnunetv2", "dynamic_network_architectures", "acvl_utils", "batchgenerators", "batchgeneratorsv2")
ALONE += ("segmentation_models_pytorch",)


def peers_python() -> Path:
    """Give the Python that has MONAI, nnU-Net and segmentation_models_pytorch, with the same torch as here.

    They are installed on first use.
    """
    python, mark = PEERS / "bin" / "python", PEERS / "installed-networks"
    if not mark.exists():
        print("installing MONAI, nnU-Net and segmentation_models_pytorch ...", file=sys.stderr)
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        pip = [str(python), "-m", "pip", "install", "-qq", "--constraint", str(ROOT / "constraints.txt")]
        subprocess.run([*pip, *WITH_OTHERS], check=True)
        subprocess.run([*pip, "--no-deps", *ALONE], check=True)
        mark.touch()
    return python
