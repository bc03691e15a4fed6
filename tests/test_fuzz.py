"""Whatever a file contains, its reader returns or raises an error of sercl, in 10 s and 1 GB: mutated files.

`SERCL_FUZZ=100 pytest tests/test_fuzz.py` tries a hundred times as many files, at random;
`benchmarks/fuzz.py` counts.
"""

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import FACTOR, Mutator, try_file
from tests.parsers import PARSERS

LONGEST = 5100
"""Characters of a message; long values are cut."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PARSERS)
def test_a_mutated_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    parser = PARSERS[name]
    parser.write(tmp_path)
    path = tmp_path / parser.file
    valid = path.read_bytes()
    parser.read(path)
    named = path.stem if parser.names is None else parser.names

    @settings(
        max_examples=FACTOR * parser.examples,
        derandomize=FACTOR == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False), st.sampled_from(parser.mutators))
    def check(draw: Random, mutate: Mutator) -> None:
        refusal, _ = try_file(path, mutate(valid, draw), parser.read)
        assert refusal is None or (named in str(refusal) and len(str(refusal)) < LONGEST)

    check()
