import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sercl.corpora.base import Utterance
from sercl.corpora.cells import clean
from sercl.corpora.folds import Fold, FoldConfig, make_fold, make_folds, save_fold
from sercl.corpora.folds.lists import UtteranceIndex, list_name
from sercl.corpora.labels import label_scheme
from sercl.errors import FoldError, ManifestError, OutputError, SpeakerOverlapError
from tests.corpora.folds.samples import even, ids, utterance

LABELS = label_scheme("4")
FOUR_SPEAKERS = even("abcd", 12)


def _config(folder: Path, index: int = 0) -> FoldConfig:
    return FoldConfig(scheme="csv", lists=str(folder), index=index)


def _saved(folder: Path) -> Fold:
    fold = make_fold(FOUR_SPEAKERS, LABELS, FoldConfig(count=4, balance=True))
    save_fold(fold, folder)
    return fold


def _append(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


def test_saved_lists_are_read_back_as_the_same_fold(tmp_path: Path) -> None:
    fold = _saved(tmp_path / "run" / "fold")
    again = make_fold(FOUR_SPEAKERS, LABELS, _config(tmp_path / "run" / "fold"))
    assert again.parts == fold.parts
    assert (tmp_path / "run" / "fold" / "test.csv").read_text().startswith("file,answer\n")


def test_the_study_s_layout_has_a_file_per_fold_and_part(tmp_path: Path) -> None:
    folds = make_folds(FOUR_SPEAKERS, LABELS, FoldConfig(count=2))
    for fold in folds:
        saved = save_fold(fold, tmp_path / "saved")
        for path, part in zip(saved, ("train", "eval", "test"), strict=True):
            (tmp_path / part).mkdir(exist_ok=True)
            path.rename(tmp_path / part / f"metadata_fold{fold.index}.csv")
    again = make_fold(FOUR_SPEAKERS, LABELS, _config(tmp_path, index=1))
    assert again.parts == folds[1].parts
    assert again.count == 2


@pytest.mark.shared
@pytest.mark.parametrize("folder", ["CN_ESD", "EN_IEMOCAP", "DE_PAVOQUE"])
def test_the_study_s_own_lists_are_read(shared: Path, folder: str) -> None:
    root = shared / "data" / "reference_splits" / folder
    utterances = _listed(root, folder)
    config = FoldConfig(scheme="csv", lists=str(root), allow_speaker_overlap=folder == "DE_PAVOQUE")
    folds = make_folds(utterances, LABELS, config)
    assert [list(map(len, fold.parts.values())) for fold in folds] == [[1600, 200, 200]] * 5
    assert all(bool(fold.shared_speakers) == (folder == "DE_PAVOQUE") for fold in folds)


def _listed(root: Path, folder: str) -> list[Utterance]:
    """Utterances under the ids that the readers give; PAVOQUE's stand in one FLAC per style."""
    answers: dict[str, str] = {}
    for path in root.glob("*/*.csv"):
        with path.open(newline="") as file:
            answers.update((row["file"], row["answer"].lower()) for row in csv.DictReader(file))
    flac = folder == "DE_PAVOQUE"
    return [
        replace(
            utterance(Path(file).stem, emotion, "spike" if flac else file[:6], folder),
            path=Path(f"/pavoque-{emotion}.flac" if flac else f"/{file}"),
        )
        for file, emotion in answers.items()
    ]


def test_a_missing_file_is_named_with_its_line_and_counted(tmp_path: Path) -> None:
    _saved(tmp_path)
    _append(tmp_path / "validation.csv", "lost.wav,Sad\ngone.wav,Sad")
    count = len((tmp_path / "validation.csv").read_text().splitlines()) - 1
    with pytest.raises(
        ManifestError, match=rf"'lost\.wav' matches no utterance.*2 of {count} files"
    ) as caught:
        make_fold(FOUR_SPEAKERS, LABELS, _config(tmp_path))
    assert caught.value.path == tmp_path / "validation.csv"
    assert caught.value.line == count


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a_angry_000.wav,Sad", "'Sad' in this list but 'angry' in the corpus"),
        ("a_angry_000.wav,Grumpy", "'Grumpy' is not one of the classes angry, happy, neutral, sad"),
        ("a_angry_000.wav,", "empty file or answer"),
        ("a_angry_000.wav", "1 cells, but the header has 2"),
        ("extra.wav,Neutral", "'Neutral' in this list but 'bored' in the corpus"),
    ],
)
def test_a_bad_row_is_an_error_with_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    _saved(tmp_path)
    (tmp_path / "test.csv").write_text(f"file,answer\n{line}\n")
    with pytest.raises(ManifestError, match=message) as caught:
        make_fold([*FOUR_SPEAKERS, utterance("extra", "bored", "a")], LABELS, _config(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path / 'test.csv'}:2: ")


def test_a_file_that_stands_twice_in_a_list(tmp_path: Path) -> None:
    fold = _saved(tmp_path)
    _append(tmp_path / "test.csv", f"{fold.test[0].id}.wav,{fold.test[0].emotion}")
    with pytest.raises(ManifestError, match="is listed twice"):
        make_fold(FOUR_SPEAKERS, LABELS, _config(tmp_path))


def test_a_file_that_stands_in_two_lists(tmp_path: Path) -> None:
    fold = _saved(tmp_path)
    _append(tmp_path / "train.csv", f"{fold.test[0].id}.wav,{fold.test[0].emotion}")
    with pytest.raises(FoldError, match=f"1 utterances in both train and test: {fold.test[0].id}"):
        make_fold(FOUR_SPEAKERS, LABELS, _config(tmp_path))


def test_a_list_without_its_header(tmp_path: Path) -> None:
    _saved(tmp_path)
    (tmp_path / "test.csv").write_text("a_angry_000.wav,Angry\n")
    with pytest.raises(ManifestError, match="no column file and answer"):
        make_fold(FOUR_SPEAKERS, LABELS, _config(tmp_path))


def test_a_list_in_another_encoding_and_dialect(tmp_path: Path) -> None:
    fold = _saved(tmp_path)
    text = (tmp_path / "test.csv").read_text()
    (tmp_path / "test.csv").write_bytes(text.replace(",", ";").replace("\n", "\r\n").encode("utf-16"))
    assert make_fold(FOUR_SPEAKERS, LABELS, _config(tmp_path)).test == fold.test


def test_a_list_whose_encoding_cannot_be_recognised(tmp_path: Path) -> None:
    _saved(tmp_path)
    (tmp_path / "test.csv").write_bytes("file,answer\nзлой.wav,Sad\n".encode("cp1251"))
    with pytest.raises(ManifestError, match="not UTF-8"):
        make_fold(FOUR_SPEAKERS, LABELS, _config(tmp_path))


@pytest.mark.parametrize(
    "written", ["cafe\u0301.wav", " caf\u00e9.wav\u00a0", "wav\\caf\u00e9.wav", "\ufeffcaf\u00e9"]
)
@pytest.mark.parametrize("stored", ["caf\u00e9", "cafe\u0301"])
def test_a_name_is_found_in_whatever_form_it_is_written(stored: str, written: str) -> None:
    item = Utterance("u1", Path(f"/x/{stored}.wav"), "sad", "Toy")
    assert UtteranceIndex([item]).find(written) == item


def test_a_folder_without_lists(tmp_path: Path) -> None:
    with pytest.raises(FoldError, match=r"train\.csv: no such fold list.*metadata_fold0"):
        make_fold(FOUR_SPEAKERS, LABELS, _config(tmp_path))


def test_answers_are_class_names_or_words_for_an_emotion_in_any_case(tmp_path: Path) -> None:
    labels = label_scheme({"Negative": ["angry", "sad"], "rest": ["happy", "neutral"]})
    for part, speaker in {"train": "a", "validation": "b", "test": "c"}.items():
        rows = [f"{speaker}_angry_000.wav,NEGATIVE", f"{speaker}_happy_000.wav,Happiness"]
        (tmp_path / f"{part}.csv").write_text("\n".join(["\ufefffile,answer", *rows, ""]), encoding="utf-8")
    fold = make_fold(FOUR_SPEAKERS, labels, _config(tmp_path))
    assert ids(fold.test) == ["c_angry_000", "c_happy_000"]


def test_lists_that_cannot_be_written(tmp_path: Path) -> None:
    fold = _saved(tmp_path / "good")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save_fold(fold, tmp_path / "file")


def test_a_file_name_that_fits_two_utterances_fits_none() -> None:
    twins = [
        Utterance("liu_angry_201", Path("/liu/angry/201.wav"), "angry", "CASIA"),
        Utterance("wang_angry_201", Path("/wang/angry/201.wav"), "angry", "CASIA"),
    ]
    index = UtteranceIndex(twins)
    assert index.find("201.wav") is None
    assert index.find("wang_angry_201.wav") == twins[1]


@example({"a", "a.flac", "a.flac.flac", "x/a"})
@given(
    st.sets(
        st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs", "Cc"])).map(clean).filter(bool),
        min_size=1,
        max_size=5,
    )
)
def test_every_utterance_is_found_by_the_name_it_is_saved_under(names: set[str]) -> None:
    utterances = [
        Utterance(name, Path(f"/x/{number}.flac"), "sad", "Toy") for number, name in enumerate(names)
    ]
    index = UtteranceIndex(utterances)
    assert [index.find(list_name(item)) for item in utterances] == utterances


def test_a_list_can_be_tested_in_place_of_the_scheme_s_test_part(tmp_path: Path) -> None:
    utterances = even("abcdef", 6)
    plain = make_folds(utterances, LABELS, FoldConfig(count=3))
    items = [plain[0].train[0], plain[0].validation[0], plain[0].test[0]]
    path = tmp_path / "listening.csv"
    path.write_text("file,answer\n" + "".join(f"{item.id}.wav,{item.emotion}\n" for item in items))
    config = FoldConfig(count=3, test_list=str(path), allow_speaker_overlap=True)
    folds = make_folds(utterances, LABELS, config)
    assert [fold.name for fold in folds] == [f"speaker+list fold {index} of 3" for index in range(3)]
    for fold, before in zip(folds, plain, strict=True):
        assert ids(fold.test) == ids(items)
        for part in ("train", "validation"):
            kept = [name for name in ids(before.parts[part]) if name not in ids(items)]
            assert ids(fold.parts[part]) == kept
    said = "1 of them were taken out of training, 1 out of validation"
    assert any(
        "tested on the 3 utterances of listening.csv" in note and said in note for note in folds[0].notes
    )
    with pytest.raises(SpeakerOverlapError):
        make_folds(utterances, LABELS, replace(config, allow_speaker_overlap=False))
    path.write_text("file,answer\nnobody.wav,Happy\n")
    with pytest.raises(ManifestError, match=r"nobody\.wav"):
        make_folds(utterances, LABELS, config)
    with pytest.raises(FoldError, match=r"no such list of --data\.folds\.test_list"):
        make_folds(utterances, LABELS, replace(config, test_list=str(tmp_path / "none.csv")))
