import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from sercl.corpora.base import Utterance
from sercl.corpora.hub import HubColumns, read_hub
from sercl.corpora.registry import read_corpus
from sercl.errors import (
    CorpusError,
    ManifestError,
    MissingExtraError,
    OutputError,
    UnknownNameError,
    UsageError,
)
from sercl.testing.corpora import fake_corpus

datasets = pytest.importorskip("datasets", reason="the extra `hub` is not installed")

COLUMNS = HubColumns(emotion="label", speaker="who", text="said", id="name")


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setenv("SERCL_ALLOW_FOLDERS", str(tmp_path))  # most datasets here name files beside them


@pytest.fixture
def clips(tmp_path: Path) -> tuple[Utterance, ...]:
    root = fake_corpus("EmoDB", tmp_path / "emodb", speakers=1, per_emotion=1, seconds=0.02)
    return read_corpus("EmoDB", root).utterances


def table(clips: tuple[Utterance, ...]) -> dict[str, list[object]]:
    return {
        "audio": [str(item.path) for item in clips],
        "label": [item.emotion for item in clips],
        "who": [item.speaker for item in clips],
        "said": [item.text for item in clips],
        "name": [item.id for item in clips],
    }


def saved(folder: Path, columns: dict[str, list[object]], *, embedded: bool = True) -> str:
    """A dataset as `save_to_disk` leaves it, with the audio in it (embedded) or only named by path."""
    dataset = datasets.Dataset.from_dict(columns)
    if embedded:
        dataset = dataset.cast_column("audio", datasets.Audio(decode=False))
    dataset.save_to_disk(str(folder))
    return str(folder)


