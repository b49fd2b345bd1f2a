"""What was measured on this machine once, kept in the user's cache folder for the next time."""

import json
import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs
import torch

from napari_unet.durable import written_whole
from napari_unet.errors import BadInput

CLEAR = 1.2
"""A format that is faster by less than this factor is not remembered: the machine may have been busy."""


def cache_file() -> Path:
    """Where it is kept."""
    return Path(platformdirs.user_cache_dir("napari-unet")) / "measured.json"


def machine(threads: int) -> str:
    """Name what a speed depends on: the processor, threads in use, and the version of torch."""
    name = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}, {threads} threads, torch {torch.__version__}"


def faster(question: str, one: Callable[[], float], other: Callable[[], float]) -> bool:
    """Tell whether one takes less time than the other: as remembered, else as measured now.

    Parameters
    ----------
    question
        What is asked, and of which machine.
    one, other
        Measure seconds.
    """
    answers = _read()
    if question in answers:
        return answers[question]
    a, b = one(), other()
    if max(a, b) >= CLEAR * min(a, b):
        _write({**answers, question: a < b})
    return a < b


def _read() -> dict[str, bool]:
    try:
        answers = json.loads(cache_file().read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(answers, dict):
        return {}
    return {question: answer for question, answer in answers.items() if isinstance(answer, bool)}


def _write(answers: dict[str, bool]) -> None:
    with suppress(OSError, BadInput):  # then it is measured again
        cache_file().parent.mkdir(parents=True, exist_ok=True)
        with written_whole(cache_file()) as temporary:
            temporary.write_text(json.dumps(answers, indent=1))
