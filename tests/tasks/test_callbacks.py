import random
from types import SimpleNamespace

import numpy as np
import torch

from sercl.tasks.callbacks import RandomState
from tests.processes import gathered


def draw():
    return [*torch.rand(3).tolist(), *np.random.rand(3), np.random.standard_normal(), random.random()]


def seed(value):
    torch.manual_seed(value)
    np.random.seed(value)
    random.seed(value)


def test_a_stored_state_draws_the_same_numbers_again(tmp_path):
    seed(1)
    np.random.standard_normal()  # leaves a second normal number in reserve, which is part of the state
    path = tmp_path / "state.pt"
    torch.save(RandomState().state_dict(), path)
    expected = draw()
    seed(2)
    callback = RandomState()
    callback.load_state_dict(torch.load(path, weights_only=True))
    assert draw() != expected  # set-up still draws from its own state
    callback.on_train_start(None, None)
    assert draw() == expected


def test_a_state_is_set_once():
    callback = RandomState()
    callback.load_state_dict(callback.state_dict())
    callback.on_train_start(None, None)
    first = draw()
    callback.on_train_start(None, None)
    assert draw() != first


def test_without_a_stored_state_nothing_is_set():
    seed(3)
    expected = draw()
    seed(3)
    RandomState().on_train_start(None, None)
    assert draw() == expected


def test_each_process_draws_on_from_its_own_state(tmp_path):
    def resumed(rank):
        seed(rank)
        callback = RandomState()
        callback.load_state_dict(callback.state_dict())
        expected = draw()
        callback.on_train_start(SimpleNamespace(global_rank=rank, world_size=2), None)
        return expected, draw()

    (first, again), (second, once_more) = gathered(resumed, tmp_path)
    assert first != second
    assert (again, once_more) == (first, second)
