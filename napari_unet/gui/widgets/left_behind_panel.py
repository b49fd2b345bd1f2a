"""What a window left behind that ended without being closed: a line at the top of a dock, and two buttons."""

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_unet.errors import UnetError
from napari_unet.gui.work.bringing_back import BringingBack


class LeftBehindPanel(QFrame):
    """Offers to bring work back, one window's after the other; hidden when there is none."""

    def __init__(self, bringing_back: BringingBack) -> None:
        super().__init__()
        self._bringing_back = bringing_back
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.back_button = QPushButton("Bring back")
        self.discard_button = QPushButton("Discard")
        buttons = QHBoxLayout()
        buttons.addWidget(self.back_button)
        buttons.addWidget(self.discard_button)
        column = QVBoxLayout(self)
        column.addWidget(self.sentence)
        column.addLayout(buttons)
        self.back_button.clicked.connect(self._bring_back)
        self.discard_button.clicked.connect(self._discard)
        bringing_back.left_changed.connect(self.show_left)
        bringing_back.problem.connect(self._show_problem)
        self.show_left()

    def show_left(self) -> None:
        """Show what there is now."""
        self.setVisible(bool(self._bringing_back.left))
        for button in (self.back_button, self.discard_button):
            button.setVisible(bool(self._bringing_back.left))
        if self._bringing_back.left:
            left = self._bringing_back.left[0]
            self.sentence.setText(left.sentence)
            self.back_button.setText("Open it" if left.is_project else "Bring back")
            self.discard_button.setText("Not now" if left.is_project else "Discard")
            self.discard_button.setToolTip("" if left.is_project else "Remove it for good")

    def let_go(self) -> None:
        """Let go of what outlives this."""
        self._bringing_back.left_changed.disconnect(self.show_left)
        self._bringing_back.problem.disconnect(self._show_problem)

    def _bring_back(self) -> None:
        if self._bringing_back.left:
            try:
                missing = self._bringing_back.bring_back(self._bringing_back.left[0])
            except (UnetError, OSError) as error:
                missing = str(error)
            if missing:
                self._show_problem(missing)

    def _discard(self) -> None:
        if self._bringing_back.left:
            self._bringing_back.discard(self._bringing_back.left[0])

    def _show_problem(self, text: str) -> None:
        if text:
            self.sentence.setText(text)
            self.show()
        else:
            self.show_left()
