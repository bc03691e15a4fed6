"""Where a model runs."""

import torch

from sercl.errors import UsageError


def find_device(name: str) -> torch.device:
    """Return a device by name: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "mps".

    Raises:
        UsageError: For a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {name!r} is not usable here: {str(error).splitlines()[0]}") from error
    return device
