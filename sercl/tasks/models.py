"""The models without Lightning: what checkpoints hold, and predictions need.

Each is the base of a task of Lightning, which trains it. Importing Lightning takes longer than a prediction.
"""

import copy
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from sercl.audio.preprocess import PreprocessConfig
from sercl.audio.resample import SAMPLE_RATE
from sercl.batch import AudioBatch, FeatureBatch
from sercl.corpora.base import SEEN
from sercl.diarization.postprocess import PostConfig
from sercl.diarization.segments import NEUTRAL
from sercl.errors import CheckpointError, UnknownNameError, UsageError
from sercl.imports import path_of
from sercl.models import encoder_folder
from sercl.models.adapters import AdapterOptions, attach, parse_adapter, refuse_unused
from sercl.models.adversary import AdversarialConfig, build_adversary
from sercl.models.encoders import (
    Encoder,
    EncoderOutput,
    Regularization,
    block_count,
    load_encoder,
    rebuild_encoder,
)
from sercl.models.encoders.source import DEFAULT
from sercl.models.heads import build_head, check_head, is_one_layer
from sercl.models.losses import ClassLoss, LossFunction, build_loss
from sercl.models.pooling import Pooling, build_pooling, check_pooling, name_of
from sercl.models.readout import (
    Context,
    FrameReadout,
    Readout,
    build_context,
    check_context,
    check_layer,
)
from sercl.models.standardize import BY_CORPUS, CorpusStandardizer, centred, layer_normed
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.optim import OptimizerConfig
from sercl.tasks.recordings import LIKE, Recordings, from_checkpoint

