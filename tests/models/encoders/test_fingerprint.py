import torch
from torch import nn

from sercl.models.encoders.fingerprint import fingerprint


def model(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).to(dtype)


def test_it_is_a_sha256_that_equal_weights_share():
    assert fingerprint(model()) == fingerprint(model())
    assert len(fingerprint(model())) == 64


def test_it_depends_on_every_value_and_buffer():
    seen = {fingerprint(model())}
    for name in model().state_dict():
        changed = model()
        changed.state_dict()[name].view(-1)[:1].add_(1)
        seen.add(fingerprint(changed))
    assert len(seen) == 1 + len(model().state_dict())


def test_it_depends_on_shapes_and_names():
    flat, renamed = nn.ParameterDict({"a": torch.zeros(4)}), nn.ParameterDict({"b": torch.zeros(4)})
    square = nn.ParameterDict({"a": torch.zeros(2, 2)})
    assert len({fingerprint(each) for each in (flat, renamed, square)}) == 3


def test_it_does_not_depend_on_the_precision_of_storage_or_what_is_trained():
    half = model(torch.float16)
    frozen = model(torch.float16).float().requires_grad_(False)
    assert fingerprint(half) == fingerprint(frozen)
