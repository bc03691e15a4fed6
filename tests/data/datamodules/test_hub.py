import pytest

from sercl.corpora.hub import HubColumns
from sercl.data.datamodules import HuggingFace
from tests.data.corpora import write_manifest

datasets = pytest.importorskip("datasets", reason="the extra 'hub' is not installed")

WORDS = {"angry": "wuetend", "happy": "froh"}


def test_a_saved_dataset_becomes_batches(tmp_path, monkeypatch):
    monkeypatch.setenv("SERCL_ALLOW_FOLDERS", str(tmp_path / "own"))
    table = write_manifest(tmp_path / "own")
    lines = [line.split(",") for line in table.read_text().splitlines()[1:]]
    rows = {
        "sound": [str(table.parent / path) for path, _, _ in lines],
        "mood": [WORDS.get(emotion, emotion) for _, emotion, _ in lines],
        "who": [speaker for _, _, speaker in lines],
    }
    folder = tmp_path / "saved"
    datasets.Dataset.from_dict(rows).save_to_disk(str(folder))
    module = HuggingFace(
        folder,
        columns=HubColumns(audio="sound", emotion="mood", speaker="who"),
        emotions={word: emotion for emotion, word in WORDS.items()},
        name="tones",
        language="it",
        cache=tmp_path / "cache",
    )
    module.setup("fit")
    assert module.report.splits["train"].classes == {"angry": 6, "happy": 6, "neutral": 6, "sad": 6}
    assert (module.languages, module.corpus) == (("it",), "tones")
    assert sum(len(batch) for batch in module.test_dataloader()) == 8


def test_the_name_is_the_last_part_of_the_id():
    assert HuggingFace("org/emotional-tones").corpus == "emotional-tones"
