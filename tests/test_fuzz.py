"""Whatever a file contains, its reader returns or raises an error of sercl, in 10 s and 1 GB: mutated files.

`SERCL_FUZZ=100 pytest tests/test_fuzz.py` tries a hundred times as many files, at random;
`benchmarks/fuzz.py` counts.
"""

import importlib.util
import itertools
import os
import sys
import time
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sercl.errors import DocumentError
from tests.fuzz import FACTOR, MOST_BYTES, Mutator, TooLargeError, TooSlowError, try_file
from tests.parsers import PARSERS, Parser

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"

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
        refusal = try_file(path, mutate(valid, draw), parser.read).refusal
        assert refusal is None or (named in str(refusal) and len(str(refusal)) < LONGEST)

    check()


def _looped(path: Path) -> None:
    while True:
        path.exists()


def _filled(path: Path) -> None:
    bytearray(2 * MOST_BYTES)


def _refused(path: Path) -> None:
    try:
        _filled(path)
    except MemoryError as error:
        raise DocumentError(path, "damaged") from error


def _grown(path: Path) -> None:
    bytearray(MOST_BYTES // 16).count(1)  # more than the C library takes from what it has kept


@pytest.mark.parametrize(
    ("read", "seconds", "error"),
    [(_looped, 0.2, TooSlowError), (_filled, 10.0, MemoryError), (_refused, 10.0, TooLargeError)],
)
def test_a_reader_that_breaks_a_bound_is_found(read, seconds, error, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tests.fuzz.MOST_SECONDS", seconds)
    with pytest.raises(error):
        try_file(tmp_path / "a", b"x", read)


def _died(path: Path) -> None:
    if path.read_bytes() != b"valid":
        os._exit(3)


def _hung(path: Path) -> None:
    if path.read_bytes() != b"valid":
        time.sleep(600)


@pytest.fixture
def script(monkeypatch):
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("fuzzing", BENCHMARK)
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fuzzing", script)
    spec.loader.exec_module(script)
    return script


def _parser(read) -> Parser:
    return Parser("a", lambda folder: (folder / "a").write_bytes(b"valid"), read, (lambda valid, draw: b"x",))


@pytest.mark.parametrize(
    ("read", "clock", "leak"),
    [(_died, 120.0, "the process ended with exit code 3"), (_hung, 0.5, "no end after 0.5 s by the clock")],
)
def test_the_benchmark_reports_a_reader_that_no_limit_of_python_stops(
    read, clock, leak, tmp_path: Path, monkeypatch, script
) -> None:
    monkeypatch.setitem(script.PARSERS, "it", _parser(read))
    monkeypatch.setattr(script, "MOST_CLOCK", clock)
    tally = script._in_a_process(script.Work("it", 300.0, 0, tmp_path))
    assert tally.leaks == [f"{leak}: the input is {tmp_path / 'it-ended'}"]
    assert (tmp_path / "it-ended").read_bytes() == b"x"


def _divided(path: Path) -> None:
    if path.read_bytes() == b"x!":
        raise ZeroDivisionError("of nothing")
    if path.read_bytes() != b"valid":
        raise DocumentError(path, "damaged")


class _Atheris:
    """Chooses files as atheris does, without following any code."""

    def Setup(self, words, one, custom_mutator) -> None:  # noqa: N802
        self.corpus, self.one, self.mutate = Path(words[1]), one, custom_mutator

    def Fuzz(self) -> None:  # noqa: N802
        seeds = [path.read_bytes() for path in sorted(self.corpus.iterdir())]
        for seed in range(10**9):
            content = self.mutate(seeds[seed % len(seeds)], 100, seed)
            if seed == 0:
                (self.corpus / "new").write_bytes(content)
            self.one(content)

    def Mutate(self, content: bytes, most: int) -> bytes:  # noqa: N802
        return content + b"!"


def test_the_benchmark_follows_what_atheris_chooses(tmp_path: Path, monkeypatch, script) -> None:
    monkeypatch.setitem(sys.modules, "atheris", _Atheris())
    monkeypatch.setitem(script.PARSERS, "it", _parser(_divided))
    monkeypatch.setattr(script, "time", SimpleNamespace(perf_counter=itertools.count().__next__))
    tally = script._in_a_process(script.Work("it", 200, 0, tmp_path, guided=True))
    assert tally.is_done
    assert tally.new == 1
    assert tally.refused > 0
    assert {leak.partition(" in ")[0] for leak in tally.leaks} == {"ZeroDivisionError"}
    assert (tmp_path / "it-0").read_bytes() == b"x!"


def test_the_benchmark_says_how_to_install_atheris(monkeypatch, script, capsys) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        script.main(["--atheris"])
    assert ended.value.code == 2
    assert "uv pip install atheris" in capsys.readouterr().err


def test_the_memory_of_one_file_is_measured_whatever_the_process_took_before(tmp_path: Path) -> None:
    bytearray(MOST_BYTES // 4).count(1)
    tried = try_file(tmp_path / "a", b"x", _grown)
    assert tried.refusal is None
    assert MOST_BYTES // 20 < tried.grown < MOST_BYTES // 12
