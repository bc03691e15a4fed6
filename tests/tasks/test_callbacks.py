import random

import numpy as np
import torch

from sercl.tasks.callbacks import RandomState


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
