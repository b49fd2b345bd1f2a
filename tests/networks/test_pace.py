"""Work is done on as many threads as are fastest, as others come and go."""

import pytest
import torch

from napari_unet.networks.pace import TRIED_AGAIN, Pace


class Machine:
    """Clocks that work moves on, by seconds that depend on the number of threads."""

    def __init__(self, *, granted=0.5, **seconds):
        self.now = self.computed = 0.0
        self.granted = granted
        self.seconds = {int(name.removeprefix("on_")): value for name, value in seconds.items()}

    def work(self, pace, pieces):
        """Do so much; give the threads that each piece was done on."""
        used = []
        for _ in range(pieces):
            with pace.kept():
                used.append(torch.get_num_threads())
                self.pass_by(self.seconds[used[-1]], used[-1])
        return used

    def pass_by(self, seconds, threads):
        """Let threads compute, as far as others let them."""
        self.now += seconds
        self.computed += self.granted * threads * seconds

    def pace(self, most, *, fixed=False):
        """Give what chooses the threads."""
        return Pace(most, fixed=fixed, clock=lambda: self.now, computed=lambda: self.computed)


@pytest.fixture(autouse=True)
def _as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_fewer_are_tried_while_that_is_faster():
    machine = Machine(on_8=1.0, on_4=0.5, on_2=0.8, on_1=9.0)
    pace = machine.pace(8)
    assert machine.work(pace, 10) == [8, 8, 4, 4, 2, 2, 4, 4, 4, 4]


def test_where_nobody_else_computes_nothing_is_tried():
    machine = Machine(granted=0.95, on_8=1.0)
    assert machine.work(machine.pace(8), 30) == [8] * 30


def test_where_fewer_are_slower_all_the_same_little_is_tried():
    machine = Machine(on_8=1.0, on_4=1.9, on_2=3.8, on_1=7.6)
    pace = machine.pace(8)
    assert machine.work(pace, 30) == [8, 8, 4, 4, *[8] * 26]


def test_pieces_of_work_may_differ_in_size():
    machine = Machine(on_2=1.0, on_1=1.5)
    pace = machine.pace(2)
    machine.work(pace, 4)
    with pace.kept(size=5.0):
        machine.pass_by(5.0, 2)
    assert pace.threads == 2


def test_it_yields_to_other_programs_and_comes_back():
    machine = Machine(on_2=0.6, on_1=1.0)
    pace = machine.pace(2)
    machine.work(pace, 6)
    assert pace.threads == 2  # one was slower, and its turn is not yet
    machine.seconds = {2: 9.0, 1: 1.0}
    assert machine.work(pace, 4) == [2, 1, 1, 1]
    machine.seconds, machine.granted = {2: 0.6, 1: 1.0}, 1.0
    used = machine.work(pace, 250)
    assert used[: int(TRIED_AGAIN * 9) - 3] == [1] * (int(TRIED_AGAIN * 9) - 3)
    assert used[-20:].count(2) >= 18


def test_trying_again_takes_a_twentieth_of_the_time():
    machine = Machine(on_2=3.0, on_1=1.0)
    pace = machine.pace(2)
    used = machine.work(pace, 1000)
    assert 0.03 < used.count(2) * 3.0 / machine.now < 0.06


@pytest.mark.parametrize(("most", "fixed"), [(4, True), (1, False)])
def test_where_it_must_not_depend_on_the_clock_it_stays(most, fixed):
    machine = Machine(on_4=5.0, on_2=0.5, on_1=0.1)
    pace = machine.pace(most, fixed=fixed)
    assert set(machine.work(pace, 9)) == {most}
