"""pyproject.toml, constraints.txt, the Makefile and the CI workflow say the same."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from sercl.tasks.starter import FILE
from sercl.torch_pair import PAIRS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIRED = {item.name: item.specifier for item in map(Requirement, PROJECT["dependencies"])}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = {
    name for line in re.findall(r"^([a-z -]+):(?!=)", MAKEFILE, flags=re.MULTILINE) for name in line.split()
}
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
PYTHONS = [
    item.rpartition(" ")[2] for item in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", item)
]  # fmt: skip


def constraints() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {name: Version(number) for name, number in pairs}


def loads(torch: Version, torchaudio: Version) -> bool:
    first, last = map(Version, PAIRS[str(torchaudio)])
    return first <= Version(f"{torch.major}.{torch.minor}") <= last


def test_the_pair_of_the_constraints_loads_and_is_allowed():
    pair = constraints()
    assert set(pair) == {"torch", "torchaudio"}
    assert loads(**pair)
    assert all(number in REQUIRED[name] for name, number in pair.items())


def test_the_range_of_torch_is_that_of_the_pairs_that_load():
    ends = [Version(end) for pair in PAIRS.values() for end in pair]
    first, last = min(ends), max(ends)
    after = Version(f"{last.major}.{last.minor + 1}")
    assert str(REQUIRED["torch"]) == f"<{after},>={first}"
    assert all(Version(own) in REQUIRED["torchaudio"] for own in PAIRS)


@pytest.mark.parametrize("choose", [min, max], ids=["lowest", "newest"])
def test_both_ends_of_the_range_load(choose):
    own = choose(PAIRS, key=Version)
    assert loads(choose(map(Version, PAIRS[own])), Version(own))


def test_every_direct_dependency_has_a_lower_bound():
    for name, specifier in REQUIRED.items():
        assert any(item.operator in (">=", "==") for item in specifier), name


def test_the_environment_is_rebuilt_when_versions_change():
    assert re.search(r"^\$\(STAMP\): pyproject\.toml constraints\.txt$", MAKEFILE, flags=re.MULTILINE)
    assert "--constraint constraints.txt" in MAKEFILE


def test_the_starter_model_is_in_the_source_distribution_and_not_in_the_wheel():
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert targets["targets"]["wheel"] == {"packages": ["sercl"]}
    assert {f"checkpoints/{FILE}", "checkpoints/starter.md"} <= set(targets["targets"]["sdist"]["include"])


def steps() -> list[str]:
    """Every command of the workflow, with the matrix filled in."""
    found = []
    for job in WORKFLOW["jobs"].values():
        rows = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
        commands = [step["run"] for step in job["steps"] if "run" in step]
        found += [
            command.replace("${{ matrix.target }}", row.get("target", ""))
            for row in rows
            for command in commands
        ]
    return found


def test_the_workflow_calls_targets_of_the_makefile_only():
    commands = steps()
    assert {command.split()[0] for command in commands} == {"make"}
    called = {word for command in commands for word in command.split()[1:] if "=" not in word}
    assert called <= TARGETS
    assert {"quality", "test", "demo", "test-lowest", "test-newest"} <= called


def test_the_workflow_runs_on_every_python_of_the_classifiers():
    assert WORKFLOW["jobs"]["check"]["strategy"]["matrix"]["python"] == PYTHONS
    assert f">={PYTHONS[0]}" == PROJECT["requires-python"]
    ends = [row["python"] for row in WORKFLOW["jobs"]["versions"]["strategy"]["matrix"]["include"]]
    assert ends == [PYTHONS[0], PYTHONS[-1]]


def test_the_tests_of_both_ends_exist():
    paths = dry_run("test-lowest").splitlines()[-1].partition("worksteal ")[2].split()
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def make(*words: str) -> str:
    """Return what make prints; variables of an outer make, which runs these tests, do not reach it."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    outside = {name: value for name, value in outside.items() if name not in ("ARGS", "TESTS", "JOBS")}
    done = subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, check=True, env=outside)
    return done.stdout


def dry_run(*words: str) -> str:
    return make("-n", *words)


@pytest.mark.parametrize("command", ["fit", "layer-probe", "cross-eval", "diarize"])
def test_a_command_runs_on_the_demo_or_with_the_users_own_words(command):
    assert dry_run(command).splitlines()[-1] == f".venv/bin/sercl demo {command}"
    words = "--data EmoDB --data.root 'my corpus'"
    assert dry_run(command, f"ARGS={words}").splitlines()[-1] == f".venv/bin/sercl {command} {words}"


def test_every_target_is_explained():
    said = make("help")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for target in TARGETS - {"install"}:
        assert re.search(rf"\b{target}\b", said), target
        assert target == "help" or f"make {target}" in contributing, target
