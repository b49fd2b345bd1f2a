"""Whether a model learns from the other scans of the project, too."""

from qtpy.QtWidgets import QCheckBox

from napari_unet.gui.widgets.choosers import ScanChooser
from napari_unet.gui.work.workspace import Workspace


class OtherScansBox(QCheckBox):
    """Shown while other scans of the project have something to learn from; then it is on until somebody objects.

    Parameters
    ----------
    workspace
        What the window is about.
    scan
        Chooses the scan that is learned from anyway.
    """

    def __init__(self, workspace: Workspace, scan: ScanChooser) -> None:
        super().__init__()
        self._keeper = workspace.keeper
        self._others = workspace.other_scans
        self._scan = scan
        self.setChecked(self._others.wanted)
        self.setToolTip("Paint, corrections and reviewed slices of all scans teach one model, in view or not")
        self.toggled.connect(self._take)
        scan.chosen.connect(self.count)
        self._keeper.kept.connect(self.count)
        self._keeper.project_changed.connect(self.count)
        self.count()

    def count(self) -> None:
        """Say how many there are now."""
        number = len(self._others.found(self._scan.layers))
        self.setVisible(number > 0)
        what = "scan" if number == 1 else f"{number} scans"
        self.setText(f"also learn from the other {what} of the project")

    def disconnect_keeper(self) -> None:
        """Let go of the keeper, which outlives this."""
        self._keeper.kept.disconnect(self.count)
        self._keeper.project_changed.disconnect(self.count)

    def _take(self, wanted: bool) -> None:
        self._others.wanted = wanted
