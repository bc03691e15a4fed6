"""Build a listening test: choose the stimuli, bring them to one level, write them with the protocol."""

import math
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import soundfile
from torch import Tensor

from sercl.audio.loudness import faded, true_peak
from sercl.audio.preprocess import NONE, PreprocessConfig, at_level
from sercl.audio.resample import SAMPLE_RATE
from sercl.corpora.folds import WHOLE
from sercl.data.datamodules import EmotionDataModule
from sercl.errors import CorpusError, OutputError, UnknownNameError, UsageError
from sercl.files import at_home, atomic_path, is_temporary, write_text
from sercl.json_text import json_text
from sercl.listening import instructions
from sercl.listening.balance import UNKNOWN, Candidate, counts, groups_of, select, spread
from sercl.listening.order import RANDOM, check_method, draw, shuffled
from sercl.listening.pool import Audio, Bounds, Heard, Pool, Stimulus, heard_by, mapping_of, pool_of
from sercl.listening.protocol import (
    ATTENTION,
    AUDIO,
    CHOICE,
    EXTRA_ANSWERS,
    ITEM,
    PRACTICE,
    PROTOCOL,
    REPEAT,
    REPORT,
    TASKS,
    TEXTS,
    Block,
    Item,
    Order,
    Protocol,
    file_hash,
    text_file,
    write,
)
from sercl.version import __version__

FORMATS = ("wav", "flac")
PARTS = (WHOLE, "test", "validation")
_KEY = 11
_STIMULUS = re.compile(rf"s[0-9a-f]{{{_KEY}}}\.")
_FADE = 0.01
"""Length of the fades at both ends in s: what is cut in the middle of a sound would click."""


