"""Base of all tasks on a speech encoder: the adapted encoder, its optimiser, and small checkpoints."""

import inspect
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import torch
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn

from sercl.audio.preprocess import PreprocessConfig
from sercl.batch import AudioBatch
from sercl.corpora.base import SEEN
from sercl.errors import CheckpointError, UsageError
from sercl.imports import path_of
from sercl.models.adapters import AdapterOptions, attach, parse_adapter, refuse_unused
from sercl.models.encoders import Encoder, EncoderOutput
from sercl.models.readout import FrameReadout, Readout
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.checkpoint import (
    describe,
    option_types,
    packages_of,
    preprocessing_of,
    rename_old_keys,
    verify,
    verify_shapes,
    verify_state,
)
from sercl.tasks.optim import OptimizerConfig, build_optimizer, build_schedule, schedule_options
from sercl.tasks.recordings import LIKE, Recordings, fingerprints, from_checkpoint, to_tensors
from sercl.tasks.stepping import Stepping

Config = TypeVar("Config")


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor as plain data; `values` are its `locals()`."""
    return {name: _plain(value) for name, value in values.items() if name not in ("self", "__class__")}


def options_of(task: object, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that a task was built with as plain data, those of a subclass included.

    They build the task again: if a subclass has its own constructor, they are the arguments of that one.

    Args:
        task: The task, whose constructor calls this.
        own: `plain(locals())` at the beginning of that constructor.
    """
    found, frame = dict(own), inspect.currentframe()
    frame = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    while frame is not None and frame.f_code.co_name == "__init__":
        names, _, keywords, values = inspect.getargvalues(frame)
        if not names or values[names[0]] is not task:
            break
        found = plain({name: values[name] for name in names[1:]} | (values[keywords] if keywords else {}))
        check_options(type(task), found)
        frame = frame.f_back
    return found


def revive(kind: type[Config], value: Config | Mapping[str, Any]) -> Config:
    """Build a config from a checkpoint; nested configs validate plain mappings themselves.

    Raises:
        CheckpointError: For an option that the config does not have.
    """
    if not isinstance(value, Mapping):
        return value
    try:
        return kind(**value)
    except TypeError as error:
        raise CheckpointError(
            f"the checkpoint has an option that this sercl does not have ({error}). Use the version of sercl "
            "that wrote it, or train again."
        ) from error


def adapter_options(adapter: str, value: AdapterOptions | Mapping[str, Any]) -> AdapterOptions:
    """Return the options of adapters from a checkpoint or an object.

    Raises:
        UsageError: For adapters that do not exist, or cannot be combined, and for options without effect.
        CheckpointError: As `revive`.
    """
    parse_adapter(adapter)  # imports the packages that methods come from, which adds their options
    options = revive(AdapterOptions, value)
    refuse_unused([adapter], options)
    return options


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def check_options(kind: type, options: Mapping[str, Any]) -> None:
    """Raise `UsageError` for options of a user's class that a checkpoint could not store."""
    for name, value in options.items():
        try:
            checkpoints.check_plain(value, name)
        except CheckpointError as error:
            raise UsageError(
                f"{path_of(kind)}: the option {error} Options are numbers, texts, lists and maps, which "
                "checkpoints can store."
            ) from error


