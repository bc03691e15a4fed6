"""What a fake study crosses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from sercl.studies.cross_eval.cells import (
    SETTINGS,
    TARGET_ONLY,
    WITH_SHOTS,
    Cell,
    Condition,
    StudyCorpus,
    StudyEncoder,
)
from sercl.studies.cross_eval.sources import union_of

CLASSES = ("angry", "happy", "neutral", "sad")
CORPORA: Mapping[str, StudyCorpus] = {
    "ESD": StudyCorpus("ESD", ("zh",), "paper", 5),
    "EmoDB": StudyCorpus("EmoDB", ("de",), "speaker", 5),
    "RAVDESS": StudyCorpus("RAVDESS", ("en",), "speaker", 5),
}
ENCODERS: Mapping[str, StudyEncoder] = {
    "whisper-base": StudyEncoder("openai/whisper-base", "whisper", "3f0c2a91"),
    "wav2vec2-zh": StudyEncoder("TencentGameMate/chinese-wav2vec2-base", "wav2vec2", "77ab01de", "zh"),
}


@dataclass(frozen=True)
class Grid:
    """What a fake study crosses; see `fake_study`. `unions` are the numbers of corpora of joint sources."""

    corpora: Mapping[str, StudyCorpus]
    encoders: Mapping[str, StudyEncoder]
    adapters: Sequence[str] = ("none", "lora+bottleneck+gating")
    settings: Sequence[str] = SETTINGS
    adaptations: Sequence[str] = ("none",)
    select_on: Sequence[str] = ("source",)
    shots: Sequence[int] = (0, 1, 4, 16, 64)
    draws: int = 2
    folds: int = 5
    seeds: Sequence[int] = (1, 2, 3)
    unions: Sequence[int] = ()

    def conditions(self) -> Iterator[Condition]:
        """Yield every condition, setting by setting within encoder and adapter."""
        for encoder, adapter, setting in product(self.encoders, self.adapters, self.settings):
            for source, target in product(self.corpora, repeat=2):
                if (source == target) == (setting == "monolingual"):
                    yield from self._variants(Condition(encoder, adapter, setting, source, target))
            for size, target in product(self.unions, self.corpora):
                if setting not in ("monolingual", "transfer"):
                    for own in combinations([name for name in self.corpora if name != target], size):
                        yield from self._variants(Condition(encoder, adapter, setting, union_of(own), target))

    def cells(self, condition: Condition) -> Iterator[Cell]:
        """Yield the cells of a condition; with shots, repeats differ in draws instead of seeds."""
        draws = self.draws if condition.shots else 1
        seeds = self.seeds if condition.setting not in WITH_SHOTS else self.seeds[:1]
        for draw, seed, fold in product(range(draws), seeds, range(self.folds)):
            yield Cell(condition, draw, fold, seed)

    def _variants(self, plain: Condition) -> Iterator[Condition]:
        if plain.setting == "few-shot":
            yield from (replace(plain, shots=shots) for shots in self.shots)
        elif plain.setting == TARGET_ONLY:
            frozen = plain.adapter == "none"
            yield from (replace(plain, shots=shots) for shots in self.shots if shots and frozen)
        elif plain.setting == "zero-shot":
            for select_on, adaptation in product(self.select_on, self.adaptations):
                yield replace(plain, select_on=select_on, adaptation=adaptation)
        elif plain.setting == "two-stage":
            yield from (replace(plain, select_on=select_on) for select_on in self.select_on)
        else:
            yield plain
