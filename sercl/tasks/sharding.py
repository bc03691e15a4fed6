"""Training an encoder that does not fit on one device: each holds a part of all weights (FSDP)."""

from collections.abc import Iterable, Mapping
from typing import Any

import lightning.pytorch as L
import torch.distributed as dist
from lightning.pytorch.callbacks import StochasticWeightAveraging
from lightning.pytorch.strategies import ModelParallelStrategy, ParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from sercl.errors import UsageError
from sercl.tasks.models import EncoderModel

NAME = "fsdp"
"""Value of `--trainer.strategy`."""
METHODS = {"full", "lora", "bottleneck", "gating"}
"""Adapters that read and change no whole weights outside of a training step."""

_STEPS = ("training_step", "validation_step", "test_step", "fit_standardizer")
"""Methods of a task that compute with its weights."""


class ShardedStrategy(ModelParallelStrategy):
    """Fully sharded data parallel training of a model, block by block, by torch's `fully_shard`.

    Each process has its own batches, a part of every weight, gradient and state of the optimiser, and during
    its computation the whole of one block. Checkpoints are those of any other training: their weights and
    optimiser states are gathered on the first process, which is why training may continue on one device.
    """

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """No: weights are loaded as into a model on one device."""
        return False

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Yes, by `load_optimizer_state_dict`."""
        return True

    @property
    def task(self) -> EncoderModel:
        """The model."""
        return self.lightning_module  # type: ignore[return-value]

    def setup_environment(self) -> None:
        """Make one group of all processes."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def setup(self, trainer: L.Trainer) -> None:
        """Distribute the weights, unless an earlier stage has done so.

        Raises:
            UsageError: As `check_shardable`.
        """
        check_shardable(self.task, trainer, trains=trainer.state.fn is TrainerFn.FITTING)
        if self.accelerator is not None:
            self.accelerator.setup(trainer)
        if not is_sharded(self.task):
            self._shard(self.task)
        self.model_to_device()
        self.barrier()
        if trainer.state.fn is TrainerFn.FITTING:
            self.setup_optimizers(trainer)
        self.setup_precision_plugin()

    def _shard(self, task: EncoderModel) -> None:
        mesh = self.device_mesh["data_parallel"]
        for part in (*task.encoder.blocks, task):
            fully_shard(part, mesh=mesh, reshard_after_forward=True)
            if dist.get_backend() == "gloo":  # which does not compute means
                part.set_force_sum_reduction_for_comms(True)
        for step in _STEPS:
            register_fsdp_forward_method(task, step)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the whole weights that checkpoints hold, in the first process; nothing in the others."""
        left_out = set() if self.task.save_full else self.task.frozen_encoder_keys()
        state = self.task.state_dict()
        return dict(self._whole({name: value for name, value in state.items() if name not in left_out}))

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Load weights."""
        self.task.load_state_dict(checkpoint["state_dict"])

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = True) -> dict[str, Any]:
        """Read a checkpoint as tensors and plain data."""
        return ParallelStrategy.load_checkpoint(self, checkpoint_path, weights_only=True)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the whole state of an optimiser, in the first process; nothing in the others."""
        return dict(self._whole(optimizer.state_dict()))

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Give each process its part of the states of the optimisers."""
        for optimizer, whole in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            state = {index: parts_like(weights[index], own) for index, own in whole["state"].items()}
            optimizer.load_state_dict({**whole, "state": state})

    def _whole(self, value: Any) -> Any:
        """Return plain data in which tensors are whole; all processes must call it."""
        if isinstance(value, Mapping):
            found = {name: self._whole(inner) for name, inner in value.items()}
            return found if self.is_global_zero else {}
        if isinstance(value, DTensor):
            value = value.full_tensor()
        return value.detach().cpu() if isinstance(value, Tensor) else value


def is_sharded(module: nn.Module) -> bool:
    """Whether the weights of a model are distributed over processes."""
    return isinstance(module, FSDPModule)


def own_class(module: nn.Module) -> Any:
    """Return the class of a model, also if torch has replaced it by one for distributed weights."""
    return next(kind for kind in type(module).__mro__ if not issubclass(kind, FSDPModule))


def parts_like(weight: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which whole tensors of the shape of a weight are distributed as the weight is."""
    return {name: part_like(weight, value) for name, value in values.items()}


def part_like(weight: Any, value: Any) -> Any:
    """Return this process's part of a whole tensor of the shape of a weight; other values as they are."""
    fits = isinstance(weight, DTensor) and isinstance(value, Tensor) and value.shape == weight.shape
    if not fits or isinstance(value, DTensor):
        return value
    mesh, device = weight.device_mesh, weight.to_local().device
    # Each process has read the whole tensor: nothing needs to be sent.
    return distribute_tensor(value.to(device), mesh, weight.placements, src_data_rank=None)


def check_shardable(task: nn.Module, trainer: L.Trainer, trains: bool = True) -> None:
    """Raise `UsageError` if a trainer would distribute the weights of a model that does not allow it.

    Args:
        task: The model.
        trainer: The trainer.
        trains: Whether the model is trained, and not only evaluated.
    """
    if not isinstance(trainer.strategy, ShardedStrategy):
        return
    if reason := _reason(task, trainer, trains):
        raise UsageError(f"--trainer.strategy {NAME}: {reason}")


def _reason(task: nn.Module, trainer: L.Trainer, trains: bool) -> str | None:
    """Return why a model cannot be distributed, and what to do instead; None if it can."""
    if trainer.world_size == 1:
        return "there is one device, so nothing is distributed. Give --trainer.devices, or leave it out."
    if not isinstance(task, EncoderModel):
        return "an ensemble, or an encoder alone, is whole on each device. Use --trainer.strategy ddp."
    is_frozen = task.encoder_is_frozen
    if not is_frozen and task.task_name == "diarization":
        return "a diarizer is evaluated on one device. Use --trainer.strategy ddp."
    return reason_against(
        None if is_frozen else task.adapters.counts,
        trainer.callbacks if trains else (),  # type: ignore[attr-defined]
        head_first=trains and getattr(task, "trains_head_first", False),
        adversarial=trains and getattr(task, "adversary", None) is not None,
    )


def reason_against(
    adapters: Iterable[str] | None, callbacks: Iterable[object], *, head_first: bool, adversarial: bool
) -> str | None:
    """Return why a training cannot have distributed weights, and what to do instead; None if it can.

    Args:
        adapters: Names of its adapters; None for a frozen encoder.
        callbacks: Callbacks of its trainer.
        head_first: Whether the head is trained alone first.
        adversarial: Whether training is domain-adversarial.
    """
    if adapters is None:
        return (
            "the encoder is frozen, and each device computes hidden states of its own utterances, at its own "
            "pace. Use --trainer.strategy ddp."
        )
    if others := sorted(set(adapters) - METHODS):
        return (
            f"adapter {others[0]} reads or changes whole weights, of which a device has a part. Use "
            f"{', '.join(sorted(METHODS))}, or --trainer.strategy ddp."
        )
    if head_first:
        return (
            "the head would be trained first on a frozen encoder, which each device runs by itself. Give "
            "--model.head_first false."
        )
    if adversarial:
        return "not with --model.adversarial. Use --trainer.strategy ddp."
    if any(isinstance(each, StochasticWeightAveraging) for each in callbacks):
        return "StochasticWeightAveraging copies whole weights. Leave that callback out."
    return None
