"""The results of arXiv 2409.16920, for comparison with a user's own where the conditions match.

They are 5-fold mean accuracies, recomputed from the study's public logs, on the test parts of its folds
or on the 48 items per language of its listening test; those of two stages were published for the latter
only. All these lists are balanced, so that accuracy is UAR there. Its cross-lingual and two-stage runs
were stopped and selected on the target's validation part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sercl.corpora.folds.make import LISTED
from sercl.data.settings import MONOLINGUAL, NO_ADAPTATION, TARGET, TRANSFER, TWO_STAGE, ZERO_SHOT
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.cells import ENCODER_LANGUAGES, Condition, Study, computations

SOURCE = "arXiv 2409.16920"
FOLDS = 5

CORPORA: Mapping[str, str] = {"zh": "ESD", "de": "PAVOQUE", "en": "IEMOCAP"}
"""Language -> the corpus of the study."""

LORA, ALL = "lora", "lora+bottleneck+gating"

Language = Literal["zh", "de", "en"]


FOLDS_TEST, LISTENING = "folds", "listening"
"""What was tested: 200 utterances per fold, or the 48 of the listening test in every fold."""

ITEMS = 48
"""Utterances of the listening test per language, 12 per emotion."""


@dataclass(frozen=True)
class Figure:
    """One published number.

    Attributes:
        setting: One of `sercl.data.settings.SETTINGS`.
        encoder: Language of the encoder.
        target: Language of the test.
        adapter: Adapter as sercl names it.
        accuracy: 0 to 1.
        recalls: Class -> recall where it was published, too.
        test: "folds", or "listening" for the items of the listening test.
        is_read_off: Whether it was read off a figure, and so is not exact.
    """

    setting: str
    encoder: Language
    target: Language
    adapter: str
    accuracy: float
    recalls: Mapping[str, float] = field(default_factory=dict)
    test: str = FOLDS_TEST
    is_read_off: bool = False


def _recalls(angry: float, happy: float, neutral: float, sad: float) -> dict[str, float]:
    percent = {"angry": angry, "happy": happy, "neutral": neutral, "sad": sad}
    return {name: round(value / 100, 3) for name, value in percent.items()}


def _listening(setting: str, encoder: Language, target: Language, accuracy: float) -> Figure:
    return Figure(setting, encoder, target, ALL, accuracy, test=LISTENING, is_read_off=setting == TWO_STAGE)


FIGURES = (
    Figure(MONOLINGUAL, "de", "de", LORA, 0.978),
    Figure(MONOLINGUAL, "zh", "zh", LORA, 0.870),
    Figure(MONOLINGUAL, "en", "en", LORA, 0.643),
    Figure(MONOLINGUAL, "de", "de", ALL, 0.979, _recalls(98.8, 96.0, 96.8, 100)),
    Figure(MONOLINGUAL, "zh", "zh", ALL, 0.939, _recalls(94.8, 88.0, 98.8, 94.0)),
    Figure(MONOLINGUAL, "en", "en", ALL, 0.646, _recalls(76.8, 44.4, 62.4, 74.8)),
    Figure(ZERO_SHOT, "de", "zh", LORA, 0.585),
    Figure(ZERO_SHOT, "zh", "de", LORA, 0.653),
    Figure(ZERO_SHOT, "de", "zh", ALL, 0.560, _recalls(58.0, 64.8, 58.8, 42.4)),
    Figure(ZERO_SHOT, "zh", "de", ALL, 0.707, _recalls(86.0, 14.0, 86.4, 96.4)),
    Figure(TRANSFER, "de", "zh", LORA, 0.836),
    Figure(TRANSFER, "zh", "de", LORA, 0.988),
    Figure(TRANSFER, "de", "zh", ALL, 0.875, _recalls(86.8, 78.0, 94.4, 90.8)),
    Figure(TRANSFER, "zh", "de", ALL, 0.988, _recalls(99.2, 98.0, 98.0, 100)),
    Figure(TRANSFER, "zh", "en", LORA, 0.663),
    Figure(TRANSFER, "de", "en", LORA, 0.650),
    Figure(TRANSFER, "zh", "en", ALL, 0.677),
    Figure(TRANSFER, "de", "en", ALL, 0.660),
    _listening(MONOLINGUAL, "de", "de", 0.975),
    _listening(MONOLINGUAL, "zh", "zh", 0.971),
    _listening(MONOLINGUAL, "en", "en", 0.554),
    _listening(ZERO_SHOT, "de", "zh", 0.479),
    _listening(ZERO_SHOT, "zh", "de", 0.771),
    _listening(TRANSFER, "de", "zh", 0.904),
    _listening(TRANSFER, "zh", "de", 1.0),
    _listening(TWO_STAGE, "de", "zh", 0.892),
    _listening(TWO_STAGE, "zh", "de", 1.0),
    _listening(TRANSFER, "de", "en", 0.671),
    _listening(TRANSFER, "zh", "en", 0.738),
)


@dataclass(frozen=True)
class Match:
    """A published figure and a user's own.

    Attributes:
        figure: What was published.
        own: What the user's study reached; its accuracy (`wa`) is the comparable one.
        differences: What was done differently, in a few words each.
    """

    figure: Figure
    own: ConditionScores
    differences: tuple[str, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """What was tested, where that is not the test part of the folds."""
        return ("listening test",) if self.figure.test == LISTENING else ()

    @property
    def corpora(self) -> str:
        """The corpora used: in transfer only the target, since the encoder represents the source."""
        return self.own.condition.target if self.figure.setting == TRANSFER else self.own.condition.pair


def matches(scores: Mapping[Condition, ConditionScores], study: Study) -> tuple[Match, ...]:
    """Return each published figure with the conditions of a study that match it.

    A condition matches if it has the setting, the adapter, an encoder of the same language, the same test
    corpus (ESD in Mandarin, PAVOQUE, IEMOCAP), no adaptation, and except for `transfer` the corpus of the
    encoder's language as its source. Where the user's own list is tested (`folds.test_list`), figures of the
    listening test match, else those of folds. Conditions that share one computation match once.

    Args:
        scores: From `score_conditions`.
        study: The study.
    """
    computed = computations(study)
    found: dict[tuple[int, frozenset[str]], Match] = {}
    for index, figure in enumerate(FIGURES):
        for condition, own in scores.items():
            if _fits(figure, condition, study):
                match = Match(figure, own, _differences(figure, own, study))
                found.setdefault((index, computed[condition]), match)
    return tuple(found.values())


def encoder_language(name: str, study: Study) -> str | None:
    """Return the language of a study's encoder, from the study or its preset; None if unknown."""
    encoder = study.encoders[name]
    return encoder.language or ENCODER_LANGUAGES.get(encoder.source)


