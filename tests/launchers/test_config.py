import pytest

from sercl.errors import UnknownNameError, UsageError
from sercl.launchers import LaunchConfig, RayConfig, SlurmConfig


def test_an_unknown_launcher_or_executor_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown launcher 'slrum'\. Did you mean 'slurm'"):
        LaunchConfig(launcher="slrum")
    with pytest.raises(UnknownNameError, match="unknown executor of slurm 'debug'"):
        SlurmConfig(executor="debug")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LaunchConfig(jobs=-1), "jobs is -1; it must be 0 or more"),
        (lambda: LaunchConfig(jobs=10**9), "jobs is 1000000000; at most 256 run at a time"),
        (lambda: SlurmConfig(minutes=0), "slurm.minutes is 0; it must be 1 or more"),
        (lambda: SlurmConfig(cpus=0), "slurm.cpus is 0; it must be 1 or more"),
        (lambda: SlurmConfig(gpus=-1), "slurm.gpus is -1; it must be 0 or more"),
        (lambda: SlurmConfig(memory=float("nan")), "slurm.memory is nan; it must be 0 or more"),
        (lambda: SlurmConfig(memory=float("inf")), "slurm.memory is inf; it must be 0 or more, and at most"),
        (lambda: SlurmConfig(gpus=2**62), "it must be 0 or more, and at most 1000"),
        (lambda: SlurmConfig(minutes=2**62), "it must be 1 or more, and at most 1000000"),
        (lambda: LaunchConfig(launcher="ray", jobs=2**62), "it must be 0 or more, and at most 1000000"),
        (lambda: RayConfig(cpus=0), "ray.cpus is 0; it must be 1 or more"),
        (lambda: RayConfig(gpus=-0.5), "ray.gpus is -0.5; it must be 0 or more"),
    ],
)
def test_a_number_out_of_range_is_named(make: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (LaunchConfig(jobs=129), "jobs is 129, each of 2 processes"),
        (
            LaunchConfig(launcher="slurm", slurm=SlurmConfig(gpus=1)),
            r"--launch.slurm.gpus 1: a training runs in 2 processes .* Give --launch.slurm.gpus 2",
        ),
        (LaunchConfig(launcher="slurm", slurm=SlurmConfig(cpus=1)), "Give --launch.slurm.cpus 2"),
        (
            LaunchConfig(launcher="ray", ray=RayConfig(cpus=2, gpus=0.5)),
            "--launch.ray.gpus 0.5: .* Give --launch.ray.gpus 2",
        ),
        (LaunchConfig(launcher="ray"), "--launch.ray.cpus 1: .* Give --launch.ray.cpus 2"),
    ],
)
def test_a_device_needs_a_core_and_a_gpu_of_its_own(config: LaunchConfig, message: str) -> None:
    config.check_devices(1)
    with pytest.raises(UsageError, match=message):
        config.check_devices(2)


@pytest.mark.parametrize(
    "config",
    [
        LaunchConfig(jobs=128),
        LaunchConfig(launcher="slurm"),  # on its processors
        LaunchConfig(launcher="slurm", slurm=SlurmConfig(gpus=2)),
        LaunchConfig(launcher="ray", ray=RayConfig(cpus=2, gpus=2)),
    ],
)
def test_what_is_enough_for_all_devices_is_accepted(config: LaunchConfig) -> None:
    config.check_devices(2)
