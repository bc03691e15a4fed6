from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Give torch its threads back: what restores them may have asked a patched function for their number.

    Another number rounds otherwise in whatever is tested next in this process.
    """
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