def _fits(figure: Figure, condition: Condition, study: Study) -> bool:
    return (
        figure.setting == condition.setting
        and figure.encoder == encoder_language(condition.encoder, study)
        and _methods(figure.adapter) == _methods(condition.adapter)
        and condition.adaptation == NO_ADAPTATION
        and (figure.test == LISTENING) == study.corpora[condition.target].folds.endswith(LISTED)
        and _is(condition.target, figure.target, study)
        # Transfer trains on the target alone: there the encoder represents the source language.
        and (figure.setting == TRANSFER or _is(condition.source, figure.encoder, study))
    )


def _methods(adapter: str) -> set[str]:
    return set(adapter.split("+"))


def _is(name: str, language: str, study: Study) -> bool:
    corpus = study.corpora.get(name)
    if corpus is None or corpus.where:  # a union of corpora, or a part of one
        return False
    return corpus.corpus == CORPORA[language] and corpus.languages == (language,)


_SELECTION = {
    ZERO_SHOT: "selected on the source; the study selected on the target",
    TWO_STAGE: "first stage selected on the source; the study selected both stages on the target",
}


def _differences(figure: Figure, own: ConditionScores, study: Study) -> tuple[str, ...]:
    corpus, encoder = study.corpora[own.condition.target], study.encoders[own.condition.encoder]
    found = []
    if ENCODER_LANGUAGES.get(encoder.source) != figure.encoder:
        found.append(f"encoder {encoder.source}")
    if figure.setting in _SELECTION and own.condition.select_on != TARGET:
        found.append(_SELECTION[figure.setting])
    if corpus.folds.removesuffix(LISTED) != "paper":
        found.append(f"folds {corpus.folds!r}, not the study's")
    if figure.test == LISTENING and own.utterances != ITEMS:
        found.append(f"{own.utterances} test utterances, not {ITEMS}")
    if figure.is_read_off:
        found.append("the published figure was read off a plot")
    if len(own.folds) != FOLDS:
        found.append(f"{len(own.folds)} of {FOLDS} folds")
    return tuple(found)