def test_embedded_audio_is_written_to_the_cache_once(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    source, cache = saved(tmp_path / "mine", table(clips)), tmp_path / "cache"
    listing = read_hub(source, cache=cache, columns=COLUMNS, language="de")
    assert listing.problems == ()
    assert [item.path.read_bytes() for item in listing.utterances] == [
        item.path.read_bytes() for item in clips
    ]
    assert {item.path.parent for item in listing.utterances} == {cache}
    times = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(times) == len(clips)
    assert read_hub(source, cache=cache, columns=COLUMNS, language="de") == listing
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == times


def test_audio_named_by_path_is_used_where_it_lies(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    source = saved(tmp_path / "mine", table(clips), embedded=False)
    listing = read_hub(source, cache=tmp_path / "cache", columns=COLUMNS, corpus="X", language="de")
    assert [
        (item.id, item.path, item.emotion, item.speaker, item.text, item.language, item.corpus)
        for item in listing.utterances
    ] == [(item.id, item.path, item.emotion, item.speaker, item.text, "de", "X") for item in clips]
    assert not (tmp_path / "cache").exists()


def test_audio_elsewhere_is_read_only_if_its_folder_is_allowed(
    tmp_path: Path, clips: tuple[Utterance, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = saved(tmp_path / "mine", table(clips), embedded=False)
    monkeypatch.delenv("SERCL_ALLOW_FOLDERS")
    with pytest.raises(ManifestError, match=r"outside of .*mine\. .*export SERCL_ALLOW_FOLDERS=.*emodb"):
        read_hub(source, cache=tmp_path / "cache", columns=COLUMNS)
    monkeypatch.chdir(tmp_path)  # absolute paths are not allowed by the working folder, relative ones are
    with pytest.raises(ManifestError):
        read_hub(source, cache=tmp_path / "cache", columns=COLUMNS)
    relative = table(clips) | {"audio": [str(item.path.relative_to(tmp_path)) for item in clips]}
    source = saved(tmp_path / "relative", relative, embedded=False)
    assert len(read_hub(source, cache=tmp_path / "cache", columns=COLUMNS).utterances) == len(clips)


def test_class_labels_are_read_by_their_names(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    names = ["wut", "boredom", "Ekel", "fear", "joy", "neutrality", "sadness"]
    codes = dict(
        zip(("angry", "bored", "disgusted", "fearful", "happy", "neutral", "sad"), range(7), strict=True)
    )
    columns = table(clips) | {"label": [codes[item.emotion] for item in clips]}
    dataset = datasets.Dataset.from_dict(columns).cast_column("label", datasets.ClassLabel(names=names))
    dataset.save_to_disk(str(tmp_path / "mine"))
    listing = read_hub(str(tmp_path / "mine"), cache=tmp_path / "cache", columns=COLUMNS)
    assert [item.emotion for item in listing.utterances] == [item.emotion for item in clips]


@pytest.mark.parametrize("column", ["corpus", "source"])
def test_speakers_belong_to_their_corpus(tmp_path: Path, clips: tuple[Utterance, ...], column: str) -> None:
    names = ["One" if number % 2 else "Two" for number in range(len(clips))]
    source = saved(tmp_path / "joined", table(clips) | {column: names, "who": ["03"] * len(clips)})
    columns = replace(COLUMNS, corpus=None if column == "corpus" else column)
    listing = read_hub(source, cache=tmp_path / "cache", columns=columns)
    assert {item.speaker for item in listing.utterances} == {"One 03", "Two 03"}
    assert {item.corpus for item in listing.utterances} == {"One", "Two"}
    assert any("the speaker ids 03 are in several corpora (One, Two)" in note for note in listing.notes)
    renamed = read_hub(source, cache=tmp_path / "cache", columns=columns, corpus="all")
    assert {(item.corpus, item.speaker) for item in renamed.utterances} == {
        ("all", "One 03"),
        ("all", "Two 03"),
    }


def test_words_of_the_users_own(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    source = saved(tmp_path / "mine", table(clips[:2]) | {"label": ["E7", "sad"]}, embedded=False)
    listing = read_hub(source, cache=tmp_path / "cache", columns=COLUMNS, emotions={"E7": "bored"})
    assert [item.emotion for item in listing.utterances] == ["bored", "sad"]


def test_rows_that_cannot_be_used_are_problems(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    columns = table(clips[:4]) | {"label": ["sad", "envy", "sad", "sad"]}
    columns["audio"][2] = str(tmp_path / "gone.wav")
    columns["audio"][3] = None
    listing = read_hub(saved(tmp_path / "mine", columns, embedded=False), cache=tmp_path, columns=COLUMNS)
    assert [item.id for item in listing.utterances] == [clips[0].id]
    assert [(item.kind, item.path.name) for item in listing.problems] == [
        ("label", clips[1].path.name),
        ("missing", "gone.wav"),
        ("missing", "mine"),
    ]
    assert "row 2" in listing.problems[0].reason
    assert "unknown emotion 'envy'" in listing.problems[0].reason


def test_a_row_without_class_label_is_a_problem(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    columns = table(clips[:2]) | {"label": [0, -1]}
    dataset = datasets.Dataset.from_dict(columns)
    dataset = dataset.cast_column("label", datasets.ClassLabel(names=["sad", "happy"]))
    dataset.save_to_disk(str(tmp_path / "mine"))
    listing = read_hub(str(tmp_path / "mine"), cache=tmp_path, columns=COLUMNS)
    assert [item.emotion for item in listing.utterances] == ["sad"]
    assert [item.kind for item in listing.problems] == ["label"]


def test_splits(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    parts = {"train": clips[:3], "test": clips[3:5], "extra": clips[5:]}
    tables = {name: datasets.Dataset.from_dict(table(part)) for name, part in parts.items()}
    datasets.DatasetDict(tables).save_to_disk(str(tmp_path / "mine"))

    def read(split: str | None) -> list[tuple[str, str | None]]:
        listing = read_hub(str(tmp_path / "mine"), cache=tmp_path, columns=COLUMNS, split=split)
        return [(item.id, item.split) for item in listing.utterances]

    assert read("test") == [(item.id, "test") for item in clips[3:5]]
    splits = ["train"] * 3 + ["test"] * 2 + [None] * 2
    assert read(None) == [(item.id, split) for item, split in zip(clips, splits, strict=True)]
    with pytest.raises(UnknownNameError, match=r"unknown split of .*mine 'tset'\. Did you mean 'test'"):
        read("tset")


def test_without_ids_the_files_stem_serves(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    source = saved(tmp_path / "mine", table(clips))
    listing = read_hub(source, cache=tmp_path / "cache", columns=HubColumns(emotion="label"))
    assert [item.id for item in listing.utterances] == [item.path.stem for item in clips]


def test_bytes_without_a_name_get_their_hash_as_id(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    columns = table(clips[:1]) | {"audio": [{"bytes": clips[0].path.read_bytes(), "path": None}]}
    listing = read_hub(
        saved(tmp_path / "mine", columns), cache=tmp_path / "cache", columns=HubColumns(emotion="label")
    )
    digest = hashlib.sha256(clips[0].path.read_bytes()).hexdigest()
    assert [(item.id, item.path.suffix) for item in listing.utterances] == [(digest[:12], ".wav")]


def test_files_of_one_name_are_distinguished_whatever_their_order(
    tmp_path: Path, clips: tuple[Utterance, ...]
) -> None:
    rows = [
        {"bytes": item.path.read_bytes(), "path": f"{item.speaker}/x.wav" if place else "y.wav"}
        for place, item in enumerate(clips)
    ]
    labels = [item.emotion for item in clips]

    def read(order: list[int], folder: str) -> dict[str, str]:
        columns = {"audio": [rows[i] for i in order], "emotion": [labels[i] for i in order]}
        listing = read_hub(saved(tmp_path / folder, columns), cache=tmp_path / "cache")
        assert not listing.problems
        return {item.id: item.emotion for item in listing.utterances}

    found = read(list(range(len(rows))), "one")
    assert len(found) == len(rows)
    assert "y" in found
    assert read(list(reversed(range(len(rows)))), "other") == found


def test_named_files_of_one_name_go_by_their_folders(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    paths = [tmp_path / "audio" / str(place) / "x.wav" for place in range(2)]
    for path, clip in zip(paths, clips, strict=False):
        path.parent.mkdir(parents=True)
        path.write_bytes(clip.path.read_bytes())
    columns = {"audio": list(map(str, paths)), "emotion": ["sad", "sad"]}
    listing = read_hub(saved(tmp_path / "mine", columns, embedded=False), cache=tmp_path / "cache")
    assert [item.id for item in listing.utterances] == ["0/x", "1/x"]


def test_class_labels_in_every_column_and_words_in_one_form(
    tmp_path: Path, clips: tuple[Utterance, ...]
) -> None:
    columns = {
        "audio": [{"bytes": item.path.read_bytes(), "path": item.path.name} for item in clips[:4]],
        "emotion": [0, 1, 0, 1],
        "who": [0, 1, -1, 1],
        "sex": [0, 1, 0, 1],
        "lang": [0, 1, 0, -1],
    }
    dataset = datasets.Dataset.from_dict(columns)
    names = {"emotion": ["wut", "zzz"], "who": ["anna", "ben"], "sex": ["weiblich", "M"]}
    for column, words in (names | {"lang": ["German", "zh-CN"]}).items():
        dataset = dataset.cast_column(column, datasets.ClassLabel(names=words))
    dataset.cast_column("audio", datasets.Audio(decode=False)).save_to_disk(str(tmp_path / "mine"))
    listing = read_hub(
        str(tmp_path / "mine"),
        cache=tmp_path / "cache",
        columns=HubColumns(speaker="who", gender="sex", language="lang"),
        emotions={"1": "happy"},
        language="English",
    )
    assert [(u.emotion, u.speaker, u.gender, u.language) for u in listing.utterances] == [
        ("angry", "anna", "female", "de"),
        ("happy", "ben", "male", "zh"),
        ("angry", None, "female", "de"),
        ("happy", "ben", "male", "en"),
    ]


def test_dropped_labels_are_counted_and_bad_languages_are_problems(
    tmp_path: Path, clips: tuple[Utterance, ...]
) -> None:
    columns = {**table(clips[:3]), "label": ["Unklar", "sad", "sad"], "lang": ["de", "de", "xx"]}
    listing = read_hub(
        saved(tmp_path / "mine", columns, embedded=False),
        cache=tmp_path / "cache",
        columns=HubColumns(emotion="label", language="lang"),
        emotions={"unklar": "drop"},
    )
    assert [item.id for item in listing.utterances] == [clips[1].id]
    assert listing.dropped == {"Unklar": 1}
    assert [(item.kind, item.reason[:26]) for item in listing.problems] == [
        ("row", "row 3 of all: unknown lang")
    ]


def test_samples_are_written_as_they_are(tmp_path: Path) -> None:
    samples = [[0.5, -0.25, 0.125], [0.1, 0.2, 0.3]]
    columns = {
        "audio": [{"array": row, "sampling_rate": 16000, "path": None} for row in samples],
        "emotion": ["sad", "angry"],
        "speaker": [3.0, 4.0],
    }
    source = saved(tmp_path / "mine", columns, embedded=False)
    listing = read_hub(source, cache=tmp_path / "cache", columns=HubColumns(speaker="speaker"))
    assert not listing.problems
    by_speaker = {item.speaker: soundfile.read(item.path) for item in listing.utterances}
    assert {speaker: rate for speaker, (_, rate) in by_speaker.items()} == {"3": 16000, "4": 16000}
    assert by_speaker["3"][0].tolist() == samples[0]
    assert read_hub(source, cache=tmp_path / "cache", columns=HubColumns(speaker="speaker")) == listing


def test_samples_without_a_rate_are_a_problem(tmp_path: Path) -> None:
    columns = {"audio": [[0.1, 0.2]], "emotion": ["sad"]}
    listing = read_hub(saved(tmp_path / "mine", columns, embedded=False), cache=tmp_path / "cache")
    assert [problem.kind for problem in listing.problems] == ["missing"]
    assert "samples without a sampling rate" in listing.problems[0].reason


def test_a_folder_of_audio_with_its_metadata(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    folder = tmp_path / "mine"
    rows = ["file_name,emotion,who"]
    for place, clip in enumerate(clips[:4]):
        (folder / str(place % 2)).mkdir(parents=True, exist_ok=True)
        (folder / str(place % 2) / f"{place // 2}.wav").write_bytes(clip.path.read_bytes())
        rows.append(f"{place % 2}/{place // 2}.wav,{clip.emotion},s{place}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    (folder / "0" / "unlisted.wav").write_bytes(clips[5].path.read_bytes())
    listing = read_hub(str(folder), cache=tmp_path / "cache", columns=HubColumns(speaker="who"))
    assert [(item.kind, item.path.name) for item in listing.problems] == [("label", "unlisted.wav")]
    assert [(item.id, item.speaker) for item in listing.utterances] == [
        ("0/0", "s0"),
        ("0/1", "s2"),
        ("1/0", "s1"),
        ("1/1", "s3"),
    ]


def test_a_folder_for_each_label_and_split(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    for split, label, clip in (
        ("train", "wut", clips[0]),
        ("train", "sad", clips[1]),
        ("test", "wut", clips[2]),
    ):
        (tmp_path / "mine" / split / label).mkdir(parents=True)
        (tmp_path / "mine" / split / label / "x.wav").write_bytes(clip.path.read_bytes())
    columns = HubColumns(emotion="label")
    listing = read_hub(str(tmp_path / "mine"), cache=tmp_path / "cache", columns=columns)
    assert [(item.id, item.emotion, item.split) for item in listing.utterances] == [
        ("test/wut/x", "angry", "test"),
        ("train/sad/x", "sad", "train"),
        ("train/wut/x", "angry", "train"),
    ]


def test_a_folder_of_parquet_files(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    dataset = datasets.Dataset.from_dict(
        {
            "audio": [{"bytes": clip.path.read_bytes(), "path": clip.path.name} for clip in clips],
            "emotion": [clip.emotion for clip in clips],
        }
    )
    (tmp_path / "mine" / "data").mkdir(parents=True)
    audio = dataset.cast_column("audio", datasets.Audio(decode=False))
    audio.to_parquet(str(tmp_path / "mine" / "data" / "train-00000-of-00001.parquet"))
    listing = read_hub(str(tmp_path / "mine"), cache=tmp_path / "cache")
    assert [(item.id, item.emotion, item.split) for item in listing.utterances] == [
        (item.id, item.emotion, "train") for item in clips
    ]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("nobody/nothing", CorpusError, r"nobody/nothing: cannot be loaded .*needs the network"),
        (".", CorpusError, r"cannot be loaded .*Give a folder written by save_to_disk"),
    ],
)
def test_a_source_that_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        read_hub(source, cache=tmp_path)


def test_a_column_that_is_not_there(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    source = saved(tmp_path / "mine", table(clips), embedded=False)
    with pytest.raises(UnknownNameError, match=r"emotion column of .* 'lable'\. Did you mean 'label'"):
        read_hub(source, cache=tmp_path, columns=HubColumns(emotion="lable"))
    with pytest.raises(UsageError, match="'audio' and 'emotion' need a column"):
        HubColumns(audio="")


def test_an_unwritable_cache_is_an_output_error(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        read_hub(saved(tmp_path / "mine", table(clips)), cache=tmp_path / "file", columns=COLUMNS)


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sercl\[hub\]'"):
        read_hub(str(tmp_path), cache=tmp_path)


def test_columns_and_splits_go_by_any_case_and_word(tmp_path: Path, clips: tuple[Utterance, ...]) -> None:
    columns = {"Audio": [str(item.path) for item in clips], "Emotion ": [item.emotion for item in clips]}
    parts = {name: datasets.Dataset.from_dict(columns).select([place]) for place, name in enumerate(SPLITS)}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    found = read_hub(str(tmp_path / "saved"), cache=tmp_path / "cache").utterances
    assert sorted(str(item.split) for item in found) == ["None", "test", "train", "validation"]


SPLITS = ("Train", "dev", "testing", "other")


def test_a_dataset_without_rows_is_an_error_of_its_own(tmp_path: Path) -> None:
    source = saved(tmp_path / "none", {"audio": [], "label": []}, embedded=False)
    with pytest.raises(CorpusError, match="none: cannot be loaded"):
        read_hub(source, cache=tmp_path / "cache")


def test_a_dataset_below_the_home_folder(
    tmp_path: Path, clips: tuple[Utterance, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    saved(tmp_path / "mine", table(clips), embedded=False)
    found = read_hub("~/mine", cache=tmp_path / "cache", columns=COLUMNS)
    assert len(found.utterances) == len(clips)
