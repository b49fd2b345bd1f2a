"""What becomes of the layers in a window when a project is opened there."""

from collections.abc import Sequence

from qtpy.QtWidgets import QMessageBox, QWidget

NAMED = 5
"""So many layers are named."""


def ask_take_along(names: Sequence[str], parent: QWidget | None) -> bool | None:
    """Ask whether layers that belong to no project are taken into the one that is opened.

    Parameters
    ----------
    names
        Of the layers.
    parent
        The window.

    Returns
    -------
    bool or None
        True to take them in, False to close them, None to open nothing.
    """
    listed = ", ".join(f'"{name}"' for name in names[:NAMED]) + (" …" if len(names) > NAMED else "")
    box = QMessageBox(QMessageBox.Icon.Question, "Open a project", f"In this window are {listed}.", parent=parent)
    box.setInformativeText("They belong to no project. What becomes of them?")
    take = box.addButton("Take them into the project", QMessageBox.ButtonRole.AcceptRole)
    close = box.addButton("Close them", QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    return {take: True, close: False}.get(box.clickedButton())
