"""A history takes back the last step first, whoever did it, in bounded memory, and never trips over what is gone."""

import pytest

from napari_unet.history import MOST_STEPS, History, Step


class Note(Step):
    """Writes a letter at the end of a list."""

    def __init__(self, letter, page, nbytes=0):
        super().__init__(f"writing {letter}", nbytes)
        self.letter, self.page, self.forgotten, self.somewhere_else = letter, page, False, "as recorded"
        page.append(letter)

    def undo(self):
        assert self.page.pop() == self.letter

    def redo(self):
        self.page.append(self.letter)

    def forget(self):
        self.forgotten = True

    def is_done(self, recorded):
        return recorded if self.somewhere_else == "as recorded" else self.somewhere_else


@pytest.fixture
def page():
    return []


@pytest.fixture
def history():
    return History()


@pytest.fixture
def abc(history, page):
    """Three steps."""
    steps = [Note(letter, page) for letter in "abc"]
    for step in steps:
        history.add(step)
    return steps


def test_steps_come_back_last_first_and_go_on_in_order(history, page, abc):
    assert (history.next_undo.name, history.next_redo) == ("writing c", None)
    assert [history.undo().letter for _ in abc] == ["c", "b", "a"]
    assert page == []
    assert history.undo() is None
    assert [history.redo().letter for _ in abc] == ["a", "b", "c"]
    assert page == ["a", "b", "c"]
    assert history.redo() is None


def test_a_new_step_makes_redo_impossible(history, page, abc):
    history.undo()
    history.undo()
    history.add(Note("d", page))
    assert history.next_redo is None
    assert [step.forgotten for step in abc] == [False, True, True]
    history.undo()
    assert page == ["a"]


def test_the_oldest_are_forgotten_when_all_hold_too_much(page):
    history = History(most_bytes=100)
    steps = [Note(letter, page, 40) for letter in "abc"]
    for step in steps:
        history.add(step)
    assert history.nbytes == 80
    assert [step.forgotten for step in steps] == [True, False, False]
    history.add(large := Note("d", page, 1000))
    assert history.next_undo is large, "the last one can always be taken back"
    assert history.nbytes == 1000
    history.undo()
    assert history.next_undo is None


def test_what_is_undone_counts_until_it_is_forgotten(page):
    history = History(most_bytes=100)
    history.add(Note("a", page, 90))
    history.undo()
    assert history.nbytes == 90
    history.add(Note("b", page, 90))
    assert history.nbytes == 90


def test_there_are_not_more_than_so_many(history, page):
    steps = [Note("a", page) for _ in range(MOST_STEPS + 2)]
    for step in steps:
        history.add(step)
    assert [step.forgotten for step in steps[:3]] == [True, True, False]


def test_what_somebody_else_took_back_can_be_done_again_here(history, page, abc):
    abc[2].undo()
    abc[1].undo()
    abc[2].somewhere_else = abc[1].somewhere_else = False
    history.settle()
    assert history.next_undo is abc[0]
    for step in abc:
        step.somewhere_else = "as recorded"
    history.redo()
    history.redo()
    assert page == ["a", "b", "c"]


def test_what_somebody_else_did_again_can_be_taken_back_here(history, page, abc):
    history.undo()
    history.undo()
    abc[1].redo()
    abc[1].somewhere_else = True
    history.settle()
    assert (history.next_undo, history.next_redo) == (abc[1], abc[2])


def test_what_is_gone_is_left_out(history, page, abc):
    history.undo()
    abc[1].somewhere_else = abc[2].somewhere_else = None
    assert history.redo() is None
    assert history.next_undo is abc[0]


def test_whoever_shows_it_hears_of_every_change_and_of_nothing_else(history, page, abc):
    heard = []
    history.changed.connect(lambda: heard.append((history.next_undo, history.next_redo)))
    history.settle()
    assert heard == []
    history.undo()
    history.redo()
    abc[0].somewhere_else = None
    history.settle()
    history.add(last := Note("d", page))
    assert heard == [(abc[1], abc[2]), (abc[2], None), (abc[2], None), (last, None)]
