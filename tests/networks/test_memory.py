"""Memory stays with the process while networks compute, and no longer."""

import resource
import sys

import pytest
import torch

from napari_unet.networks import memory
from napari_unet.networks.memory import keep_no_more, memory_kept

PAGES = (64 << 20) // resource.getpagesize()


def pages_cleared() -> int:
    """Fill and free 64 MB; give how many pages the system had to clear for that."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64 << 20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux" or memory._gnu() is None, reason="only the GNU C library can be told")
def test_what_is_freed_serves_again_until_the_last_is_done():
    with memory_kept():
        begun = [pages_cleared() for _ in range(4)]
        with memory_kept():
            within = pages_cleared()
        ended = pages_cleared()
    after = pages_cleared()
    assert max(begun) > PAGES // 2  # none was kept yet
    assert max(within, ended) < PAGES // 100
    assert after > PAGES // 2


@pytest.mark.skipif(sys.platform != "linux" or memory._gnu() is None, reason="only the GNU C library can be told")
def test_no_more_is_kept_than_allowed(monkeypatch):
    with memory_kept():
        for _ in range(4):
            pages_cleared()
        keep_no_more()
        kept = pages_cleared()
        monkeypatch.setattr(memory, "MOST_KEPT", 1e6)
        keep_no_more()
        given_back = pages_cleared()
    assert kept < PAGES // 100
    assert given_back > PAGES // 2


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(memory, "_gnu", lambda: None)
    with memory_kept():
        keep_no_more()
        assert memory._users == 0
