"""The switch for learning while one paints, and what it does at the moment."""

from collections.abc import Callable, Sequence

from napari.layers import Image
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_unet.gui.work.live import LIVE_NAME, ROUND_SECONDS, Live

ABOUT = (
    "After a pause in painting a network learns for a moment from the paint and the corrections, and outlines\n"
    f'what it makes of the slice in view in the layer "{LIVE_NAME}". It goes on from the model at hand, or\n'
    f"begins anew; {ROUND_SECONDS:.0f} s after the last stroke it rests. What you painted is never changed.\n"
    "Switched off, what it learned is a model that can predict."
)
NO_SCAN = "Open a scan first: drop a file or folder onto the window."


class LivePanel(QWidget):
    """A box to switch it on, and a line beneath. Several panels of one window show the same.

    Parameters
    ----------
    live
        What is switched.
    images
        Gives the layers of the scan that is painted on; none when there is nothing to paint on.
    """

    def __init__(self, live: Live, images: Callable[[], Sequence[Image]]) -> None:
        super().__init__()
        self._live = live
        self._images = images
        self.box = QCheckBox("Learn while I paint")
        self.line = QLabel()
        self.line.setObjectName("live")
        self.line.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.box)
        column.addWidget(self.line)
        self._show(live.on)
        self._say(live.text)
        self.look_for_scan()
        self.box.clicked.connect(self._switch)
        live.switched.connect(self._show)
        live.said.connect(self._say)

    def look_for_scan(self) -> None:
        """Make it live when there is a scan, and grey when there is none, with what to do."""
        there = self._live.on or bool(self._images())
        self.box.setEnabled(there)
        self.box.setToolTip(ABOUT if there else NO_SCAN)

    def disconnect_live(self) -> None:
        """Stop to follow what outlives this panel."""
        self._live.switched.disconnect(self._show)
        self._live.said.disconnect(self._say)

    def _switch(self, on: bool) -> None:
        if on:
            self._live.switch_on(self._images())
        else:
            self._live.switch_off()
        self._show(self._live.on)

    def _show(self, on: bool) -> None:
        self.box.setChecked(on)

    def _say(self, text: str) -> None:
        self.line.setText(text)
        self.line.setVisible(bool(text))
