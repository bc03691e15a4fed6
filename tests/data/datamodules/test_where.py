import inspect
from pathlib import Path

import pytest

from sercl.corpora.folds import FoldConfig
from sercl.corpora.registry import COMMON_OPTIONS
from sercl.data import datamodules
from sercl.data.datamodules import Corpora, CorpusDataModule, Diarization, LanguagePair, Manifest
from sercl.errors import FoldError, ManifestError, SpeakerOverlapError, UsageError
from sercl.reports.data import left_out
from sercl.testing.corpora import fake_dialects
from tests.data.corpora import write_emodb

RAW = {"labels": "4"}


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six speakers of standard German and four of Bavarian, female and male in turn."""
    return fake_dialects(tmp_path_factory.mktemp("german"), seconds=0.2)


def ready(module):
    module.setup("fit")
    return module


def everyone(module):
    return {item.speaker for split in module.splits.values() for item in split.utterances}


def test_folds_are_cut_from_the_selected_utterances(german):
    module = ready(Manifest(german, where={"dialect": "bavarian"}, folds=FoldConfig(count=4)))
    assert everyone(module) == {"06", "07", "08", "09"}
    assert {item.dialect for item in module.utterances_in_use} == {"bavarian"}
    assert [len(set(module.speakers_in(part))) for part in module.splits] == [2, 1, 1]
    assert module.title == "german (dialect bavarian)"
    assert list(module.folds_in_use) == [module.title]


def test_what_is_left_out_is_reported(german):
    report = ready(Manifest(german, where={"dialect": "standard", "room": "studio"})).report
    assert report.name == "german (dialect standard; room studio)"
    assert report.not_selected == {report.name: 56}
    assert report.to_dict()["not_selected"] == {report.name: 56}
    assert f"Not selected: 56 utterances of {report.name}" in left_out(report)
    assert "24 of 80 utterances selected (dialect standard; room studio)" in report.notes


def test_without_conditions_nothing_is_said(german):
    module = ready(Manifest(german, where={}))
    assert (module.title, len(module.utterances_in_use)) == ("german", 80)
    assert "not_selected" not in module.report.to_dict()
    assert not any("selected" in note for note in module.report.notes)


def test_lists_must_not_name_utterances_that_are_left_out(german, tmp_path):
    ready(Manifest(german)).save_folds(tmp_path / "folds")
    own = Manifest(
        german, where={"dialect": "bavarian"}, folds=FoldConfig(scheme="csv", lists=tmp_path / "folds")
    )
    with pytest.raises(ManifestError, match="Conditions of `where` must not leave out what a list names"):
        ready(own)


def test_conditions_are_checked_before_anything_is_read(tmp_path):
    with pytest.raises(UsageError, match=r"where\.dialect: an empty list"):
        Manifest(tmp_path / "absent.csv", where={"dialect": []})


def test_a_wrong_value_names_the_corpus(german):
    with pytest.raises(UsageError, match=r"no utterance of german has 'tyrolean'.* bavarian \(32\)"):
        Manifest(german, where={"dialect": "tyrolean"}).setup()


@pytest.mark.parametrize("name", [*COMMON_OPTIONS])
def test_every_corpus_names_the_common_options(name):
    for module in vars(datamodules).values():
        if inspect.isclass(module) and issubclass(module, CorpusDataModule) and module is not Corpora:
            assert name in inspect.signature(module).parameters, module


def test_a_module_without_conditions_of_its_own_works(german):
    class Mine(CorpusDataModule):
        def __init__(self, root, folds=FoldConfig()):
            super().__init__(root, folds=folds)

        def read(self):
            return Manifest(self.root).read()

    assert len(ready(Mine(german)).utterances_in_use) == 80


def test_registered_corpora(tmp_path):
    folds = FoldConfig(count=3)
    module = datamodules.EmoDB(write_emodb(tmp_path / "emodb"), where={"gender": "male"}, folds=folds)
    assert everyone(ready(module)) == {"03", "10", "11"}


@pytest.mark.parametrize("part", ["test", "whole"])
def test_a_part_that_is_scored_alone(german, part):
    module = Manifest(german, where={"dialect": "bavarian"}, folds=FoldConfig(count=4))
    module.score_only(part)
    module.setup("test")
    assert {item.dialect for item in module.splits["test"].utterances} == {"bavarian"}


def test_dialects_of_one_corpus_as_a_pair(german):
    folds = FoldConfig(count=4)
    standard = Manifest(german, where={"dialect": "standard"}, folds=folds)
    dialect = Manifest(german, where={"dialect": "bavarian"}, folds=folds)
    pair = ready(LanguagePair(standard, dialect))
    assert pair.report.name == "german (dialect standard) -> german (dialect bavarian)"
    assert pair.report.not_selected == {"german (dialect standard)": 32, "german (dialect bavarian)": 48}
    assert {item.dialect for item in pair.splits["train"].utterances} == {None}
    assert {item.dialect for item in pair.splits["test"].utterances} == {"bavarian"}
    assert not set(pair.speakers_in("train")) & set(pair.speakers_in("test"))


def test_speakers_of_both_sides_of_a_pair_are_refused_unless_allowed(german):
    def pair(allowed):
        rooms = [Manifest(german, where={"room": "studio"}), Manifest(german, where={"room": "office"})]
        rooms[1].fold_config = FoldConfig(index=1, allow_speaker_overlap=allowed)
        return LanguagePair(*rooms)

    with pytest.raises(SpeakerOverlapError, match=r"both german, and 2 speakers .*allow_speaker_overlap"):
        pair(allowed=False).setup()
    module = ready(pair(allowed=True))
    assert set(module.speakers_in("test")) & {*module.speakers_in("train"), *module.speakers_in("validation")}


def test_each_of_several_corpora_has_conditions_of_its_own(german, tmp_path):
    folds = FoldConfig(count=3)
    emodb = datamodules.EmoDB(write_emodb(tmp_path / "emodb"), where={"gender": "male"}, folds=folds)
    module = ready(Corpora([Manifest(german, where={"dialect": "bavarian"}, folds=folds), emodb]))
    assert everyone(module) == {"EmoDB 03", "EmoDB 10", "EmoDB 11", *(f"german 0{at}" for at in range(6, 10))}
    assert list(module.report.not_selected.values()) == [48, 16]
    assert module.title == "german (dialect bavarian) + EmoDB (gender male)"


def test_conditions_on_all_of_several_corpora(german, tmp_path):
    folds = FoldConfig(count=3)
    emodb = datamodules.EmoDB(write_emodb(tmp_path / "emodb"), folds=folds)
    studio = Manifest(german, where={"room": "studio"}, folds=folds)
    module = ready(Corpora([studio, emodb], where={"gender": "male", "dialect": "standard"}))
    assert everyone(module) == {"EmoDB 03", "EmoDB 10", "EmoDB 11", "german 01", "german 03", "german 05"}
    assert module.report.not_selected == {
        "german (room studio; gender male; dialect standard)": 68,
        "EmoDB (gender male; dialect standard)": 16,
    }


def test_conditions_on_all_corpora_that_empty_one(german, tmp_path):
    emodb = datamodules.EmoDB(write_emodb(tmp_path / "emodb"))
    with pytest.raises(UsageError, match=r"none of the 40 utterances of EmoDB .*dialect bavarian"):
        Corpora([Manifest(german), emodb], where={"dialect": "bavarian"}).setup()
    with pytest.raises(UsageError, match=r"no utterance of german \+ EmoDB has 'saxon'"):
        Corpora([Manifest(german), emodb], where={"dialect": "saxon"}).setup()


def test_is_known_to_looks_at_the_selected_utterances(german, tmp_path):
    emodb = write_emodb(tmp_path / "emodb")
    module = Corpora([Manifest(german), datamodules.EmoDB(emodb)], where={"speaker": "03"})
    assert module.is_known_to(["EmoDB"])
    assert not module.is_known_to(["other"])


def test_two_selections_of_one_corpus_as_one(german):
    def parts(*words):
        return [Manifest(german, where=where, folds=FoldConfig(count=4)) for where in words]

    module = ready(Corpora(parts({"dialect": "standard"}, {"dialect": "bavarian"}), weights="by-corpus"))
    assert len(module.utterances_in_use) == 80
    assert list(module.report.corpora) == ["german (dialect standard)", "german (dialect bavarian)"]
    with pytest.raises(UsageError, match="two corpora are called german"):
        Corpora(parts({}, {}))
    with pytest.raises(UsageError, match=r"two corpora are called german \(room studio\)"):
        Corpora(parts({"room": "studio"}, {"room": "studio"}))
    with pytest.raises(FoldError, match="overlap: both have the utterance"):
        Corpora(parts({"room": "studio"}, {})).setup()


@pytest.mark.parametrize("kind", [Corpora, Diarization])
def test_a_speaker_may_not_be_trained_on_in_one_selection_and_tested_in_another(german, kind):
    def rooms(allowed):
        folds = [FoldConfig(index=at, allow_speaker_overlap=allowed) for at in range(2)]
        where = [{"room": "studio"}, {"room": "office"}]
        return kind([Manifest(german, where=own, folds=fold) for own, fold in zip(where, folds, strict=True)])

    message = r"2 speakers in training of german .* and in the test part of german .*: german 00, german 01"
    with pytest.raises(SpeakerOverlapError, match=message):
        rooms(allowed=False).setup()
    ready(rooms(allowed=True))


def test_saved_folds_of_a_selection_are_read_back(german, tmp_path):
    where = {"dialect": "bavarian"}
    module = ready(Manifest(german, where=where, folds=FoldConfig(count=4, index=1)))
    module.save_folds(tmp_path / "folds")
    again = ready(Manifest(german, where=where, folds=FoldConfig(scheme="csv", lists=tmp_path / "folds")))
    for part, split in module.splits.items():
        assert {item.id for item in again.splits[part].utterances} == {item.id for item in split.utterances}


def test_folds_of_selections_whose_values_have_slashes(tmp_path):
    german = fake_dialects(tmp_path / "german", seconds=0.2)
    german.write_text(german.read_text().replace("bavarian", "Upper/Lower"))
    own = [
        Manifest(german, where={"dialect": name}, folds=FoldConfig(count=3))
        for name in ("standard", "!standard")
    ]
    module = ready(Diarization(own))
    module.save_folds(tmp_path / "folds")
    assert len(list((tmp_path / "folds").glob("*/test.csv"))) == 2
