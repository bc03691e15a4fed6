import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from sercl.corpora.base import Utterance
from sercl.corpora.folds import Fold, FoldConfig, make_folds
from sercl.corpora.labels import label_scheme
from sercl.corpora.registry import read_corpus
from sercl.errors import FoldError, SpeakerOverlapError
from sercl.testing.corpora import fake_corpus
from tests.corpora.folds.samples import FOUR, esd, even, iemocap, pavoque, utterance

LABELS = label_scheme("4")
CONFIG = FoldConfig(scheme="paper")
CELL = dict.fromkeys(FOUR, 50)

Speaker = Callable[[str], str]
Structure = list[dict[str, Counter[tuple[str, str]]]]


def _structure(folds: list[Fold]) -> Structure:
    """Per fold and part: how many of each speaker and emotion."""
    return [
        {
            part: Counter((str(item.speaker), item.emotion) for item in items)
            for part, items in fold.parts.items()
        }
        for fold in folds
    ]


def _reference(folder: Path, speaker: Speaker) -> Structure:
    """The same, read from the study's own lists with nothing but the csv module."""
    folds: Structure = []
    for fold in range(5):
        parts = {}
        for part, name in {"train": "train", "validation": "eval", "test": "test"}.items():
            with (folder / name / f"metadata_fold{fold}.csv").open(newline="") as file:
                rows = list(csv.DictReader(file))
            parts[part] = Counter((speaker(row["file"]), row["answer"].lower()) for row in rows)
        folds.append(parts)
    return folds


def _iemocap_speaker(name: str) -> str:
    return name[:5] + Path(name).stem.split("_")[-1][0]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("folder", "corpus", "speaker"),
    [
        ("CN_ESD", esd, lambda name: name[:4]),
        ("EN_IEMOCAP", iemocap, _iemocap_speaker),
        ("DE_PAVOQUE", pavoque, lambda name: "spike"),
    ],
)
def test_structure_is_that_of_the_study_s_own_lists(
    shared: Path, folder: str, corpus: Callable[[], list[Utterance]], speaker: Speaker
) -> None:
    config = FoldConfig(scheme="paper", allow_speaker_overlap=True)
    ours = _structure(make_folds(corpus(), LABELS, config))
    assert ours == _reference(shared / "data" / "reference_splits" / folder, speaker)


@pytest.mark.parametrize("corpus", [esd, iemocap])
def test_the_same_2000_utterances_serve_all_folds(corpus: Callable[[], list[Utterance]]) -> None:
    folds = make_folds(corpus(), LABELS, CONFIG)
    sets = [{item.id for part in fold.parts.values() for item in part} for fold in folds]
    assert len(sets[0]) == 2000
    assert all(ids == sets[0] for ids in sets)


@pytest.mark.parametrize("name", ["ESD", "IEMOCAP"])
def test_what_the_readers_give_fits_the_scheme(name: str, tmp_path: Path) -> None:
    root = fake_corpus(name, tmp_path, speakers=10, per_emotion=50, seconds=0.02, same_audio=True)
    folds = make_folds(read_corpus(name, root).utterances, LABELS, CONFIG)
    assert [fold.counts["test"] for fold in folds] == [CELL] * 5
    assert not any(fold.shared_speakers for fold in folds)


def test_esd_holds_out_two_speakers_and_parts_are_drawn_at_random() -> None:
    folds = make_folds(esd(), LABELS, CONFIG)
    assert [sorted({item.speaker for item in fold.test}) for fold in folds][1] == ["0003", "0004"]
    drawn = sorted(item.id for item in folds[0].test if item.id.startswith("0001_angry"))
    assert drawn != [f"0001_angry_{number:03}" for number in range(25)]
    other = make_folds(esd(), LABELS, FoldConfig(scheme="paper", seed=1))
    assert {item.id for item in other[0].test} != {item.id for item in folds[0].test}


def test_esd_english_speakers_are_left_out_with_a_remark() -> None:
    english = [replace(item, language="en", speaker="0011", id=f"en{item.id}") for item in esd(1)]
    fold = make_folds([*esd(), *english], LABELS, CONFIG)[0]
    assert {item.language for item in fold.train} == {"zh"}
    assert "Mandarin only: 40 utterances of other languages are left out" in fold.notes


def test_iemocap_holds_out_its_sessions_in_the_order_of_the_study() -> None:
    folds = make_folds(iemocap(), LABELS, CONFIG)
    assert [{item.session for item in fold.test} for fold in folds] == [
        {f"Session{number}"} for number in (2, 4, 3, 1, 5)
    ]


def test_iemocap_counts_excited_as_happy() -> None:
    utterances = [
        replace(item, emotion="excited") if item.emotion == "happy" and int(item.id[-3:]) % 2 else item
        for item in iemocap()
    ]
    fold = make_folds(utterances, LABELS, CONFIG)[0]
    assert fold.counts["test"] == CELL
    assert {"happy", "excited"} <= {item.emotion for item in fold.test}


ALLOWED = FoldConfig(scheme="paper", allow_speaker_overlap=True)
POOL = {
    "angry": Counter(m=400, spike=151), "happy": Counter(m=400, poppy=159),
    "neutral": Counter(a=400, prudence=112), "sad": Counter(m=400, obadiah=124),
}  # fmt: skip


def _series(name: str) -> str:
    return re.split(r"\d", name)[0]


