"""Where it computes is what was asked for, or the reason why not."""

import pytest
import torch

from napari_unet.config import ComputeConfig, Device, Precision
from napari_unet.errors import BadInput
from napari_unet.networks import choose, device, remembered


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(remembered, "cache_file", lambda: tmp_path / "cache" / "measured.json")
    before = torch.get_num_threads()
    device._fastest.cache_clear()
    yield
    device._fastest.cache_clear()
    torch.set_num_threads(before)


def test_sentence_and_threads():
    compute = choose(ComputeConfig(device=Device.CPU, threads=1, precision=Precision.FP32))
    assert compute.sentence == "CPU, 1 thread, fp32"
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(("faster", "expected"), [(torch.bfloat16, torch.bfloat16), (torch.float32, torch.float32)])
def test_bf16_on_a_processor_only_when_measured_to_be_faster(
    monkeypatch: pytest.MonkeyPatch, faster: torch.dtype, expected: torch.dtype
):
    measured = []

    def seconds(dtype: torch.dtype) -> float:
        measured.append(dtype)
        return 1.0 if dtype is faster else 2.0

    monkeypatch.setattr(device, "_seconds", seconds)
    config = ComputeConfig(device=Device.CPU, threads=1)
    assert choose(config).dtype is expected
    assert choose(config).dtype is expected
    assert len(measured) == 2  # one of each, and remembered


def test_what_was_measured_is_remembered_by_the_next_program():
    assert remembered.faster("a?", lambda: 1.0, lambda: 2.0)
    assert not remembered.faster("b?", lambda: 3.0, lambda: 2.0)
    never = pytest.fail
    assert remembered.faster("a?", lambda: never(), lambda: never())
    assert not remembered.faster("b?", lambda: never(), lambda: never())


def test_what_was_not_clear_is_measured_again():
    assert remembered.faster("a?", lambda: 1.0, lambda: 1.1)
    assert not remembered.faster("a?", lambda: 2.0, lambda: 1.0)


@pytest.mark.parametrize("damaged", ["", "[1]", "{", '{"a?": "yes"}'])
def test_a_damaged_cache_is_measured_anew(damaged: str):
    remembered.cache_file().parent.mkdir()
    remembered.cache_file().write_text(damaged)
    assert remembered.faster("a?", lambda: 1.0, lambda: 2.0)
    assert remembered.faster("a?", lambda: 2.0, lambda: 1.0)


def test_without_a_place_for_it_it_is_measured_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(remembered, "cache_file", lambda: tmp_path / "file" / "measured.json")
    assert remembered.faster("a?", lambda: 1.0, lambda: 2.0)
    assert not remembered.faster("a?", lambda: 2.0, lambda: 1.0)


def test_a_missing_device_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match="set device to auto or cpu"):
        choose(ComputeConfig(device=Device.CUDA))


def test_no_fp16_on_a_processor():
    with pytest.raises(BadInput, match="bf16 or fp32"):
        choose(ComputeConfig(device=Device.CPU, precision=Precision.FP16))
