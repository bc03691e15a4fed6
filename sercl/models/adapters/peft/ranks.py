"""The ranks of AdaLoRA: their schedule, what is known of them between two steps, and the penalty."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sercl.errors import UsageError

if TYPE_CHECKING:
    from peft import AdaLoraConfig, PeftModel
    from peft.tuners.adalora import AdaLoraModel

TOTAL, FIRST, LAST = "total_step", "tinit", "tfinal"
SCHEDULE = (TOTAL, FIRST, LAST)
"""Arguments of AdaLoRA that are of one training, not of the adapter."""

_FEWEST_STEPS = 2


class Ranks(nn.Module):
    """The ranks of AdaLoRA (Zhang et al., arXiv 2303.10512), which are cut while it is trained.

    Of every matrix `init_r` triplets (column, singular value, row) are trained. After `tinit` steps the least
    important ones of all matrices are set to zero, more and more of them, until `tfinal` steps before the end
    `target_r` per matrix remain on average. Those are then kept, in further stages, too. peft does this;
    what it needs from one step to the next is in buffers, so that checkpoints hold it.

    Args:
        model: The encoder with the adapter, as `peft.get_peft_model` returns it.
        options: The user's arguments. Steps that they do not set are derived from the length of the training:
            `tinit` is a tenth of it and `tfinal` half of the rest, about as in the paper.

    Attributes:
        sensitivity: Moving average of |weight x gradient| of each number, `[numbers]`.
        uncertainty: Moving average of its deviation, `[numbers]`.
        kept: Whether a triplet is kept, `[matrices, init_r]`.
        final: Whether the ranks are the final ones, `[]`.
        schedule: `total_step`, `tinit` and `tfinal` of the last training, `[3]`; zeros before the first.

    Raises:
        UsageError: For a target that is no reduction.
    """

    sensitivity: Tensor
    uncertainty: Tensor
    kept: Tensor
    final: Tensor
    schedule: Tensor

    def __init__(self, model: "PeftModel", options: Mapping[str, Any]) -> None:
        super().__init__()
        # Inside a tuple, where torch does not look: the encoder's tensors must not be listed twice.
        self._model = (model,)
        self._options = {name: value for name, value in options.items() if name in SCHEDULE}
        if not self.config.target_r < self.config.init_r:
            raise UsageError(
                f"peft:adalora: target_r {self.config.target_r} must be below init_r {self.config.init_r}: "
                "ranks are only ever reduced. For a constant rank, choose peft:lora."
            )
        flat = torch.cat([each.detach().flatten() for each in self._tensors().values()])
        for name in ("sensitivity", "uncertainty"):
            self.register_buffer(name, torch.zeros_like(flat))
        matrices = len(self._tensors("lora_E"))
        self.register_buffer("kept", torch.ones(matrices, self.config.init_r, dtype=torch.bool))
        self.register_buffer("final", torch.tensor(False))
        self.register_buffer("schedule", torch.zeros(len(SCHEDULE), dtype=torch.long))

    @property
    def config(self) -> "AdaLoraConfig":
        """The configuration of the adapter in peft."""
        found: AdaLoraConfig = self._model[0].peft_config["default"]
        return found

    @property
    def mean(self) -> float:
        """Mean rank over all matrices."""
        return float(self.kept.sum(dim=1).double().mean())

    def begin(self, steps: float) -> None:
        """Set the schedule for a training, unless the ranks are final.

        Args:
            steps: Optimiser steps of the training.

        Raises:
            UsageError: For a schedule that does not fit the training, or has no effect on final ranks.
        """
        if self.final and self._options and not self.schedule.any():
            raise UsageError(
                f"--model.adapters.peft.{next(iter(self._options))}: has no effect, since the ranks in the "
                "folder are the final ones, which are kept. Leave it out."
            )
        if not self.final:
            self.schedule.copy_(torch.tensor(plan(steps, **self._options)))
        self._set_schedule()

    def penalty(self) -> Tensor:
        """Return how far rows and columns are from orthogonal, times `orth_reg_weight`, `[]`."""
        with torch.autocast(self.kept.device.type, enabled=False):
            a = [each @ each.T for each in self._tensors("lora_A").values()]
            b = [each.T @ each for each in self._tensors("lora_B").values()]
            away = [torch.linalg.norm(each - torch.eye(len(each)).to(each)) for each in (*a, *b)]
            return torch.stack(away).mean() * float(self.config.orth_reg_weight)

    def after_step(self, step: int) -> None:
        """Update the importance from the gradients, which must still be there, and cut the ranks.

        Args:
            step: Optimiser steps of this training, the last one included.
        """
        peft: AdaLoraModel = self._model[0].base_model
        if self.final:
            peft.rankallocator.mask_using_rank_pattern(peft.model, self._pattern(self.kept))
            return
        end = self.config.total_step - self.config.tfinal
        self._hand_over()
        peft.update_and_allocate(min(step, end))
        self._take_back()
        self.final.fill_(step >= end)

    def widened(self, weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of an adapter whose ranks may be cut with `init_r` triplets again; keep the cut.

        Args:
            weights: Name -> tensor, as in peft's own format.
            own: The same of this adapter, whose triplets fill the place of those that were cut.
        """
        values = [weights[name] for name in own if "lora_E" in name and name in weights]
        if len(values) == len(self.kept) and all(len(each) <= self.config.init_r for each in values):
            self.kept.copy_(
                torch.tensor([[i < len(each) for i in range(self.config.init_r)] for each in values])
            )
            self.final.fill_(self.mean <= self.config.target_r)
        return {
            name: _widened(value, own[name], "lora_E" in name) if name in own else value
            for name, value in weights.items()
        }

    def describe(self) -> None:
        """Enter schedule and ranks in peft's configuration, which is saved with the weights."""
        self._set_schedule()
        # Between two cuts, those that were cut last may have grown again.
        in_use = [each.detach().flatten() != 0 for each in self._tensors("lora_E").values()]
        kept = self.kept | torch.stack(in_use).to(self.kept.device)
        self.config.rank_pattern = None if bool(kept.all()) else self._pattern(kept)

    def _set_schedule(self) -> None:
        if self.schedule.any():
            for name, value in zip(SCHEDULE, self.schedule.tolist(), strict=True):
                setattr(self.config, name, value)

    def _tensors(self, part: str = "lora_") -> dict[str, nn.Parameter]:
        """Return A, B and E of every matrix, or one of them, by the names that peft gives them."""
        named = self._model[0].base_model.model.named_parameters()
        return {name: each for name, each in named if part in name and name.endswith(".default")}

    def _pattern(self, kept: Tensor) -> dict[str, list[bool]]:
        return dict(zip(self._tensors("lora_E"), kept.tolist(), strict=True))

    def _hand_over(self) -> None:
        """Give peft what the buffers hold."""
        tensors = self._tensors()
        for each in tensors.values():
            if each.grad is None:  # of a block that was skipped in this step
                each.grad = torch.zeros_like(each)
        sizes = [each.numel() for each in tensors.values()]
        allocator = self._model[0].base_model.rankallocator
        allocator.ipt = dict.fromkeys(tensors)  # peft would start averages at zero for other names
        self.config.rank_pattern = None
        for name, flat in (("exp_avg_ipt", self.sensitivity), ("exp_avg_unc", self.uncertainty)):
            parts = zip(tensors.items(), torch.split(flat, sizes), strict=True)
            setattr(allocator, name, {key: part.view_as(each) for (key, each), part in parts})

    def _take_back(self) -> None:
        """Store what peft has computed in the buffers."""
        allocator = self._model[0].base_model.rankallocator
        for found, flat in (
            (allocator.exp_avg_ipt, self.sensitivity),
            (allocator.exp_avg_unc, self.uncertainty),
        ):
            if found:
                flat.copy_(torch.cat([found[name].flatten() for name in self._tensors()]))
            else:  # dropped with the last cut
                flat.zero_()
        if self.config.rank_pattern:
            self.kept.copy_(
                torch.tensor([self.config.rank_pattern[name] for name in self._tensors("lora_E")])
            )


