import json
import shutil

import pytest
import yaml

from sercl.errors import OutputError, ResultsError, UnknownNameError, UsageError
from sercl.listening.convert import convert
from sercl.listening.protocol import read


def test_webmushra_gets_a_configuration_for_each_language_and_the_audio(test_folder, tmp_path):
    advice = convert(test_folder, "webmushra", tmp_path / "german")
    made = read(test_folder)
    names = sorted(path.name for path in (tmp_path / "german").iterdir())
    assert names == ["audio", "config-de.yaml", "config-zh.yaml", "config.yaml"]
    for item in made.items:
        assert (tmp_path / "german" / item.file).read_bytes() == (test_folder / item.file).read_bytes()
    ids = {
        name: yaml.safe_load((tmp_path / "german" / name).read_text(encoding="utf-8"))["testId"]
        for name in names[1:]
    }
    assert len(set(ids.values())) == 3
    assert ids["config.yaml"] == f"sercl-{made.hash[:12]}-en"
    assert "?config=german/config.yaml" in advice[0]
    assert "protocol.json" in advice[-1]


def test_orders_of_listeners_are_configurations_of_their_own(test_folder, tmp_path):
    convert(test_folder, "webmushra", tmp_path / "german", orders=2)
    names = sorted(path.name for path in (tmp_path / "german").glob("*.yaml"))
    assert names == [f"config-{code}-{number}.yaml" for code in ("de", "en", "zh") for number in (1, 2)]


def test_a_folder_has_tables_and_timelines(test_folder, tmp_path):
    convert(test_folder, "folder", tmp_path / "out", orders=3)
    names = {
        str(path.relative_to(tmp_path / "out"))
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and path.suffix != ".wav"
    }
    timelines = {f"jspsych/{code}/{number}.json" for code in ("de", "en", "zh") for number in (1, 2, 3)}
    assert names == {"orders.csv", *(f"stimuli-{code}.csv" for code in ("de", "en", "zh")), *timelines}
    content = json.loads((tmp_path / "out" / "jspsych" / "en" / "2.json").read_text())
    assert content["listener"] == 1
    assert (tmp_path / "out" / "orders.csv").read_text().count("\n") == 1 + 3 * len(read(test_folder).items)


def test_there_are_24_orders_by_default(test_folder, tmp_path):
    convert(test_folder, "folder", tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out" / "jspsych" / "en").iterdir())
    assert (names[0], names[-1], len(names)) == ("01.json", "24.json", 24)


def test_a_changed_test_is_not_converted(test_folder, tmp_path):
    shutil.copytree(test_folder, tmp_path / "test")
    min((tmp_path / "test" / "audio").iterdir()).write_bytes(b"other")
    with pytest.raises(ResultsError, match="was changed after the test was built"):
        convert(tmp_path / "test", "folder", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_is_refused(test_folder, tmp_path):
    with pytest.raises(UnknownNameError, match="Valid: webmushra, folder"):
        convert(test_folder, "psychopy", tmp_path / "out")
    with pytest.raises(UsageError, match="--orders -1"):
        convert(test_folder, "folder", tmp_path / "out", orders=-1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(OutputError, match="not an empty folder"):
        convert(test_folder, "folder", tmp_path / "full")
    with pytest.raises(UsageError, match="letters, digits"):
        convert(test_folder, "webmushra", tmp_path / "a+b")
