import time

import pytest

from sercl.tasks.gathering import by_first, gathered, of_first
from tests import processes


def test_rows_of_all_processes_come_in_the_order_of_ranks(tmp_path):
    own = {0: ["b", "a"], 1: [], 2: ["c"]}
    assert processes.gathered(lambda rank: gathered(own[rank]), tmp_path, 3) == [["b", "a", "c"]] * 3


def test_one_process_has_its_own_rows():
    assert gathered([3, 1]) == [3, 1]


def test_the_first_process_decides_and_the_others_do_not_look(tmp_path):
    def decide(rank):
        return of_first(lambda: f"decided by {rank}" if rank == 0 else pytest.fail("asked another process"))

    assert processes.gathered(decide, tmp_path, 2) == ["decided by 0"] * 2
    assert of_first(lambda: "alone") == "alone"


def test_the_first_process_acts_once_the_others_are_there(tmp_path):
    def act(rank):
        if rank == 1:
            time.sleep(0.3)
            (tmp_path / "there").touch()
        seen = []
        by_first(lambda: seen.append((rank, (tmp_path / "there").exists())))
        return seen

    assert processes.gathered(act, tmp_path, 2) == [[(0, True)], []]


def test_one_process_acts_itself():
    seen = []
    by_first(lambda: seen.append("done"))
    assert seen == ["done"]
