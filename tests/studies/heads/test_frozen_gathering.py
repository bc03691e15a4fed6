import pytest
import torch

from sercl.studies.heads.frozen import Gathering
from sercl.studies.heads.jobs import Job
from sercl.studies.heads.training import Outcome

JOBS = {(position, layer): Job(position - 4, layer, seed=1) for position in (4, 5) for layer in (0, 3)}


def outcome(position: int, layer: int, epochs: int = 1) -> Outcome:
    return Outcome(JOBS[position, layer], 0, epochs, False, 0.0, 0.0, 0.0, torch.zeros(0, dtype=torch.int64))


def test_a_training_is_reported_of_once_its_last_head_has_ended() -> None:
    reports: list[tuple[int, list[int]]] = []
    gathering = Gathering(
        JOBS, {4: 10, 5: 10}, lambda position, heads, _: reports.append((position, list(heads)))
    )
    gathering.add([outcome(5, 3), outcome(4, 0)], 1.0)
    assert reports == []
    gathering.add([outcome(5, 0)], 1.0)
    assert reports == [(5, [3, 0])]
    gathering.add([outcome(4, 3)], 1.0)
    assert reports == [(5, [3, 0]), (4, [0, 3])]


def test_time_is_dealt_out_by_the_utterances_trained_on() -> None:
    seconds: dict[int, float] = {}
    gathering = Gathering(JOBS, {4: 10, 5: 30}, lambda position, _, own: seconds.update({position: own}))
    gathering.add([outcome(4, 0, epochs=6), outcome(5, 0, epochs=2), outcome(5, 3, epochs=2)], 9.0)
    gathering.add([outcome(4, 3)], 1.0)
    assert seconds == {5: pytest.approx(6.0), 4: pytest.approx(4.0)}
