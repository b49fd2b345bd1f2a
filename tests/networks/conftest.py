"""Every kind of network: each architecture with no option, each option, and all of them, in 2-D and 3-D."""

from itertools import product

import pytest
import torch

from napari_unet.config import NetworkConfig, Normaliser

OPTIONS = {
    "flat_levels": 1,
    "normalisation": Normaliser.GROUP,
    "residual": True,
    "separable": True,
    "cbam": True,
    "pyramid": True,
    "deep_supervision": True,
    "filters": True,
    "dropout": 0.5,
}
CHOICES = [
    {},
    *({name: value} for name, value in OPTIONS.items()),
    {"normalisation": Normaliser.INSTANCE},
    OPTIONS,
    {**OPTIONS, "normalisation": Normaliser.BATCH, "cbam": False},
]
KINDS = [
    NetworkConfig(architecture=architecture, dimensions=dimensions, width=4, depth=2, **options)
    for architecture, dimensions, options in product(("unet", "unet++", "attention-unet"), (2, 3), CHOICES)
    if dimensions == 3 or options != {"flat_levels": 1}
]


def said(config: NetworkConfig) -> str:
    """Name a kind in a test's report."""
    chosen = config.model_dump(exclude={"width", "depth"}, exclude_defaults=True)
    return ",".join(f"{name}={value}" for name, value in chosen.items()) or "unet"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes a ``kind`` for every kind, what takes a ``local_kind`` for those that can be cut into tiles."""
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", KINDS, ids=said)
    if "local_kind" in metafunc.fixturenames:
        local = [k for k in KINDS if k.normalisation is Normaliser.BATCH and not k.cbam]
        metafunc.parametrize("local_kind", local, ids=said)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