class EncoderTask(Stepping):
    """An encoder with adapters; subclasses add a readout, a loss and metrics.

    Args:
        encoder: The loaded encoder, already cut.
        adapter: Adapter names joined by "+", or "none" or "full".
        adapters: Options of each adapter.
        adapter_blocks: 0-based blocks that get adapters, None for all.
        optimizer: Learning rates and schedule.
        save_full: Whether checkpoints contain the frozen encoder, too.

    Attributes:
        seen_speakers: Part ("train", "validation") -> "corpus speaker" of each known speaker, of all stages;
            stored in checkpoints.
        corpora: Names of the training and validation corpora, sorted; stored in checkpoints.
        recordings: Part -> fingerprints of the recordings of "train" and "validation" in all stages, as
            `tasks.recordings` has them; None if the checkpoint is from a version of sercl that did not store
            them.
        preprocess: What is done to clips before the encoder, in training and afterwards; stored in
            checkpoints. None until the model has data.
        readout: From hidden states to class scores.
        classes: Class names, in class order.
        labels: Class -> emotions that belong to it.
        task_name: Name of the task in checkpoints.
        schedule_monitor: Value that plateau and newbob follow, unless an option names another.
    """

    task_name: ClassVar[str]
    schedule_monitor: ClassVar[str] = "val/loss"
    readout: Readout | FrameReadout
    classes: list[str]
    labels: dict[str, list[str]]

    def __init__(
        self,
        encoder: Encoder,
        adapter: str,
        adapters: AdapterOptions,
        adapter_blocks: list[int] | None,
        optimizer: OptimizerConfig,
        save_full: bool,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.adapter = adapter
        self.adapters = attach(encoder, adapter, adapters, adapter_blocks)
        self.optimizer_config = optimizer
        self.save_full = save_full
        self._stepped: tuple[int, Any] | None = None
        self.seen_speakers: dict[str, list[str]] = {part: [] for part in SEEN}
        self.corpora: list[str] = []
        self.recordings: Recordings | None = {part: set() for part in (*SEEN, LIKE)}
        self.preprocess: PreprocessConfig | None = None
        self._gradients_checked = False
        self.strict_loading = (
            False  # a small checkpoint lacks the frozen encoder; `load_state_dict` checks the rest
        )

    @classmethod
    def restore(cls, path: str | Path, encoder: str | None = None) -> Self:
        """Build the model of a checkpoint.

        Args:
            path: The checkpoint.
            encoder: Folder of its encoder, if that has moved since training; its weights must be the same.

        Raises:
            CheckpointError: If the file is not a checkpoint of sercl, or of another task, or the encoder has
                other weights.
            EncoderError: If the encoder cannot be loaded.
            ImportNotAllowedError: If the model or a part of it comes from a package that is not allowed.
        """
        stored = checkpoints.read_for(cls.task_name, cls, path)
        encoder_path = checkpoints.find_encoder(stored, path) if encoder is None else encoder
        with checkpoints.building_from(path, encoder):
            kind = checkpoints.class_of(stored["sercl"], cls, path)
            task: Self = kind(**{**stored["hyper_parameters"], "encoder": encoder_path})
            if encoder is None:
                task.encoder.name = stored["sercl"]["encoder"]["name"]
            checkpoints.prepare_as_trained(stored, task.encoder)
            task.on_load_checkpoint(stored)
            checkpoints.verify_numbers(stored["state_dict"])
            task.load_state_dict(stored["state_dict"])
        return task

    @property
    def description(self) -> dict[str, Any]:
        """Task, classes and the emotions of each class, as plain data."""
        return {"task": self.task_name, "classes": self.classes, "labels": self.labels}

    @property
    def encoder_is_frozen(self) -> bool:
        """Whether an utterance has the same hidden states at every training step."""
        return not any(p.requires_grad for part in (self.encoder, self.adapters) for p in part.parameters())

    @property
    def leaves_weights_unread(self) -> bool:
        """Whether some trained weights are unused: in blocks above a numbered layer."""
        return not self.encoder_is_frozen and max(self.readout.states) < len(self.encoder.blocks)

    def encode(self, batch: AudioBatch) -> EncoderOutput:
        """Run the adapted encoder over a batch."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.encoder_is_frozen):
            return self.encoder.encode_batch(batch)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; a frozen encoder stays in evaluation mode, so its dropout is never active."""
        super().train(mode)
        if self.encoder_is_frozen:
            self.encoder.eval()
        return self

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

    @property
    def as_trained(self) -> PreprocessConfig:
        """What is done to clips before the encoder; nothing for a model that has had no data."""
        return self.preprocess or PreprocessConfig.RAW

    def use_preprocessing(self, config: PreprocessConfig, whose: str) -> None:
        """Take what is done to clips before the encoder; a model that was trained with other is refused.

        Args:
            config: What is done.
            whose: What has it, for the message: "the data".

        Raises:
            UsageError: For other preprocessing than in training.
        """
        if self.preprocess not in (None, config):
            raise UsageError(
                f"{whose}: preprocessing is {config.in_words}, but the model was trained with "
                f"{self.preprocess.in_words}. A model is used as it was trained: leave --preprocess out, or "
                "set data.use_preprocessing(task.preprocess) in Python."
            )
        self.preprocess = config

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
        """Return the loss of a batch of training data, `[]`."""

    def step_loss(self, batch: Any) -> Tensor:
        """Return the loss of a batch, with what adapters add to it."""
        loss, penalty = self.training_loss(batch), self.adapters.penalty()
        if penalty is None:
            return loss
        self.log(
            "train/penalty", penalty, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True
        )
        return loss + penalty

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
        if self._gradients_checked or self.leaves_weights_unread or not self._has_whole_gradients:
            return
        self._gradients_checked = True
        if names := self.adapters.without_gradient():
            raise UsageError(
                f"adapter {self.adapter!r} on {self.encoder.name!r}: {len(names)} of its tensors get no "
                f"gradient and would not be trained ({', '.join(names[:2])}). The encoder does not use "
                "them: adapt other modules, or choose another adapter, such as lora."
            )

    @property
    def _has_whole_gradients(self) -> bool:
        """Whether gradients are in the parameters, not in shards on several devices."""
        return isinstance(self.trainer.strategy, SingleDeviceStrategy | DDPStrategy)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Drop the frozen encoder from the weights and add the description of the task."""
        checkpoint["sercl"] = describe(self.encoder, self.description, full=self.save_full)
        checkpoint["sercl"] |= {"seen_speakers": self.seen_speakers, "corpora": self.corpora}
        checkpoint["sercl"]["preprocess"] = self.as_trained.to_dict()
        if self.recordings is not None:
            checkpoint["recordings"] = to_tensors(self.recordings)
        kind = type(self)
        if not kind.__module__.startswith("sercl."):
            checkpoint["sercl"]["model"] = path_of(kind)
        if packages := packages_of(str(self.hparams.get("adapter", "")), self.encoder.family):
            checkpoint["sercl"]["packages"] = packages
        options = option_types(kind)  # a subclass may have saved further hyper-parameters
        hparams = {name: _plain(value) for name, value in self.hparams.items() if name in options}
        checkpoint["hyper_parameters"] = {**hparams, "encoder": self.encoder.location}
        if self.save_full:
            checkpoint["hyper_parameters"]["encoder_config"] = self.encoder.config
            return
        frozen = self._frozen_encoder_keys()
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: value for name, value in state.items() if name not in frozen}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another format, task or encoder."""
        verify(checkpoint, self.encoder, self.description)
        rename_old_keys(checkpoint["sercl"])
        self.use_preprocessing(preprocessing_of(checkpoint["sercl"]), "the checkpoint")
        seen = checkpoint["sercl"]["seen_speakers"]
        self.seen_speakers = {part: list(names) for part, names in seen.items()}
        self.corpora = list(checkpoint["sercl"].get("corpora", ()))
        self.recordings = from_checkpoint(checkpoint.get("recordings"))

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights; only those of the frozen encoder may be missing, and none may be unexpected."""
        verify_shapes(state_dict, self.state_dict())
        result = super().load_state_dict(state_dict, strict=False, assign=assign)
        allowed = self._frozen_encoder_keys()
        verify_state([key for key in result.missing_keys if key not in allowed], result.unexpected_keys)
        return type(result)([], [])  # else Lightning warns of every frozen weight that is missing on purpose

    def _frozen_encoder_keys(self) -> set[str]:
        trained = {name for name, p in self.named_parameters(remove_duplicate=False) if p.requires_grad}
        frozen = self.encoder.state_dict().keys() - self.adapters.kept
        return {f"encoder.{name}" for name in frozen} - trained

    def _sum_over_processes(self, values: Tensor) -> Tensor:
        total: Tensor = self.trainer.strategy.reduce(values, reduce_op="sum")
        return total
