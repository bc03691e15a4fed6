from sercl.tasks.gathering import gathered
from tests import processes


def test_rows_of_all_processes_come_in_the_order_of_ranks(tmp_path):
    own = {0: ["b", "a"], 1: [], 2: ["c"]}
    assert processes.gathered(lambda rank: gathered(own[rank]), tmp_path, 3) == [["b", "a", "c"]] * 3


def test_one_process_has_its_own_rows():
    assert gathered([3, 1]) == [3, 1]