Config = TypeVar("Config")


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as plain data; `values` may be the `locals()` of a constructor."""
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


def default_layer(adapter: str) -> str:
    """Return the default layer of a model."""
    return "auto" if adapter == "none" else "last"


def encoder_for_layer(
    name: str,
    layer: int | str,
    last_block: int | None,
    revision: str | None,
    whisper_form: str,
    gradient_checkpointing: bool,
    config: dict[str, Any] | None = None,
) -> Encoder:
    """Load the encoder with the blocks that are needed, or rebuild it from a full checkpoint.

    Blocks above a numbered layer are not needed. Hidden state k is then the last and the same as in the whole
    model, where a norm may follow the last block and none follows the others.

    Args:
        name: As for `load_encoder`, like all others except `layer` and `config`.
        layer: Hidden state to use.
        last_block: Last block chosen by the user.
        revision: Revision on the hub.
        whisper_form: "padded" or "short".
        gradient_checkpointing: Whether blocks are recomputed in the backward pass.
        config: `Encoder.config` that a checkpoint stored; None for an encoder that is loaded.
    """
    if config is not None:
        return rebuild_encoder(name, config, gradient_checkpointing=gradient_checkpointing)
    cut = None
    if isinstance(layer, int) and layer > 0 and last_block is None:
        blocks = block_count(name, revision)
        encoder_folder.check_layer(name, layer, blocks)
        cut = layer - 1 if layer < blocks else None
    return load_encoder(
        name,
        revision=revision,
        last_block=last_block if cut is None else cut,
        final_norm=cut is None,
        whisper_form=whisper_form,
        gradient_checkpointing=gradient_checkpointing,
    )


class EncoderModel(nn.Module):
    """An encoder with adapters; subclasses add a readout and a loss.

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
    """

    task_name: ClassVar[str]
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
        self.seen_speakers: dict[str, list[str]] = {part: [] for part in SEEN}
        self.corpora: list[str] = []
        self.recordings: Recordings | None = {part: set() for part in (*SEEN, LIKE)}
        self.preprocess: PreprocessConfig | None = None

    def _keep_options(self, options: Mapping[str, Any]) -> None:
        """Keep the arguments of the constructor for checkpoints, which only a task writes."""

    def _add_training(self) -> None:
        """Add what only training needs, at the end of the constructor: nothing, unless it is a task."""

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

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another format, task or encoder."""
        checkpoints.verify(checkpoint, self.encoder, self.description)
        checkpoints.rename_old_keys(checkpoint["sercl"])
        self.use_preprocessing(checkpoints.preprocessing_of(checkpoint["sercl"]), "the checkpoint")
        seen = checkpoint["sercl"]["seen_speakers"]
        self.seen_speakers = {part: list(names) for part, names in seen.items()}
        self.corpora = list(checkpoint["sercl"].get("corpora", ()))
        self.recordings = from_checkpoint(checkpoint.get("recordings"))

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights; only those of the frozen encoder may be missing, and none may be unexpected."""
        checkpoints.verify_shapes(state_dict, self.state_dict())
        result = super().load_state_dict(state_dict, strict=False, assign=assign)
        allowed = self.frozen_encoder_keys()
        checkpoints.verify_state(
            [key for key in result.missing_keys if key not in allowed], result.unexpected_keys
        )
        return type(result)([], [])  # else Lightning warns of every frozen weight that is missing on purpose

    def frozen_encoder_keys(self) -> set[str]:
        """Return the names of weights that only a full checkpoint holds."""
        trained = {name for name, p in self.named_parameters(remove_duplicate=False) if p.requires_grad}
        frozen = self.encoder.state_dict().keys() - self.adapters.kept
        return {f"encoder.{name}" for name in frozen} - trained


CLASS_WEIGHTS = ("none", "balanced")

REGRESSION, RANDOM = "regression", "random"
"""Initial weights of a head."""


def check_weights(class_weights: str, loss: ClassLoss) -> None:
    """Raise `UsageError` for class weights that a loss does not take."""
    if class_weights != "none" and not loss.takes_weights:
        raise UsageError(
            f"class_weights {class_weights}: the loss takes no class weights. Give its forward a parameter "
            "`weight` ([classes], or None), or leave class_weights at none."
        )


def initial_weights(init: str | None, adapter: str, layer: int | str, is_linear: bool) -> str:
    """Return what the initial weights of a head are: by default regressions, where they are possible.

    Args:
        init: The option.
        adapter: The adapter.
        layer: The layer choice.
        is_linear: Whether the head is a linear layer.

    Raises:
        UnknownNameError: For an option that does not exist.
        UsageError: For regressions where they are not possible.
    """
    if init not in (None, REGRESSION, RANDOM):
        raise UnknownNameError("head_init", str(init), (REGRESSION, RANDOM))
    is_possible = is_linear and adapter == "none" and layer != "weighted"
    if init == REGRESSION and not is_possible:
        raise UsageError(
            f"head_init {REGRESSION}: is for a linear head on one hidden state of a frozen encoder. Leave it "
            "out, or use head linear, adapter none, and another layer than weighted."
        )
    return init or (REGRESSION if is_possible else RANDOM)


def _copies(loss: ClassLoss, count: int) -> nn.ModuleList:
    """Return a loss per head: heads are independent, so what a loss trains must not be shared by them."""
    return nn.ModuleList([loss, *(copy.deepcopy(loss) for _ in range(count - 1))])


class UtteranceModel(EncoderModel):
    """A speech encoder with a classifier of the emotion of an utterance.

    Args:
        encoder: Speech encoder: a preset (whisper-base, wavlm-large, ...), a hub id or a folder.
        adapter: none (frozen encoder), full (train the encoder), or lora, peft:METHOD,
            bottleneck, gating joined by "+".
        layer: Hidden state to use: 0 (input of block 1) to N, last, weighted (learned sum of all), or auto
            (chosen on unseen speakers). Auto trains one head per hidden state. Null: auto with a frozen
            encoder, else last.
        last_block: Cut the encoder after this block (0-based); null keeps all.
        pooling: mean, mean+std or attentive, over valid frames; or the import path of a class of your own.
        head: linear, or paper (the MLP of arXiv 2409.16920); or the import path of a class.
        dropout: Dropout before the head.
        head_init: regression (a linear head on a frozen encoder starts from logistic regressions whose
            penalty is chosen on unseen speakers, where hidden states are stored), or random. Null: regression
            if possible.
        standardize: Standardise features by statistics of the training set, stored in the checkpoint; corpus
            for those of each corpus (of a pair's target by its training part without labels; of any other
            corpus by those of all together), for a frozen encoder.
        layer_norm: Normalise each pooled vector to mean 0 and variance 1 before that. Null: with a frozen
            encoder.
        loss: cross-entropy, or the import path of a class: torch.nn.CrossEntropyLoss (with init_args such as
            label_smoothing), torch.nn.MultiMarginLoss, or your own.
        class_weights: none, or balanced (inverse to class frequency in the training set).
        optimizer: Learning rates and schedule.
        adapters: Options of each adapter.
        adapter_blocks: Blocks (0-based) that get adapters; null for all kept blocks.
        regularization: Dropout, SpecAugment and LayerDrop of the encoder in training, unless it is frozen.
        adversarial: Domain-adversarial training on the target's audio without labels; off by default.
        whisper_form: padded (30 s, as Whisper was trained) or short (cut to the clip, 9 times cheaper).
        revision: Revision of the encoder on the hub.
        head_first: Before the adapters, train the head alone, as with a frozen encoder (LP-FT, Kumar et al.
            2022): few utterances then change the encoder less.
        gradient_checkpointing: Recompute activations in the backward pass: less memory, more time.
        save_full: Store the frozen encoder in checkpoints, too, so that they are self-contained.
        labels: Class -> emotions that belong to it, in class order; set by the data module.
        encoder_config: Written by a checkpoint stored in full; not to be set by hand.
    """

    task_name = "classification"
    earlier_options = MappingProxyType({"layer_norm": False, "head_init": RANDOM})
    readout: Readout

    def __init__(
        self,
        encoder: str = DEFAULT,
        adapter: str = "none",
        layer: int | str | None = None,
        last_block: int | None = None,
        pooling: str | dict[str, Any] = "mean",
        head: str | dict[str, Any] = "linear",
        dropout: float = 0.0,
        head_init: str | None = None,
        standardize: bool | Literal["corpus"] = True,
        layer_norm: bool | None = None,
        loss: str | dict[str, Any] = "cross-entropy",
        class_weights: str = "none",
        optimizer: OptimizerConfig = OptimizerConfig(),
        adapters: AdapterOptions = AdapterOptions(),
        adapter_blocks: list[int] | None = None,
        regularization: Regularization = Regularization(),
        adversarial: AdversarialConfig = AdversarialConfig(),
        whisper_form: str = "padded",
        revision: str | None = None,
        head_first: bool = False,
        gradient_checkpointing: bool = False,
        save_full: bool = False,
        labels: dict[str, list[str]] | None = None,
        encoder_config: dict[str, Any] | None = None,
    ) -> None:
        hparams = plain(locals())
        if class_weights not in CLASS_WEIGHTS:
            raise UnknownNameError("class_weights", class_weights, CLASS_WEIGHTS)
        if head_first and adapter == "none":
            raise UsageError("head_first is for adapters: with adapter none, only the head is trained.")
        if standardize == BY_CORPUS and adapter != "none":
            raise UsageError(
                f"standardize {BY_CORPUS}: statistics of the pre-trained encoder do not hold for the adapter "
                f"{adapter!r}, which changes what they are taken of. Use standardize true, or adapter none."
            )
        options = adapter_options(adapter, adapters)
        layer = default_layer(adapter) if layer is None else layer
        hparams["layer_norm"] = layer_norm = adapter == "none" if layer_norm is None else layer_norm
        loaded = encoder_for_layer(
            encoder, layer, last_block, revision, whisper_form, gradient_checkpointing, encoder_config
        )
        loaded.regularize(revive(Regularization, regularization), trains_encoder=adapter == "full")
        super().__init__(
            encoder=loaded,
            adapter=adapter,
            adapters=options,
            adapter_blocks=adapter_blocks,
            optimizer=revive(OptimizerConfig, optimizer),
            save_full=save_full,
        )
        self._keep_options({**options_of(self, hparams), "adapters": self.adapters.options})
        self.labels = labels or {name: [name] for name in ("angry", "happy", "neutral", "sad")}
        self.classes = list(self.labels)
        self.class_weights = class_weights
        self._own: dict[str, Any] = {
            "layer": layer,
            "pooling": pooling,
            "head": head,
            "loss": loss,
            "head_first": head_first,
        }
        self.dropout = dropout
        self._build_readout(layer, standardize, layer_norm)
        self.head_init = initial_weights(head_init, adapter, layer, is_one_layer(self.readout.heads[0]))
        self.criteria = _copies(ClassLoss(self.build_loss(len(self.classes))), len(self.readout.heads))
        check_weights(class_weights, cast(ClassLoss, self.criteria[0]))
        self.adversarial = revive(AdversarialConfig, adversarial)
        # Built last, so that everything else has the same initial weights as without it.
        self.adversary = build_adversary(
            self.adversarial, len(self.readout.heads), self.pooling.out_dim, self.encoder_is_frozen
        )
        self._add_training()

    def _build_readout(self, layer: int | str, standardize: bool | str, layer_norm: bool) -> None:
        states, dim, count = self.encoder.num_states, self.encoder.hidden_size, len(self.classes)
        self.pooling = self.build_pooling(dim)
        check_pooling(self.pooling, dim)
        head = self.build_head(self.pooling.out_dim, count)
        check_head(head, self.pooling.out_dim, count)
        self.readout = Readout(
            check_layer(layer, states), states, self.pooling.out_dim, head, standardize, layer_norm
        )

    def build_pooling(self, dim: int) -> Pooling:
        """Return the pooling of an utterance's frames into one vector; override it for one of your own.

        Args:
            dim: Width of a hidden state.

        Returns:
            `sercl.models.pooling.Pooling`: hidden states `[batch, frames, dim]` and lengths `[batch]` ->
            `[batch, out_dim]`. Its weights are trained at `optimizer.head_lr`. Vectors of a built-in pooling
            without weights are computed once where the encoder is frozen; of any other in every epoch.
        """
        return build_pooling(self._own["pooling"], dim)

    def build_head(self, dim: int, classes: int) -> nn.Module:
        """Return the classifier of a vector; override it for one of your own.

        Args:
            dim: Width of a pooled vector.
            classes: Number of classes.

        Returns:
            A module from `[batch, dim]` to logits `[batch, classes]`. With layer "auto" every hidden state
            gets a copy. The option `dropout` is `self.dropout`.
        """
        return build_head(self._own["head"], dim, classes, self.dropout)

    def build_loss(self, classes: int) -> LossFunction:
        """Return the loss; override it for one of your own.

        Args:
            classes: Number of classes.

        Returns:
            A module or function of logits `[batch, classes]` and labels `[batch]` (class indices) that
            returns the mean over the batch, `[]`; weights of a module are trained at `optimizer.head_lr`. It
            gets the class weights (`[classes]`, or None) if it has a parameter `weight`. With layer "auto"
            every head gets a copy.
        """
        return build_loss(self._own["loss"], classes)

    @property
    def can_use_features(self) -> bool:
        """Whether pooled hidden states may be computed once per utterance and used instead of audio."""
        return self.encoder_is_frozen and self.stored_pooling is not None

    @property
    def stored_pooling(self) -> str | None:
        """Name of the pooling if it is sercl's own and untrained, so that pooled vectors may be stored."""
        kind = type(self)
        is_own = kind.pool is not UtteranceModel.pool or kind.encode is not EncoderModel.encode
        return None if is_own or not self.pooling.frozen else name_of(self.pooling)

    def pool(self, batch: AudioBatch) -> Tensor:
        """Return pooled hidden states of the layers in use, `[batch, states, dim]` float32."""
        output = self.encode(batch)
        states = [output.hidden_states[i] for i in self.readout.states]
        return torch.stack([self.pooling(state, output.lengths) for state in states], dim=1).float()

    def scores(self, batch: AudioBatch | FeatureBatch) -> Tensor:
        """Return logits of every candidate layer, `[batch, heads, classes]`."""
        features = batch.features if isinstance(batch, FeatureBatch) else self.pool(batch)
        return cast(Tensor, self.readout(features, batch.corpora))

    @property
    def standardized_corpora(self) -> tuple[str, ...] | None:
        """Corpora that are standardised by their own statistics, empty before training; None if none is."""
        own = self.readout.standardizer
        return own.names if isinstance(own, CorpusStandardizer) else None

    def forward(self, batch: AudioBatch | FeatureBatch) -> Tensor:
        """Return class probabilities `[batch, classes]`, from the chosen layer."""
        return self.readout.choose(self.scores(batch)).softmax(dim=-1)

    def keep_for_prediction(self, states: Iterable[int | None] = ()) -> None:
        """Drop what predictions do not need: other layers' heads, and blocks after the chosen one.

        Probabilities stay as they are; the model can neither be trained nor saved any more. A model of yours
        that pools or scores in its own way, and a weighted sum of layers, keep everything.

        Args:
            states: Hidden states that are needed besides, by other models with the same encoder.
        """
        wanted = {self.readout.chosen_state, *states}
        if None in wanted or not self._has_own_steps:
            return
        self.readout.keep(cast(set[int], wanted))
        self.encoder.keep_blocks(max(1, *self.readout.states, *cast(set[int], wanted)))

    @property
    def _has_own_steps(self) -> bool:
        """Whether everything between audio and probabilities is sercl's own."""
        names = ("forward", "scores", "pool", "encode")
        return all(getattr(type(self), name) is getattr(UtteranceModel, name) for name in names)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another task or encoder, and make room for its statistics."""
        super().on_load_checkpoint(checkpoint)
        if isinstance(own := self.readout.standardizer, CorpusStandardizer):
            own.hold(checkpoints.standardized_corpora_of(checkpoint["sercl"]))


class FrameModel(EncoderModel):
    """A speech encoder with a classifier of the emotion of every frame.

    Args:
        encoder: Speech encoder: a preset (whisper-base, wavlm-large, ...), a hub id or a folder.
        adapter: none (frozen encoder), full (train the encoder), or lora, peft:METHOD,
            bottleneck, gating joined by "+".
        layer: Hidden state to use: a number from 0 (input of block 1) to N, last, or weighted (learned sum
            of all). Null: weighted with a frozen encoder, else last.
        last_block: Cut the encoder after this block (0-based); null keeps all.
        context: Layer between encoder and classifier: none, conv (0.8 s on each side) or gru; or the import
            path of a class of your own.
        dropout: Dropout before the classifier.
        bias: Whether the classifier has a bias; the ZED recipe's has none.
        standardize: Standardise frames by statistics of training clips, stored in the checkpoint.
        sentence_mean: Subtract the mean of each waveform before the encoder.
        output_norm: Layer norm without weights on the encoder's output, over all frames of a clip.
        loss: cross-entropy, or the import path of a class: torch.nn.CrossEntropyLoss (with init_args such as
            label_smoothing), torch.nn.MultiMarginLoss, or your own.
        class_weights: none, or balanced (inverse to the class's fraction of time in training clips).
        post: How frame probabilities become segments, in validation and test.
        optimizer: Learning rates and schedule.
        adapters: Options of each adapter.
        adapter_blocks: Blocks (0-based) that get adapters; null for all kept blocks.
        regularization: Dropout, SpecAugment and LayerDrop of the encoder in training, unless it is frozen.
        whisper_form: padded (30 s, as Whisper was trained) or short (cut to the clip).
        revision: Revision of the encoder on the hub.
        gradient_checkpointing: Recompute activations in the backward pass: less memory, more time.
        save_full: Store the frozen encoder in checkpoints, too, so that they are self-contained.
        labels: Class -> emotions that belong to it, in class order; set by the data module.
        encoder_config: Written by a checkpoint stored in full; not to be set by hand.
    """

    task_name = "diarization"
    readout: FrameReadout

    def __init__(
        self,
        encoder: str = DEFAULT,
        adapter: str = "none",
        layer: int | str | None = None,
        last_block: int | None = None,
        context: str | dict[str, Any] = "none",
        dropout: float = 0.0,
        bias: bool = True,
        standardize: bool = True,
        sentence_mean: bool = False,
        output_norm: bool = False,
        loss: str | dict[str, Any] = "cross-entropy",
        class_weights: str = "none",
        post: PostConfig = PostConfig(),
        optimizer: OptimizerConfig = OptimizerConfig(),
        adapters: AdapterOptions = AdapterOptions(),
        adapter_blocks: list[int] | None = None,
        regularization: Regularization = Regularization(),
        whisper_form: str = "padded",
        revision: str | None = None,
        gradient_checkpointing: bool = False,
        save_full: bool = False,
        labels: dict[str, list[str]] | None = None,
        encoder_config: dict[str, Any] | None = None,
    ) -> None:
        hparams = plain(locals())
        if class_weights not in CLASS_WEIGHTS:
            raise UnknownNameError("class_weights", class_weights, CLASS_WEIGHTS)
        options = adapter_options(adapter, adapters)
        layer = default_frame_layer(adapter) if layer is None else layer
        loaded = encoder_for_layer(
            encoder, layer, last_block, revision, whisper_form, gradient_checkpointing, encoder_config
        )
        loaded.regularize(revive(Regularization, regularization), trains_encoder=adapter == "full")
        super().__init__(
            encoder=loaded,
            adapter=adapter,
            adapters=options,
            adapter_blocks=adapter_blocks,
            optimizer=revive(OptimizerConfig, optimizer),
            save_full=save_full,
        )
        self._keep_options({**options_of(self, hparams), "adapters": self.adapters.options})
        self.labels = labels or {name: [name] for name in ("angry", "happy", NEUTRAL, "sad")}
        self.classes = list(self.labels)
        if NEUTRAL not in self.classes:
            raise UsageError(f"diarization needs the class {NEUTRAL!r}; there are {', '.join(self.classes)}.")
        self.sentence_mean, self.output_norm = sentence_mean, output_norm
        self.class_weights, self.post = class_weights, revive(PostConfig, post)
        self._own: dict[str, Any] = {"context": context, "loss": loss}
        self.bias = bias
        self._build_readout(layer, dropout, standardize)
        self.criterion = ClassLoss(self.build_loss(len(self.classes)))
        check_weights(class_weights, self.criterion)
        self._add_training()

    def _build_readout(self, layer: int | str, dropout: float, standardize: bool) -> None:
        states, dim, count = self.encoder.num_states, self.encoder.hidden_size, len(self.classes)
        context = self.build_context(dim)
        check_context(context, dim)
        head = self.build_head(context.out_dim, count)
        check_head(head, context.out_dim, count)
        self.readout = FrameReadout(layer, states, dim, context, head, dropout, standardize)

    def build_context(self, dim: int) -> Context:
        """Return the layer that gives each frame its context; override it for one of your own.

        Args:
            dim: Width of a hidden state.

        Returns:
            `sercl.models.readout.Context`: frames `[batch, frames, dim]` and lengths `[batch]` -> `[batch,
            frames, out_dim]`. Its weights are trained at `optimizer.head_lr`.
        """
        return build_context(self._own["context"], dim)

    def build_head(self, dim: int, classes: int) -> nn.Module:
        """Return the classifier of a frame; override it for one of your own.

        Args:
            dim: Width of a frame.
            classes: Number of classes.

        Returns:
            A module from `[..., dim]` to logits `[..., classes]`. The option `bias` is `self.bias`.
        """
        return nn.Linear(dim, classes, bias=self.bias)

    def build_loss(self, classes: int) -> LossFunction:
        """Return the loss; override it for one of your own.

        Args:
            classes: Number of classes.

        Returns:
            A module or function of logits `[n, classes]` and labels `[n]` (class indices) of the n labelled
            frames of a batch that returns their mean, `[]`; weights of a module are trained at
            `optimizer.head_lr`. It gets the class weights (`[classes]`, or None) if it has a parameter
            `weight`.
        """
        return build_loss(self._own["loss"], classes)

    @property
    def hop(self) -> float:
        """Samples from one frame to the next."""
        return SAMPLE_RATE / self.encoder.frames_per_second

    @property
    def stride(self) -> float:
        """Seconds from one frame to the next; frame i covers `i * stride` to `(i + 1) * stride`."""
        return 1 / self.encoder.frames_per_second

    def features(self, batch: AudioBatch) -> tuple[Tensor, Tensor]:
        """Return the hidden states in use, `[batch, frames, states, dim]`, and valid frames `[batch]`."""
        if self.sentence_mean:
            batch = replace(batch, waveforms=centred(batch.waveforms, batch.lengths))
        output = self.encode(batch)
        features = self.readout.select(output.hidden_states, int(output.lengths.max()))
        return (layer_normed(features, output.lengths) if self.output_norm else features), output.lengths

    def logits(self, batch: AudioBatch) -> tuple[Tensor, Tensor]:
        """Return logits `[batch, frames, classes]` and valid frames `[batch]`."""
        features, lengths = self.features(batch)
        return self.readout(features, lengths), lengths

    def forward(self, batch: AudioBatch) -> tuple[Tensor, Tensor]:
        """Return class probabilities `[batch, frames, classes]` and valid frames `[batch]`."""
        logits, lengths = self.logits(batch)
        return logits.softmax(dim=-1), lengths


def default_frame_layer(adapter: str) -> str:
    """Return the default layer of a diarizer."""
    return "weighted" if adapter == "none" else "last"
