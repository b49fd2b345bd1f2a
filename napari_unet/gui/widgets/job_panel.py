"""Where a job shows: its button, how far it is, how it ended. One for each verb."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet.events import Event, Note, Progress, Started
from napari_unet.gui.work.activity import Ending, How, Work
from napari_unet.session import Blocked, Readiness

STEPS = 1000


class JobPanel(QWidget):
    """A verb's button with the reason beneath it when it cannot work, then progress, then one line of result.

    Parameters
    ----------
    activity
        What it shows.
    title
        What the button says.
    can_stop
        Whether there is a button to stop and keep what there is.
    """

    pressed = Signal()
    stop = Signal()

    def __init__(self, activity: Work, title: str, *, can_stop: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._activity = activity
        self.button = QPushButton(title)
        self.button.setObjectName("start")
        self.button.clicked.connect(self.pressed)
        self.reason = _line("reason")
        self._bar = QProgressBar()
        self._bar.setRange(0, STEPS)
        self._bar.setTextVisible(False)
        self._where = _line("where")
        self.stop_button = QPushButton("Stop and keep")
        self.stop_button.setToolTip("Finish now with the best so far")
        self.stop_button.clicked.connect(self._stop)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self._cancel)
        self.notes = _line("notes")
        self.ending = _line("ending")
        self._dismiss = QToolButton()
        self._dismiss.setText("✕")
        self._dismiss.setToolTip("Dismiss this message")
        self._dismiss.clicked.connect(self.forget_ending)
        self._details_button = QToolButton()
        self._details_button.setText("Details")
        self._details_button.setCheckable(True)
        self._details = QPlainTextEdit()
        self._details.setReadOnly(True)
        self._details.setMaximumHeight(140)
        self._details_button.toggled.connect(self._details.setVisible)
        self._copy = QToolButton()
        self._copy.setText("Copy")
        self._copy.setToolTip("Copy the message and its details")
        self._copy.clicked.connect(self._copy_details)
        self._lay_out(can_stop)
        activity.began.connect(self._begin)
        activity.reported.connect(self._report)
        activity.ended.connect(self.show_ending)
        self._show_running(activity.running)
        self.forget_ending()
        self.notes.hide()

    def _lay_out(self, can_stop: bool) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        stopping = QHBoxLayout()
        if can_stop:
            stopping.addWidget(self.stop_button)
        stopping.addWidget(self.cancel_button)
        result = QHBoxLayout()
        result.addWidget(self.ending, 1)
        for button in (self._details_button, self._copy, self._dismiss):
            result.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        for widget in (self.button, self.reason, self._bar, self._where):
            column.addWidget(widget)
        column.addLayout(stopping)
        column.addWidget(self.notes)
        column.addLayout(result)
        column.addWidget(self._details)

    def set_readiness(self, readiness: Readiness) -> None:
        """Make the button live, or grey with the reason beneath it and as its tooltip."""
        reason = readiness.reason if isinstance(readiness, Blocked) else ""
        self.button.setEnabled(not reason)
        self.button.setToolTip(reason)
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason) and not self._activity.running)

    def show_problem(self, text: str) -> None:
        """Show why it could not even begin."""
        self.show_ending(Ending(How.FAILED, text))

    def disconnect_activity(self) -> None:
        """Stop to follow the activity, which outlives this panel."""
        self._activity.began.disconnect(self._begin)
        self._activity.reported.disconnect(self._report)
        self._activity.ended.disconnect(self.show_ending)

    def _begin(self) -> None:
        self.forget_ending()
        self.notes.clear()
        self.notes.hide()
        self._bar.setValue(0)
        self._where.setText("Starting …")
        self._show_running(True)

    def _report(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._bar.setValue(round(event.fraction * STEPS))
            left = "" if event.seconds_left is None else f"{_clock(event.seconds_left)} left"
            self._where.setText(" · ".join(part for part in (event.text, left) if part))
        elif isinstance(event, Started):
            self._where.setText(f"{event.what} on {event.device}" if event.device else event.what)
        elif isinstance(event, Note):
            self.notes.setText("\n".join(part for part in (self.notes.text(), event.text) if part))
            self.notes.show()

    def show_ending(self, ending: Ending) -> None:
        """Show one line of result."""
        self._show_running(False)
        self.ending.setText(ending.text)
        self.ending.setStyleSheet("color: #ff8c69;" if ending.how is How.FAILED else "")
        self.ending.show()
        self._dismiss.show()
        self._details.setPlainText(ending.details)
        self._details_button.setVisible(bool(ending.details))
        self._copy.setVisible(bool(ending.details))

    def _show_running(self, running: bool) -> None:
        for widget in (self._bar, self._where, self.stop_button, self.cancel_button):
            widget.setVisible(running)
        for button, text in ((self.stop_button, "Stop and keep"), (self.cancel_button, "Cancel")):
            button.setEnabled(True)
            button.setText(text)
        self.button.setVisible(not running)

    def _stop(self) -> None:
        self.stop_button.setEnabled(False)
        self.stop_button.setText("Stopping …")
        self.stop.emit()

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.cancel_button.setText("Cancelling …")
        self._activity.cancel()

    def forget_ending(self) -> None:
        """Dismiss the line of result."""
        self._details_button.setChecked(False)
        for widget in (self.ending, self._dismiss, self._details_button, self._copy, self._details):
            widget.hide()

    def _copy_details(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{self.ending.text()}\n\n{self._details.toPlainText()}")


def _line(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02d}"
