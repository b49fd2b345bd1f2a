"""Where and how to compute: processor or GPU, number format, threads."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter

import torch

from napari_unet.config import ComputeConfig, Device, Precision
from napari_unet.errors import BadInput
from napari_unet.networks.remembered import faster, machine
from napari_unet.networks.weights import channels_last

BEST_FIRST = (Device.CUDA, Device.MPS, Device.CPU)
"""What "auto" looks for."""
_ALL_THREADS = torch.get_num_threads()
_DTYPE = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}
_SHORT = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True)
class Compute:
    """What :func:`choose` chose.

    Parameters
    ----------
    device
        Where tensors live.
    dtype
        Number format of the convolutions; everything else stays fp32.
    threads
        Processor threads.
    """

    device: torch.device
    dtype: torch.dtype
    threads: int

    @property
    def sentence(self) -> str:
        """In words: "CPU, 2 threads, bf16"."""
        if self.device.type == "cpu":
            threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
            return f"CPU, {threads}, {_SHORT[self.dtype]}"
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "Apple GPU"
        return f"{name}, {_SHORT[self.dtype]}"

    def autocast(self) -> AbstractContextManager[object]:
        """Run the convolutions within in ``dtype`` while weights and losses stay fp32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)


def choose(config: ComputeConfig, *, training: bool = False) -> Compute:
    """Choose device and number format, and set the number of threads.

    Parameters
    ----------
    config
        What was asked for; "auto" takes the GPU when there is one, and the faster number format.
    training
        Whether gradients are needed: fp16 is then taken only when asked for.

    Raises
    ------
    BadInput
        The device asked for is not there, or cannot compute in the number format asked for.
    """
    device = _device(config.device)
    threads = config.threads or _ALL_THREADS
    torch.set_num_threads(threads)
    if config.precision is Precision.AUTO:
        return Compute(device, _fastest(device.type, threads, training), threads)
    if config.precision is Precision.FP16 and device.type == "cpu":
        raise BadInput("The processor computes fp16 far too slowly: set precision to auto, bf16 or fp32.")
    return Compute(device, _DTYPE[config.precision], threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread within."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_but_one() -> int:
    """Count the threads of this machine but one, which is left to whoever sits in front of it."""
    return max(1, _ALL_THREADS - 1)


def all_like(device: torch.device) -> tuple[torch.device, ...]:
    """Give all devices of the kind of one: every GPU that ``CUDA_VISIBLE_DEVICES`` leaves, else the one itself."""
    if device.type != "cuda":
        return (device,)
    return tuple(torch.device("cuda", number) for number in range(torch.cuda.device_count()))


def is_there(kind: str) -> bool:
    """Tell whether there is a device of a kind, as PyTorch calls it: "cuda", "mps", "cpu"."""
    match kind:
        case "cuda":
            return torch.cuda.is_available()
        case "mps":
            return torch.backends.mps.is_available()
        case _:
            return True


def _device(asked: Device) -> torch.device:
    if asked is Device.AUTO:
        return torch.device(next(device.value for device in BEST_FIRST if is_there(device.value)))
    if not is_there(asked.value):
        raise BadInput(
            f"There is no {asked.value} device here, or this torch was installed without it: set device to auto or cpu."
        )
    return torch.device(asked.value)


@lru_cache
def _fastest(device: str, threads: int, training: bool) -> torch.dtype:
    if device == "cpu":
        question = f"bf16 is faster than fp32 on {machine(threads)}"
        pays = faster(question, lambda: _seconds(torch.bfloat16), lambda: _seconds(torch.float32))
        return torch.bfloat16 if pays else torch.float32
    if device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float16 if device == "cuda" and not training else torch.float32


def _seconds(dtype: torch.dtype) -> float:
    """Time one typical convolution on the processor; flags do not tell whether bf16 is fast, only this does."""
    conv = channels_last(torch.nn.Conv2d(64, 64, 3, padding=1, dtype=dtype))
    x = torch.zeros(1, 64, 128, 128, dtype=dtype).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(4):
            begun = perf_counter()
            conv(x)
            times.append(perf_counter() - begun)
    return min(times)
