"""A button that opens a menu, with room for its words: the arrow of napari's theme lies on top of them."""

from qtpy.QtWidgets import QPushButton, QWidget


class MenuButton(QPushButton):
    """Opens the menu that it is given by ``setMenu``.

    Parameters
    ----------
    words
        What it says.
    parent
        The widget it belongs to.
    """

    def __init__(self, words: str, parent: QWidget | None = None) -> None:
        super().__init__(words, parent)
        self.setStyleSheet("QPushButton::menu-indicator { image: none; width: 0px; } QPushButton { padding: 3px 6px; }")
