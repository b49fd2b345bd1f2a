"""How live the event loop of a window is: how late a timer in its thread ticks."""

import time
from collections.abc import Callable

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

TICK_MS = 2
HEAD = (
    "| while | ticks | median late, ms | 99 % within, ms | longest, ms | over 20 ms, times |\n|---|---|---|---|---|---|"
)


class Pulse:
    """Measures how late the ticks of a timer come: for so long the window stood still."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, (now - self._last) * 1000 - TICK_MS))
        self._last = now

    def skip(self) -> None:
        """Count only from now on."""
        self._last = time.perf_counter()

    def row(self, what: str) -> str:
        """Sum up since the last call, in ms."""
        late, self.late = np.array(self.late), []
        p50, p99 = np.percentile(late, [50, 99])
        return f"| {what} | {len(late):,} | {p50:.1f} | {p99:.1f} | {late.max():.1f} | {np.sum(late > 20)} |"


def wait(done: Callable[[], bool], at_most: float) -> None:
    """Let the window live until ``done``, or for so many seconds."""
    end = time.monotonic() + at_most
    while not done() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.0005)
