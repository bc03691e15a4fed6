import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sercl.errors import CheckpointError, ProcessFailedError, UnknownNameError
from sercl.launchers.pool import Pool
from tests.launchers.samples import ROOT, ends


def prepared(factor: int) -> Callable[[int], tuple[int, int, str]]:
    def work(number: int) -> tuple[int, int, str]:
        if number < 0:
            raise UnknownNameError("number", number, [0, 1])  # cannot be pickled
        if number == 99:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01 * (number % 3))
        return factor * number, os.getpid(), os.environ["OMP_NUM_THREADS"]

    return work


def unprepared() -> Callable[[int], int]:
    raise CheckpointError("no such checkpoint")


def test_results_come_in_order_from_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Pool(partial(prepared, 3), 2) as pool:
        answers = list(pool.each(range(12)))
    assert [value for value, _, _ in answers] == [3 * number for number in range(12)]
    processes = {process for _, process, _ in answers}
    assert 1 <= len(processes) <= 2
    assert os.getpid() not in processes
    assert {int(threads) for _, _, threads in answers} == {max(1, len(os.sched_getaffinity(0)) // 2)}


@pytest.mark.parametrize(
    ("prepare", "item", "said", "code"),
    [
        (partial(prepared, 1), -1, "unknown number", 2),
        (unprepared, 0, "no such checkpoint", 1),
        (partial(prepared, 1), 99, "2 processes died", 1),
    ],
    ids=["item", "start", "killed"],
)
def test_what_ends_a_process_ends_the_run_with_its_message(
    prepare: Callable[[], Callable[[int], object]], item: int, said: str, code: int
) -> None:
    with Pool(prepare, 2) as pool, pytest.raises(ProcessFailedError, match=said) as error:
        list(pool.each([item]))
    assert error.value.exit_code == code


def test_only_some_items_are_read_ahead() -> None:
    read: list[int] = []

    def numbers():
        for number in range(100):
            read.append(number)
            yield number

    with Pool(partial(prepared, 1), 2) as pool:
        assert next(pool.each(numbers()))[0] == 0
        assert len(read) <= 6


def test_processes_end_with_the_first(tmp_path: Path) -> None:
    program = (
        "from functools import partial\n"
        "from sercl.launchers.pool import Pool\nfrom tests.launchers.test_pool import prepared\n"
        "if __name__ == '__main__':\n"
        "    with Pool(partial(prepared, 1), 2) as pool:\n"
        "        answers = pool.each(iter(int, 1))\n"
        "        print(next(answers)[1], flush=True)\n"
        "        for _ in answers: pass\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as first:
        assert first.stdout is not None
        other = int(first.stdout.readline())
        first.kill()
        assert ends(other)
