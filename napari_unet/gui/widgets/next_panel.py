"""Where to look next, in the Review dock: the slice, the reason in words, and a button that goes there."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet.review.corrections import Review, ReviewSummary
from napari_unet.review.looking import Suggestion, where_next

NEXT_KEY = "N"
ALL_SEEN = "Every slice was looked at."


class NextPanel(QWidget):
    """Suggests a slice. ``chosen`` carries the ``Suggestion`` that a person follows.

    A suggestion that a person went to and did nothing about is passed over, until no other is left.
    """

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._review: Review | None = None
        self._summary: ReviewSummary | None = None
        self._passed: set[int] = set()
        self._suggestion: Suggestion | None = None
        self.reason = QLabel()
        self.reason.setObjectName("reason")
        self.reason.setWordWrap(True)
        self.button = QPushButton(f"Next to look at ({NEXT_KEY})")
        self.button.setToolTip(
            "Goes to the slice that the model is most unsure of and that is least like those you painted, corrected\n"
            "or found right, and to the place on it. Pressed again there, it goes to the one after that."
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.reason)
        column.addWidget(self.button)

    def follow(self, review: Review | None) -> None:
        """Be about a mask, of which nothing is counted yet, or about none."""
        self._review, self._summary = review, None
        self._passed = set()

    def show_summary(self, summary: ReviewSummary) -> None:
        """Suggest where to look now that the review is so far."""
        self._summary = summary
        self._suggest()

    def go(self, in_view: int) -> None:
        """Choose the suggestion, or the one after it when it is the slice ``in_view`` already."""
        if self._suggestion is not None and self._suggestion.z == in_view:
            self._passed.add(in_view)
            self._suggest(in_view)
        if self._suggestion is not None:
            self.chosen.emit(self._suggestion)

    def _suggest(self, in_view: int | None = None) -> None:
        review, summary = self._review, self._summary
        if review is None or summary is None:
            return
        for passed in (self._passed, self._passed & {in_view}, set[int]()):
            self._passed = passed
            self._suggestion = where_next(len(summary.states), summary.looked_at | passed, review.looks)
            if self._suggestion is not None:
                break
        self.button.setEnabled(self._suggestion is not None)
        self.reason.setText(ALL_SEEN if self._suggestion is None else self._suggestion.sentence())