@dataclass(frozen=True)
class BuildOptions:
    """What a listening test consists of.

    Args:
        per_emotion: Stimuli of each class, in each language and dialect.
        task: choice of one emotion for each stimulus, or segments, whose start and end are marked.
        part: Part of the data that stimuli are taken from: whole, or test or validation of the folds.
        unseen_by: Checkpoints, or folders of runs: their training and validation data, compared by speaker
            and by samples as `sercl test` compares them, are left out.
        min_seconds: Minimum duration of a stimulus after trimming, in s.
        max_seconds: Maximum duration of a stimulus after trimming, in s.
        practice: Practice items in all.
        attention: Attention checks in each block, which say what to answer.
        repeats: Items of each block that are asked again.
        block_size: Maximum number of items of a block, without checks and repeats; 0 for one block for each
            language and dialect.
        order: Order for each listener: random, or latin-square, in which each item is at each position
            equally often. The order of blocks is made in the same way.
        confidence: Whether listeners also say how sure they are.
        extra_answers: Answers besides the emotions: other, unsure.
        languages: Languages of the instructions; the first one is the default.
        instructions: Folder of your own instructions, CODE.yaml for each language, which replace sercl's.
        title: Name of the test for listeners; null for the one in the instructions, in their language.
        true_peak: Maximum true peak of all stimuli in dBTP; the level of all of them is lowered to it.
        audio: Format of the files: wav or flac, both of 16 bit.
        seed: Every choice depends on it and the data alone.

    Raises:
        UnknownNameError: For a name that does not exist.
        UsageError: For a number out of its range.
    """

    per_emotion: int = 12
    task: str = CHOICE
    part: str = WHOLE
    unseen_by: list[str] = field(default_factory=list)
    min_seconds: float = 0.5
    max_seconds: float = 20.0
    practice: int = 4
    attention: int = 2
    repeats: int = 4
    block_size: int = 0
    order: str = RANDOM
    confidence: bool = True
    extra_answers: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=lambda: ["en", "de", "zh"])
    instructions: str | None = None
    title: str | None = None
    true_peak: float = -1.0
    audio: str = FORMATS[0]
    seed: int = 42

    def __post_init__(self) -> None:
        for name, valid in (("task", TASKS), ("part", PARTS), ("audio", FORMATS)):
            if getattr(self, name) not in valid:
                raise UnknownNameError(name, getattr(self, name), valid)
        for answer in self.extra_answers:
            if answer not in EXTRA_ANSWERS:
                raise UnknownNameError("extra answer", answer, EXTRA_ANSWERS)
        check_method(self.order)
        self._check_numbers()
        for name in ("languages", "extra_answers"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise UsageError(f"--{name} {getattr(self, name)}: each may be given once.")

    def _check_numbers(self) -> None:
        for name in ("practice", "attention", "repeats", "block_size", "min_seconds"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"--{name} {getattr(self, name)}: must be 0 or more.")
        if self.per_emotion < 1:
            raise UsageError(f"--per_emotion {self.per_emotion}: must be 1 or more.")
        if not self.max_seconds > self.min_seconds:
            raise UsageError(
                f"--max_seconds {self.max_seconds:g}: must be more than --min_seconds {self.min_seconds:g}."
            )
        if not -20 <= self.true_peak <= 0:
            raise UsageError(f"--true_peak {self.true_peak:g}: valid: -20 to 0 dBTP.")

    @property
    def own_instructions(self) -> Path | None:
        """The folder of the user's own instructions."""
        return None if self.instructions is None else at_home(self.instructions)


@dataclass(frozen=True)
class Chosen:
    """A stimulus with its part in the test.

    Attributes:
        stimulus: The stimulus.
        kind: As `Item.kind`.
        block: Name of its block.
        truth: As `Item.truth`.
        original: Of a repeat, the item.
    """

    stimulus: Stimulus
    kind: str
    block: str
    truth: str
    original: "Chosen | None" = None

    def key(self, seed: int) -> str:
        """Return its opaque name."""
        # A letter first, so that no reader of YAML or CSV takes it for a number.
        return f"s{draw(seed, 'key', self.kind, self.block, self.stimulus.candidate.id)[:_KEY]}"


@dataclass(frozen=True)
class Built:
    """A test that is written.

    Attributes:
        protocol: The protocol.
        report: How the stimuli were chosen: the content of `report.json`.
    """

    protocol: Protocol
    report: Mapping[str, Any]


Progress = Callable[[str, int, int], None]
"""Called with the current step, the number of stimuli done, and their total."""


def build(
    data: EmotionDataModule,
    options: BuildOptions,
    preprocess: PreprocessConfig,
    folder: Path,
    overwrite: bool = False,
) -> Built:
    """Build a test in a folder. The same data, options and seed give the same files, byte for byte.

    Args:
        data: Where the stimuli are from; its `on_progress` is called here, too.
        options: What the test consists of.
        preprocess: What is done to the audio.
        folder: Where to write it.
        overwrite: Whether a test that is there is replaced.

    Raises:
        CorpusError: For unusable data, or if no stimulus is left.
        OutputError: If the folder has content, or cannot be written.
        UsageError: For options that do not fit.
    """
    check_folder(folder, overwrite)
    check_preprocessing(preprocess)
    texts = instructions.chosen(tuple(options.languages), options.own_instructions)
    plan = plan_of(data, options, preprocess)
    gain, peak = common_gain(plan.stimuli, options, preprocess, data.on_progress)
    _clear(folder)
    items = _write_audio(plan.chosen, options, preprocess, gain, folder, data.on_progress)
    protocol = Protocol(
        title=options.title,
        languages=_write_texts(texts, folder),
        answers=(*plan.pool.classes, *options.extra_answers),
        confidence=options.confidence,
        items=tuple(sorted(items, key=lambda item: item.key)),
        blocks=plan.blocks,
        order=Order(options.order, options.seed),
        seed=options.seed,
        preprocess=_processing(preprocess, gain, peak),
        source={**mapping_of(data), **_choice(options, plan.heard), "sercl": __version__},
    )
    report = report_of(plan, options)
    write_text(folder / REPORT, json_text(report, indent=2) + "\n")
    return Built(write(protocol, folder), report)


@dataclass(frozen=True)
class Plan:
    """What a test will consist of.

    Attributes:
        pool: All possible stimuli.
        heard: What checkpoints were trained on, whose data are not used.
        blocks: The blocks.
        chosen: The stimuli, with their part in the test.
    """

    pool: Pool
    heard: Sequence[Heard]
    blocks: tuple[Block, ...]
    chosen: Sequence[Chosen]

    @property
    def stimuli(self) -> list[Stimulus]:
        """The stimuli alone."""
        return [own.stimulus for own in self.chosen]


def plan_of(data: EmotionDataModule, options: BuildOptions, preprocess: PreprocessConfig) -> Plan:
    """Find all possible stimuli, and choose; raises as `build`."""
    heard = heard_by([at_home(path) for path in options.unseen_by])
    bounds = Bounds(options.task, options.part, options.min_seconds, options.max_seconds)
    pool = pool_of(data, bounds, preprocess, heard)
    if not pool.stimuli:
        raise CorpusError(f"no stimulus can be used. {_reasons_in_words(pool)}")
    return Plan(pool, heard, *choose(pool, options))


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raise `OutputError` for a folder with content other than a test that may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file. Give a folder as --out.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    names = {path.name for path in folder.iterdir()}
    others = [] if PROTOCOL in names else sorted(names - {AUDIO, TEXTS, REPORT})
    if others := others or _other_audio(folder / AUDIO):
        raise OutputError(
            f"{folder}: has content that is not a listening test ({others[0]}). Give another --out."
        )
    if not overwrite:
        raise OutputError(
            f"{folder}: has a listening test. Answers to it are of no use with another one: give another "
            "--out, or --overwrite."
        )


def _other_audio(folder: Path) -> list[str]:
    """Names in a folder of stimuli that no test gives: recordings of a user, which must not be removed."""
    there = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in there if not (_STIMULUS.match(path.name) or is_temporary(path)))