def plan(
    steps: float, total_step: int | None = None, tinit: int | None = None, tfinal: int | None = None
) -> tuple[int, int, int]:
    """Return `total_step`, `tinit` and `tfinal` for a training.

    Args:
        steps: Optimiser steps of the training; infinite without a limit.
        total_step: Steps until the end of the schedule; None for all.
        tinit: Steps before the first cut; None for a tenth.
        tfinal: Steps after the last cut; None for half of those after `tinit`.

    Raises:
        UsageError: For a schedule without a cut, or that ends after the training.
    """
    if total_step is None and not math.isfinite(steps):
        raise UsageError(
            "peft:adalora: the ranks are cut over the length of the training, which has no limit. Give "
            "--trainer.max_epochs or --trainer.max_steps, or --model.adapters.peft.total_step."
        )
    if total_step is not None and total_step > steps:
        raise UsageError(
            f"--model.adapters.peft.total_step {total_step}: the training has only {int(steps)} steps, so "
            "that the ranks would not reach target_r. Leave it out, or train for longer."
        )
    total = int(steps) if total_step is None else total_step
    first = (total - (tfinal or 0)) // 10 if tinit is None else tinit
    last = max(0, min((total - first) // 2, total - _FEWEST_STEPS)) if tfinal is None else tfinal
    if total - last <= first or total - last < _FEWEST_STEPS:
        raise UsageError(
            f"peft:adalora: no step is left to cut ranks. Of {total} steps, the first {first} (tinit) and "
            f"the last {last} (tfinal) cut none, and importance is known from step {_FEWEST_STEPS} "
            "on. Reduce --model.adapters.peft.tinit or .tfinal, or train for longer."
        )
    return total, first, last


def _widened(value: Tensor, own: Tensor, is_value: bool) -> Tensor:
    """Return a copy of `own` with a smaller tensor in its corner; other singular values are zero."""
    if value.dim() != own.dim() or any(a > b for a, b in zip(value.shape, own.shape, strict=True)):
        return value
    wide = torch.zeros_like(own) if is_value else own.clone()
    wide[tuple(slice(size) for size in value.shape)] = value
    return wide
