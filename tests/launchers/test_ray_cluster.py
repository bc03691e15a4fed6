"""On a Ray that is started on this machine."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sercl.errors import MissingExtraError, SerclError
from sercl.launchers import LaunchConfig, RayConfig, get_launcher
from sercl.launchers.ray_cluster import RayCluster, check_room
from tests.launchers import samples
from tests.launchers.samples import ROOT, by_name, ends, works


@pytest.fixture(scope="module")
def _cluster() -> Iterator[None]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=2, log_to_driver=False, configure_logging=False)
        yield
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("_cluster")
def test_tasks_that_fail_or_die_take_no_other_down(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    calls = works(
        tmp_path,
        first=(samples.meet, a, b),
        second=(samples.meet, b, a),
        bad=samples.fail,
        killed=samples.die,
        loud=samples.speak,
    )
    outcomes = by_name(list(RayCluster(RayConfig(), jobs=0).run(calls)))
    assert outcomes["first"].error is None
    assert outcomes["second"].error is None
    assert outcomes["bad"].error == "ValueError: no such thing"
    assert str(outcomes["killed"].error).startswith("its process died (WorkerCrashedError: ")
    assert "in fail" in (tmp_path / "logs" / "bad.txt").read_text(encoding="utf-8")
    said = (tmp_path / "logs" / "loud.txt").read_text(encoding="utf-8")
    assert all(word in said for word in ("said", "complained", "warned", "logged"))


@pytest.mark.slow
@pytest.mark.usefixtures("_cluster")
def test_leaving_the_run_stops_what_is_running(tmp_path: Path) -> None:
    pids, ready = tmp_path / "pids", tmp_path / "ready"
    calls = works(tmp_path, long=(samples.sleep, pids), short=(samples.meet, ready, pids))
    outcomes = RayCluster(RayConfig(), jobs=2).run(calls)
    assert next(outcomes).name == "short"
    outcomes.close()  # type: ignore[attr-defined]
    assert [pid for pid in samples.pids_in(pids) if not ends(pid)] == []


@pytest.mark.slow
@pytest.mark.usefixtures("_cluster")
def test_no_more_run_at_a_time_than_asked_for(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in "ab"}
    calls = {name: (samples.alone, path, tmp_path) for name, path in files.items()}
    outcomes = list(RayCluster(RayConfig(), jobs=1).run(works(tmp_path, **calls)))
    assert [outcome.error for outcome in outcomes] == [None, None]


@pytest.mark.slow
def test_a_ray_is_started_and_ended_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    ray.shutdown()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    launcher = RayCluster(RayConfig(), jobs=0)
    [outcome] = launcher.run(works(tmp_path, a=(samples.write, tmp_path / "a", "yes")))
    assert outcome.error is None
    assert (tmp_path / "a").read_text(encoding="utf-8") == "yes"
    assert not ray.is_initialized()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_no_cluster_at_an_address(tmp_path: Path) -> None:
    launcher = RayCluster(RayConfig(address="127.0.0.1:1"), jobs=0)
    with pytest.raises(SerclError, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
        list(launcher.run(works(tmp_path, a=samples.fail)))


def test_nothing_to_do() -> None:
    assert list(RayCluster(RayConfig(), jobs=0).run([])) == []


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sercl\[ray\]'"):
        get_launcher(LaunchConfig(launcher="ray"))


@pytest.mark.parametrize("config", [RayConfig(gpus=0.5), RayConfig(cpus=9)], ids=str)
def test_a_task_that_no_node_can_ever_take(config: RayConfig) -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 2.0, "memory": 1e9}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    check_room(nodes, RayConfig(cpus=2))
    with pytest.raises(SerclError, match=r"this machine has 2 and 0\. Lower"):
        check_room(nodes, config)