def check_preprocessing(config: PreprocessConfig) -> None:
    """Raise `UsageError` for an option that has no effect on what listeners hear."""
    if config.frames != "all":
        raise UsageError("--preprocess.frames: has no effect on what listeners hear. Leave it out.")


def choose(pool: Pool, options: BuildOptions) -> tuple[tuple[Block, ...], list[Chosen]]:
    """Choose items, repeats, attention checks and practice items, none of which uses another's recording."""
    blocks: list[Block] = []
    chosen: list[Chosen] = []
    used: set[str] = set()
    for group, own in groups_of(pool.candidates).items():
        items = select(own, pool.classes, options.per_emotion, options.seed)
        used |= {item.id for item in items}
        parts = dealt(items, options.block_size)
        rest = [item for item in own if item.id not in used]
        checks = spread(rest, pool.classes, options.attention * len(parts), options.seed)
        used |= {item.id for item in checks}
        for number, part in enumerate(parts):
            block = Block(f"block-{len(blocks) + 1}", *group)
            blocks.append(block)
            chosen += _block(pool, block.name, part, checks[number :: len(parts)], options)
    rest = [item for item in pool.candidates if item.id not in used]
    practice = spread(rest, pool.classes, options.practice, options.seed)
    chosen += [Chosen(pool.stimuli[item.id], PRACTICE, PRACTICE, item.label) for item in practice]
    return tuple(blocks), chosen


def dealt(items: Sequence[Candidate], size: int) -> list[list[Candidate]]:
    """Return items, which come class by class, in blocks of up to `size` (0: one), classes evenly spread."""
    count = math.ceil(len(items) / size) if size and items else 1
    return [list(items[number::count]) for number in range(count)]


def _block(
    pool: Pool, name: str, items: Sequence[Candidate], checks: Sequence[Candidate], options: BuildOptions
) -> Iterator[Chosen]:
    own = {item.id: Chosen(pool.stimuli[item.id], ITEM, name, item.label) for item in items}
    yield from own.values()
    for item in spread(items, pool.classes, options.repeats, options.seed):
        yield Chosen(pool.stimuli[item.id], REPEAT, name, item.label, own[item.id])
    for item in checks:
        others = [answer for answer in pool.classes if answer != item.label]
        asked = shuffled(others, options.seed, f"check {item.id}")[0]
        yield Chosen(pool.stimuli[item.id], ATTENTION, name, asked)


def common_gain(
    stimuli: Sequence[Stimulus],
    options: BuildOptions,
    preprocess: PreprocessConfig,
    on_progress: Progress | None = None,
) -> tuple[float, float]:
    """Return the gain in dB that keeps all stimuli within the true peak, and the peak after it in dBTP.

    One gain for all: a limiter, or a gain for each, would change how loud they are against each other.
    """
    peaks = []
    for number, stimulus in enumerate(stimuli, 1):
        peaks.append(true_peak(_audible(stimulus.make()[0], preprocess)))
        if on_progress is not None:
            on_progress("measuring peaks", number, len(stimuli))
    # A sample of 16 bit may be half a step higher than what it stands for.
    gain = min(0.0, options.true_peak - 0.01 - max(peaks))
    return gain, max(peaks) + gain


