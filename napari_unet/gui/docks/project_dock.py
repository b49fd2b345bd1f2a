"""The Project dock: what is kept together, and the scans that are worked on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPlainTextEdit, QPushButton

from napari_unet.errors import UnetError
from napari_unet.gui.docks.dock import Dock, Folded, line
from napari_unet.gui.widgets.menu_button import MenuButton
from napari_unet.gui.widgets.scan_table import ScanTable
from napari_unet.keeping.project import SUFFIX, name_of

NO_PROJECT = (
    "No project is open: your work is kept for a crash only. A project keeps scans, paint, masks, models and settings "
    "in a folder, and saves itself."
)
FIRST = "Make or open a project first"


class ProjectDock(Dock):
    """Make, open and save a project, and go from scan to scan."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.projects = self.workspace.projects
        self.sentence = line("sentence")
        self.new_button = QPushButton("New…")
        self.new_button.setToolTip("Make a project of what is in this window; one that is open is closed before")
        self.open_button = MenuButton("Open")
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.open_button.setMenu(self._menu)
        self.save_button = QPushButton("Save as…")
        self.table = ScanTable()
        self.add_button = QPushButton("Add scans…")
        self.find_button = QPushButton("Find…")
        self.remove_button = QPushButton("Remove")
        self.problem = line("problem")
        self.problem.setStyleSheet("color: #ff8c69;")
        self.history = QPlainTextEdit()
        self.history.setReadOnly(True)
        self._lay_out()
        self._connect()
        self._show_project()

    def _lay_out(self) -> None:
        files, scans = QHBoxLayout(), QHBoxLayout()
        for button in (self.new_button, self.open_button, self.save_button):
            files.addWidget(button)
        for button in (self.add_button, self.find_button, self.remove_button):
            scans.addWidget(button)
        self.column.addWidget(self.sentence)
        self.column.addLayout(files)
        self.column.addWidget(self.table)
        self.column.addLayout(scans)
        self.column.addWidget(self.problem)
        self.column.addWidget(Folded("History", self.history))
        self.column.addStretch()
        self.problem.hide()

    def _connect(self) -> None:
        self.new_button.clicked.connect(self._ask_for_new)
        self.save_button.clicked.connect(self._ask_where_to_save)
        self.add_button.clicked.connect(self._ask_for_scans)
        self.find_button.clicked.connect(self._ask_where_scan_is)
        self.remove_button.clicked.connect(self._remove)
        self.table.opened.connect(self.show_scan)
        self.table.ticked.connect(self.projects.scans.tick)
        self.projects.problem.connect(self._show_problem)
        self.workspace.keeper.project_changed.connect(self._show_project)
        self.workspace.keeper.kept.connect(self._show_project)
        self.workspace.keeper.problem.connect(self._show_problem)

    def leave(self) -> None:
        """Let go of everything that outlives the dock."""
        self.projects.problem.disconnect(self._show_problem)
        self.workspace.keeper.project_changed.disconnect(self._show_project)
        self.workspace.keeper.kept.disconnect(self._show_project)
        self.workspace.keeper.problem.disconnect(self._show_problem)

    # --- what a person does

    def new(self, path: str) -> None:
        """Make a project."""
        self._try(lambda: self.projects.make(Path(path)))

    def open(self, path: str) -> None:
        """Open a project."""
        self._try(lambda: self.projects.open(Path(path)))

    def save_as(self, path: str) -> None:
        """Save the project once more, and go on in that."""
        self._try(lambda: self.projects.save_as(Path(path)))

    def show_scan(self, number: int, look_in: Path | None = None) -> None:
        """Show a scan of the project."""
        self._try(lambda: self.projects.scans.show(number, look_in))

    def _remove(self) -> None:
        number = self.table.chosen
        if number is not None:
            self._try(lambda: self.projects.scans.drop(number))

    def _try(self, act: Callable[[], None]) -> None:
        self.problem.hide()
        try:
            act()
        except (UnetError, OSError) as error:
            self._show_problem(str(error))

    # --- what is shown

    def _show_project(self) -> None:
        project, folder = self.workspace.keeper.project, self.projects.folder
        for button in (self.save_button, self.add_button):
            button.setEnabled(project is not None)
            button.setToolTip("" if project is not None else FIRST)
        some = project is not None and bool(project.scans)
        self.find_button.setEnabled(some)
        self.find_button.setToolTip("Choose the folder that the selected scan is in now" if some else FIRST)
        self.remove_button.setEnabled(some)
        self.remove_button.setToolTip("Take the selected scan off the list; its file stays" if some else FIRST)
        if project is None or folder is None:
            self.sentence.setText(NO_PROJECT)
            self.table.show_scans((), 0)
            self.history.clear()
            return
        self.sentence.setText(f"<b>{name_of(folder)}</b>, saved by itself")
        self.sentence.setToolTip(str(folder))
        self.table.show_scans(self.projects.scans.all, project.shown)
        if (text := "\n".join(reversed(project.history))) != self.history.toPlainText():
            self.history.setPlainText(text)

    def _show_problem(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def _fill_menu(self) -> None:
        self._menu.clear()
        self._menu.addAction("Open a project…", self._ask_what_to_open)
        for folder in self.projects.recent():
            self._menu.addAction(name_of(folder), partial(self.open, str(folder)))

    # --- questions

    def _ask_for_new(self) -> None:
        if path := self._ask_for_name("New project", Path(f"project{SUFFIX}")):
            self.new(path)

    def _ask_where_to_save(self) -> None:
        if path := self._ask_for_name("Save the project as", self.projects.folder or Path()):
            self.save_as(path)

    def _ask_for_name(self, title: str, suggested: Path) -> str:
        return str(QFileDialog.getSaveFileName(self, title, str(suggested), f"Project (*{SUFFIX})")[0])

    def _ask_what_to_open(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, f"Open a project: choose its folder (*{SUFFIX})"):
            self.open(path)

    def _ask_for_scans(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Add scans; of a DICOM series, any one of its files")
        self.projects.scans.add(map(Path, paths))

    def _ask_where_scan_is(self) -> None:
        number = self.table.chosen
        path = QFileDialog.getExistingDirectory(self, "The folder that the scan is in")
        if path and number is not None:
            self.show_scan(number, Path(path))
