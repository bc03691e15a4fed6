import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sercl.corpora.base import Utterance
from sercl.corpora.folds import FoldConfig
from sercl.corpora.manifest import ManifestColumns
from sercl.data.datamodules import Manifest
from sercl.data.datamodules.overlap import check_speakers
from sercl.errors import CorpusError, SpeakerOverlapError, UsageError
from tests.data.corpora import write_manifest, write_rows


def test_a_table_is_named_after_its_file_unless_it_is_given_a_name(tmp_path):
    table = write_manifest(tmp_path)
    assert Manifest(table).corpus == "list"
    assert {utterance.corpus for utterance in Manifest(table).read().utterances} == {"list"}
    named = Manifest(table, name="TJD", language="zh")
    assert named.corpus == "TJD"
    assert {(item.corpus, item.language) for item in named.read().utterances} == {("TJD", "zh")}


def test_columns_say_more_than_options(tmp_path):
    write_manifest(tmp_path, speakers=1, per_emotion=1)
    rows = [("0_sad_0.wav", "sad", "x", "ESD", "en")]
    table = write_rows(tmp_path / "own.csv", rows, ("path", "emotion", "speaker", "corpus", "language"))
    (utterance,) = Manifest(table, language="zh").read().utterances
    assert (utterance.corpus, utterance.language, utterance.speaker) == ("ESD", "en", "x")


def with_rows(folder: Path, change: Callable[[int, list[str]], list[str]]) -> Path:
    """Write a manifest of tones, and beside it one whose rows have been changed, with a column `corpus`."""
    with write_manifest(folder).open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    changed = [change(place, row) for place, row in enumerate(rows)]
    return write_rows(folder / "own.csv", changed, ("path", "emotion", "speaker", "corpus"))


def mislabelled(place: int, row: list[str]) -> list[str]:
    words = {0: "contempt", 3: "contempt", 7: "Unklar", 9: "furius"}
    return [row[0], words.get(place, row[1]), row[2], ""]


def test_every_bad_label_is_reported_at_once(tmp_path: Path) -> None:
    table = with_rows(tmp_path, mislabelled)
    with pytest.raises(CorpusError) as caught:
        Manifest(table).setup()
    assert str(caught.value).splitlines() == [
        "own: 4 problems (4 with bad labels)",
        f"  {table}:2: unknown emotion 'contempt' (2 rows in all)",
        f"  {table}:9: unknown emotion 'Unklar'",
        f"  {table}:11: unknown emotion 'furius'",
        "Restore these files or labels, or skip them (they are counted) with --data.on_error skip.",
        "Map or drop labels with the option emotions: --data.emotions '{Furius: angry, unclear: drop}'.",
    ]


def test_bad_labels_are_skipped_mapped_and_dropped(tmp_path: Path) -> None:
    data = Manifest(
        with_rows(tmp_path, mislabelled), on_error="skip", emotions={"unklar": "drop", "Furius": "angry"}
    )
    data.setup()
    assert sum(len(part) for part in data.fold.parts.values()) == 40 - 3
    report = data.report
    assert report.dropped == {"own": {"Unklar": 1}}
    assert [problem.kind for problem in report.problems["own"]] == ["label", "label"]


def test_two_corpora_joined_by_hand_keep_their_people(tmp_path: Path) -> None:
    table = with_rows(tmp_path, lambda place, row: [*row[:2], f"0{int(row[2]) % 3}", "AB"[int(row[2]) % 2]])
    data = Manifest(table, folds=FoldConfig(count=5))  # as many as there are people
    data.setup()
    parts = [set(data.speakers_in(part)) for part in ("train", "validation", "test")]
    assert set.union(*parts) == {"A 00", "A 01", "A 02", "B 00", "B 01"}
    assert sum(map(len, parts)) == 5
    assert any("00, 01 are in several corpora (A, B)" in note for note in data.report.notes)
    other = [Utterance("x", Path("/x.wav"), "sad", "A", speaker="00")]
    with pytest.raises(SpeakerOverlapError):
        check_speakers(data.read().utterances, other)


@pytest.mark.parametrize("options", [{"emotions": {"x": "angri"}}, {"language": "tianjin"}])
def test_wrong_options_are_refused_before_anything_is_read(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="unknown"):
        Manifest("/no/such/file.csv", **options)


def test_columns_of_other_names(tmp_path: Path) -> None:
    rows = [("0_sad_0.wav", "Trauer", "x")]
    write_manifest(tmp_path, speakers=1, per_emotion=1)
    table = write_rows(tmp_path / "own.csv", rows, ("file", "label", "who"))
    columns = ManifestColumns(path="file", emotion="label", speaker="who")
    (utterance,) = Manifest(table, columns=columns).read().utterances
    assert (utterance.emotion, utterance.speaker) == ("sad", "x")