def _audible(waveform: Tensor, preprocess: PreprocessConfig) -> Tensor:
    clip = faded(waveform, _FADE)
    return clip if preprocess.loudness == NONE else at_level(clip, preprocess)


def _processing(preprocess: PreprocessConfig, gain: float, peak: float) -> dict[str, Any]:
    level = None if preprocess.loudness == NONE else round(preprocess.target + gain, 3)
    common = {"gain": round(gain, 3), "true_peak": round(peak, 3), "fade": _FADE, "rate": SAMPLE_RATE}
    settings = {name.removeprefix("preprocess."): value for name, value in preprocess.settings().items()}
    return {**settings, "level": level, **common}


def _choice(options: BuildOptions, heard: Sequence[Heard]) -> dict[str, Any]:
    asked = asdict(options)
    for name in ("title", "instructions", "languages", "confidence", "extra_answers", "order", "seed"):
        asked.pop(name)  # are elsewhere in the protocol
    unseen = [{"checkpoint": model.name, "speakers": len(model.speakers)} for model in heard]
    return {**asked, "unseen_by": unseen}


def _clear(folder: Path) -> None:
    """Remove an earlier test, its protocol first: what is left of it by an interruption is not a test."""
    try:
        (folder / PROTOCOL).unlink(missing_ok=True)
        for name in (AUDIO, TEXTS):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be replaced ({error.strerror}). Give another --out.") from error


def _write_audio(
    chosen: Sequence[Chosen],
    options: BuildOptions,
    preprocess: PreprocessConfig,
    gain: float,
    folder: Path,
    on_progress: Progress | None,
) -> list[Item]:
    """Write the files in the order of their names, so that their times say nothing either."""
    items = []
    for number, own in enumerate(sorted(chosen, key=lambda own: own.key(options.seed)), 1):
        audio = own.stimulus.make()
        path = folder / AUDIO / f"{own.key(options.seed)}.{options.audio}"
        write_stimulus(path, _audible(audio[0], preprocess) * 10 ** (gain / 20))
        items.append(_item(own, options, path, audio))
        if on_progress is not None:
            on_progress("writing audio", number, len(chosen))
    return items


def write_stimulus(path: Path, waveform: Tensor) -> None:
    """Write a clip `[n]` at 16 kHz with 16 bit, in the format of the suffix, without metadata."""
    with atomic_path(path) as temporary:
        soundfile.write(temporary, waveform.numpy(), SAMPLE_RATE, subtype="PCM_16")


def _item(own: Chosen, options: BuildOptions, path: Path, audio: Audio) -> Item:
    item, stimulus = own.stimulus.candidate, own.stimulus
    return Item(
        key=path.stem,
        file=f"{AUDIO}/{path.name}",
        digest=file_hash(path),
        utterance=stimulus.utterance,
        corpus=stimulus.corpus,
        language=item.language,
        speaker=item.speaker,
        gender=item.gender,
        dialect=item.dialect,
        truth=own.truth,
        task=CHOICE if own.kind == ATTENTION else options.task,
        seconds=round(len(audio[0]) / SAMPLE_RATE, 6),
        kind=own.kind,
        block=own.block,
        repeats=None if own.original is None else own.original.key(options.seed),
        segments=None if own.kind == ATTENTION else audio[1],
        pieces=stimulus.pieces,
    )


