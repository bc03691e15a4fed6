"""A short name for the weights of an encoder."""

import hashlib

import torch
from torch import Tensor, nn


def fingerprint(model: nn.Module) -> str:
    """Return the SHA-256, in hex, of the model's state dict, whatever file, precision or device it is in.

    Two models agree when their tensors have the same names, shapes and (as float32) values.
    """
    total = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        total.update(f"{name} {tuple(tensor.shape)} ".encode())
        total.update(_digest(tensor))
    return total.hexdigest()


def _digest(tensor: Tensor) -> bytes:
    values = tensor.float() if tensor.is_floating_point() else tensor
    data = values.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(data.numpy().data).digest()
