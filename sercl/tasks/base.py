"""Base of all tasks of Lightning on a speech encoder: optimiser, schedule and small checkpoints."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from sercl.audio.preprocess import PreprocessConfig
from sercl.corpora.base import SEEN
from sercl.errors import UsageError
from sercl.imports import path_of
from sercl.tasks.checkpoint import describe, option_types, packages_of
from sercl.tasks.models import EncoderModel, plain
from sercl.tasks.optim import build_optimizer, build_schedule, schedule_options
from sercl.tasks.recordings import LIKE, fingerprints, to_tensors
from sercl.tasks.sharding import own_class, part_like
from sercl.tasks.stepping import Stepping, has_whole_weights


class EncoderTask(EncoderModel, Stepping):
    """Training of a model by Lightning; subclasses add metrics.

    Attributes:
        schedule_monitor: Value that plateau and newbob follow, unless an option names another.
    """

    schedule_monitor: ClassVar[str] = "val/loss"
    _stepped: tuple[int, Any] | None = None
    _gradients_checked = False

    def _keep_options(self, options: Mapping[str, Any]) -> None:
        self.save_hyperparameters(dict(options))

    def _add_training(self) -> None:
        self.strict_loading = False  # a small checkpoint lacks the frozen encoder; `load_state_dict` checks

    @property
    def leaves_weights_unread(self) -> bool:
        """Whether some trained weights are unused: in blocks above a numbered layer."""
        return not self.encoder_is_frozen and max(self.readout.states) < len(self.encoder.blocks)

    def setup(self, stage: str) -> None:
        """Refuse data modules for another task or with other preprocessing (called by Lightning).

        Raises:
            UsageError: For such a data module.
        """
        data = getattr(self.trainer, "datamodule", None)
        made_for = getattr(data, "task_name", self.task_name)
        if made_for != self.task_name:
            raise UsageError(
                f"the data {type(data).__name__} are for {made_for}, the model {type(self).__name__} is for "
                f"{self.task_name}. Choose other data, or the model for {made_for}."
            )
        if data is not None:
            self.use_preprocessing(getattr(data, "preprocess", PreprocessConfig.RAW), "the data")

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return trainable parameters as "head", "adapter" and "encoder", each parameter in one group."""
        inner = [*self.encoder.parameters(), *self.adapters.parameters()]
        inside = {id(p): p for p in inner if p.requires_grad}
        head = [p for p in self.parameters() if p.requires_grad and id(p) not in inside]
        name = "encoder" if self.adapter == "full" else "adapter"
        return {"head": head, name: list(inside.values())}

    def trainable_counts(self) -> dict[str, int]:
        """Return the number of trained values per group, and of all values as "total"."""
        counts = {name: sum(p.numel() for p in group) for name, group in self.parameter_groups().items()}
        return {**counts, "total": sum(p.numel() for p in self.parameters())}

    def configure_optimizers(self) -> Any:
        """Return the optimiser with its groups and the schedule (called by Lightning).

        Override it for what no option offers; `parameter_groups` has what is trained.
        """
        config, trainer = self.optimizer_config, self.trainer
        optimizer = build_optimizer(self.parameter_groups(), config)
        schedule = build_schedule(optimizer, config, trainer.estimated_stepping_batches)
        monitor = config.monitor or self.schedule_monitor
        every = trainer.check_val_every_n_epoch
        return {"optimizer": optimizer, "lr_scheduler": schedule_options(schedule, monitor, every)}

    @abstractmethod
    def training_loss(self, batch: Any) -> Tensor:
        """Return the loss of a batch of training data, `[]`, or the terms whose sum it is, `[terms]`.

        A class that overrides it must override `weight_of`, too: otherwise its batches are not divided where
        memory runs out, since the weights of another loss could make wrong gradients of the parts.
        """

    @property
    def _is_divisible(self) -> bool:
        """Whether batches may be trained in parts: `weight_of` must have been written for the loss in use."""
        loss, weight = (_owner(type(self), name) for name in ("training_loss", "weight_of"))
        return issubclass(weight, loss) and super()._is_divisible

    def step_loss(self, batch: Any, share: Tensor | float = 1.0, parts: int = 1) -> Tensor:
        """Return the loss of a batch, with what adapters add to it."""
        loss, penalty = (self.training_loss(batch) * share).sum(), self.adapters.penalty()
        if penalty is None:
            return loss
        self.log(
            "train/penalty", penalty, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True
        )
        return loss + penalty / parts

    def on_train_epoch_end(self) -> None:
        """Log what adapters say, and step schedules that follow a validation value (called by Lightning).

        Lightning steps them after the newest epoch is saved, so that a resumed training would lack a step.
        """
        trainer = self.trainer
        for name, figure in self.adapters.figures().items():
            self.log(f"train/{name}", figure, sync_dist=True)
        for config in trainer.lr_scheduler_configs:
            is_due = config.interval == "epoch" and (trainer.current_epoch + 1) % config.frequency == 0
            value = trainer.callback_metrics.get(str(config.monitor))
            if config.reduce_on_plateau and is_due and value is not None:
                self.lr_scheduler_step(config.scheduler, value)
                self._stepped = (trainer.current_epoch, config.scheduler)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a schedule, unless `on_train_epoch_end` has done so (called by Lightning)."""
        if self._stepped != (self.trainer.current_epoch, scheduler):
            super().lr_scheduler_step(scheduler, metric)

    def on_train_start(self) -> None:
        """Set the training mode, tell adapters, and record training and validation speakers.

        Lightning leaves a model in its current mode: evaluation, after a standardiser was fitted, after
        another model was trained first, or when a checkpoint is resumed. So the mode is set here, where
        every training starts, and nowhere else. Speakers and recordings are recorded so that a later test
        can detect overlap with them.
        """
        self.train()
        self._stepped = None
        self.adapters.begin_training(self.trainer.estimated_stepping_batches)
        for optimizer in self.trainer.optimizers:
            optimizer.register_step_post_hook(self._after_step)
        if (data := getattr(self.trainer, "datamodule", None)) is not None:
            self.seen_speakers = {
                part: sorted({*known, *data.speakers_in(part)}) for part, known in self.seen_speakers.items()
            }
            self.corpora = sorted({*self.corpora, *data.corpora_in(self.seen_speakers)})
            if self.recordings is not None:
                for part in SEEN:
                    self.recordings[part] |= fingerprints(data.audio_keys_in(part))
                self.recordings[LIKE] |= fingerprints(data.likenesses_in("train"))

    def _after_step(self, *_: Any) -> None:
        """Tell adapters of a step of the optimiser; one that mixed precision skips is none."""
        self.adapters.after_step(self.trainer.global_step + 1)

    def on_after_backward(self) -> None:
        """Refuse adapters that training does not reach, once per training (called by Lightning).

        Raises:
            UsageError: For a tensor of an adapter without a gradient: its training would do nothing.
        """
        if self._gradients_checked or self.leaves_weights_unread or not has_whole_weights(self.trainer):
            return
        self._gradients_checked = True
        if names := self.adapters.without_gradient():
            raise UsageError(
                f"adapter {self.adapter!r} on {self.encoder.name!r}: {len(names)} of its tensors get no "
                f"gradient and would not be trained ({', '.join(names[:2])}). The encoder does not use "
                "them: adapt other modules, or choose another adapter, such as lora."
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Drop the frozen encoder from the weights and add the description of the task."""
        checkpoint["sercl"] = describe(self.encoder, self.description, full=self.save_full)
        checkpoint["sercl"] |= {"seen_speakers": self.seen_speakers, "corpora": self.corpora}
        checkpoint["sercl"]["preprocess"] = self.as_trained.to_dict()
        if self.recordings is not None:
            checkpoint["recordings"] = to_tensors(self.recordings)
        kind = own_class(self)
        if not kind.__module__.startswith("sercl."):
            checkpoint["sercl"]["model"] = path_of(kind)
        if packages := packages_of(str(self.hparams.get("adapter", "")), self.encoder.family):
            checkpoint["sercl"]["packages"] = packages
        options = option_types(kind)  # a subclass may have saved further hyper-parameters
        hparams = plain({name: value for name, value in self.hparams.items() if name in options})
        checkpoint["hyper_parameters"] = {**hparams, "encoder": self.encoder.location}
        if self.save_full:
            checkpoint["hyper_parameters"]["encoder_config"] = self.encoder.config
            return
        frozen = self.frozen_encoder_keys()
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: value for name, value in state.items() if name not in frozen}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights, as any model does; of distributed ones each process loads its part."""
        own = self.state_dict()
        parts = {name: part_like(own.get(name), value) for name, value in state_dict.items()}
        return super().load_state_dict(parts, strict, assign)

    def _sum_over_processes(self, values: Tensor) -> Tensor:
        total: Tensor = self.trainer.strategy.reduce(values, reduce_op="sum")
        return total


def _owner(kind: type, name: str) -> type:
    """Return the class that an attribute of a class is written in."""
    return next(each for each in kind.__mro__ if name in vars(each))