def _write_texts(texts: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """Copy the instructions into the test, which a later version of them must not change."""
    for code, path in texts.items():
        write_text(text_file(folder, code), path.read_text(encoding="utf-8"))
    return {code: file_hash(text_file(folder, code)) for code in texts}


def report_of(plan: Plan, options: BuildOptions) -> dict[str, Any]:
    """Return how even the choice is, and what is lacking for which reason, as plain data."""
    items = [own.stimulus.candidate for own in plan.chosen if own.kind == ITEM]
    groups = _groups(plan, items, options)
    found = {kind: sum(own.kind == kind for own in plan.chosen) for kind in (PRACTICE, ATTENTION, REPEAT)}
    notes = [*(line for group in groups for line in group["lacking"]), *_lacking_kinds(found, plan, options)]
    return {"groups": groups, "kinds": {ITEM: len(items), **found}, "notes": [*notes, *plan.pool.notes]}


_IN_WORDS = {PRACTICE: "practice items", ATTENTION: "attention checks", REPEAT: "repeats"}


def _lacking_kinds(found: Mapping[str, int], plan: Plan, options: BuildOptions) -> Iterator[str]:
    blocks = len(plan.blocks)
    wanted = {
        PRACTICE: options.practice,
        ATTENTION: options.attention * blocks,
        REPEAT: options.repeats * blocks,
    }
    for kind, count in wanted.items():
        if found[kind] < count:
            yield f"only {found[kind]} of {count} {_IN_WORDS[kind]}: no more recordings are left"


def _groups(plan: Plan, items: Sequence[Candidate], options: BuildOptions) -> list[dict[str, Any]]:
    """Return what is reported of each language and dialect, also of those without any possible stimulus."""
    lost: dict[tuple[str, str | None], list[Candidate]] = {
        (language, dialect): [] for language, dialect, _, _ in sorted(plan.pool.left_out, key=str)
    }
    every = {**lost, **groups_of(plan.pool.candidates)}
    return [_group(plan, group, own, items, options) for group, own in every.items()]


def _group(
    plan: Plan,
    group: tuple[str, str | None],
    candidates: Sequence[Candidate],
    items: Sequence[Candidate],
    options: BuildOptions,
) -> dict[str, Any]:
    own = [item for item in items if item.group == group]
    classes = {
        name: {
            "chosen": sum(item.label == name for item in own),
            "candidates": sum(item.label == name for item in candidates),
            "left_out": plan.pool.reasons(*group, name),
        }
        for name in plan.pool.classes
    }
    return {
        "language": group[0],
        "dialect": group[1],
        "blocks": [block.name for block in plan.blocks if (block.language, block.dialect) == group],
        "classes": classes,
        **{
            f"{what}s": {name: dict(sorted(found.items())) for name, found in counts(own, what).items()}
            for what in _BALANCED
        },
        "lacking": [*_lacking(group, classes, options.per_emotion), *_uneven(group, candidates, own)],
    }


def _name(group: tuple[str, str | None]) -> str:
    return " ".join(part for part in group if part)


def _lacking(
    group: tuple[str, str | None], classes: Mapping[str, Mapping[str, Any]], wanted: int
) -> Iterator[str]:
    for name, own in classes.items():
        if own["chosen"] < wanted:
            reasons = ", ".join(f"{number} {reason}" for reason, number in own["left_out"].items())
            left = f"; left out: {reasons}" if reasons else ""
            yield f"{_name(group)}: {own['chosen']} of {wanted} stimuli of {name}: there are no more{left}"


_BALANCED = {
    "gender": "",
    "speaker": ", and genders as even as they are",
    "sentence": ", and genders and speakers as even as they are",
}
"""What a choice is balanced over -> what comes before it."""


def _uneven(
    group: tuple[str, str | None], own: Sequence[Candidate], items: Sequence[Candidate]
) -> Iterator[str]:
    """Yield where genders or speakers are not even, and why."""
    for what, before in _BALANCED.items():
        cells = counts(items, what).values()
        names = sorted({getattr(item, what) or UNKNOWN for item in own})
        if what == "sentence" and names == [UNKNOWN]:
            return  # few corpora know it
        totals = {name: sum(found[name] for found in cells) for name in names}
        if UNKNOWN in names:
            yield f"{_name(group)}: {totals[UNKNOWN]} stimuli of unknown {what}, which cannot be balanced"
        if totals and max(totals.values()) - min(totals.values()) > 1:
            ends = min(names, key=lambda name: totals[name]), max(names, key=lambda name: totals[name])
            numbers = " to ".join(f"{totals[name]} ({name})" for name in ends)
            yield (
                f"{_name(group)}: stimuli of one {what} range from {numbers}: with these candidates{before}, "
                "no choice is more even within the classes"
            )


def _reasons_in_words(pool: Pool) -> str:
    reasons: dict[str, int] = {}
    for (_, _, _, reason), number in pool.left_out.items():
        reasons[reason] = reasons.get(reason, 0) + number
    lines = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
    return f"Left out: {lines}. Change these bounds, or give other data." if lines else "Give other data."