def _by_series(names: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    counts = {emotion: Counter[str]() for emotion in FOUR}
    for name, emotion in names:
        counts[emotion][_series(name)] += 1
    return counts


def _pavoque_of_the_study(shared: Path) -> list[dict[str, list[tuple[str, str]]]]:
    folder = shared / "data" / "reference_splits" / "DE_PAVOQUE"
    folds = []
    for fold in range(5):
        parts = {}
        for part, name in {"train": "train", "validation": "eval", "test": "test"}.items():
            with (folder / name / f"metadata_fold{fold}.csv").open(newline="") as file:
                parts[part] = [(row["file"], row["answer"].lower()) for row in csv.DictReader(file)]
        folds.append(parts)
    return folds


def _pavoque_of_ours(config: FoldConfig = ALLOWED) -> list[dict[str, list[tuple[str, str]]]]:
    folds = make_folds(pavoque(), LABELS, config)
    return [
        {part: [(u.id, u.emotion) for u in items] for part, items in fold.parts.items()} for fold in folds
    ]


def _check_pavoque(folds: list[dict[str, list[tuple[str, str]]]]) -> None:
    """What holds for the study's own lists, and must hold for ours."""
    for parts in folds:
        names = [name for items in parts.values() for name, _ in items]
        assert len(names) == len(set(names)) == 2000
        for part, own, size in (
            ("train", range(87, 92), 400),
            ("validation", range(10, 15), 50),
            ("test", [10], 50),
        ):
            for emotion, counts in _by_series(parts[part]).items():
                long, short = POOL[emotion]
                assert counts[short] in own
                assert counts[long] == size - counts[short]
    tests = [{name for name, _ in parts["test"]} for parts in folds]
    assert all(49 <= len(one & other) <= 57 for one, other in combinations(tests, 2))


@pytest.mark.shared
def test_the_study_s_pavoque_lists_have_the_properties_that_ours_must_have(shared: Path) -> None:
    folds = _pavoque_of_the_study(shared)
    _check_pavoque(folds)
    assert _by_series({item for parts in folds for items in parts.values() for item in items}) == POOL


@pytest.mark.parametrize("seed", [42, 0, 1, 2, 3])
def test_pavoque_folds_have_the_properties_of_the_study_s_lists(seed: int) -> None:
    _check_pavoque(_pavoque_of_ours(replace(ALLOWED, seed=seed)))


def test_pavoque_draws_anew_for_each_fold_from_nothing_but_the_pool() -> None:
    folds = _pavoque_of_ours()
    assert len({frozenset(parts["test"]) for parts in folds}) == 5
    used = {item for parts in folds for items in parts.values() for item in items}
    for emotion, counts in _by_series(used).items():
        assert counts.keys() == POOL[emotion].keys()
        assert all(count <= POOL[emotion][series] for series, count in counts.items())
    assert not any(name.startswith("a") and int(name[1:5]) > 400 for name, _ in used)
    assert make_folds(pavoque(), LABELS, ALLOWED)[0].notes == (
        "speaker-dependent: spike in both training and test",
    )


def test_pavoque_test_parts_share_twelve_cuts_per_class_that_are_never_trained_on() -> None:
    folds = _pavoque_of_ours()
    tested = Counter(item for parts in folds for item in parts["test"])
    often = Counter(emotion for (_, emotion), count in tested.items() if count >= 3)
    assert all(count >= 10 for count in often.values())
    always = {item for item, count in tested.items() if count == 5}
    assert not always & {item for parts in folds for part in ("train", "validation") for item in parts[part]}


def test_an_incomplete_pool_of_pavoque_is_named() -> None:
    fold = make_folds(pavoque([f"m{number:04}-sad" for number in range(1, 13)]), LABELS, ALLOWED)[0]
    assert fold.counts["train"] == dict.fromkeys(FOUR, 400)
    assert "drawn from 2134 of the 2146 utterances used by the study" in fold.notes


def test_the_fake_holds_the_pool(tmp_path: Path) -> None:
    root = fake_corpus("PAVOQUE", tmp_path, per_emotion=600, seconds=0.01)
    folds = make_folds(read_corpus("PAVOQUE", root).utterances, LABELS, ALLOWED)
    _check_pavoque(
        [{part: [(u.id, u.emotion) for u in items] for part, items in f.parts.items()} for f in folds]
    )
    assert not any("pool" in note for note in folds[0].notes)


def test_pavoque_must_be_allowed_by_name() -> None:
    with pytest.raises(SpeakerOverlapError, match=r"\(spike\).*--data\.folds\.allow_speaker_overlap true"):
        make_folds(pavoque(), LABELS, CONFIG)


def test_too_few_utterances_are_counted() -> None:
    short = [item for item in esd() if not item.id.startswith("0003_sad_01")]
    short = [item for item in short if not item.id.startswith("0003_sad_02")]
    with pytest.raises(FoldError, match=r"50 utterances per speaker and class.*only: 0003 sad 40"):
        make_folds(short, LABELS, CONFIG)
    lacking = [f"m{number:04}-angry" for number in range(1, 53)]
    with pytest.raises(
        FoldError, match=r"500 utterances per class.*m0001 to m0400.*there are only angry 499\."
    ):
        make_folds(pavoque(lacking), LABELS, CONFIG)


def test_missing_speakers_and_sessions_are_counted() -> None:
    with pytest.raises(FoldError, match=r"10 Mandarin speakers; there are 9"):
        make_folds([item for item in esd() if item.speaker != "0005"], LABELS, CONFIG)
    with pytest.raises(FoldError, match=r"5 sessions; there are 4"):
        make_folds([item for item in iemocap() if item.session != "Session3"], LABELS, CONFIG)


def test_another_corpus_has_no_paper_scheme() -> None:
    with pytest.raises(FoldError, match="ESD, IEMOCAP, PAVOQUE, not for Toy"):
        make_folds(even("abc", 3), LABELS, CONFIG)
    with pytest.raises(FoldError, match="not for ESD, Toy"):
        make_folds([*esd(1), utterance("x", "sad", "y")], LABELS, CONFIG)
