"""`sercl diarize evaluate` with the checkpoints of several folds."""

import json
import shutil

import pytest
import torch

import sercl
from sercl.cli.diarize.evaluate import parse
from sercl.cli.main import main
from sercl.diarization.formats import read_segments
from sercl.errors import ResultsError
from sercl.tasks import checkpoint as checkpoints

SMALL = ["--baseline_window", "0.3", "--baseline_hop", "0.1"]


@pytest.fixture
def own(folds, tmp_path):
    """A copy of all runs, whose checkpoints may change."""
    return shutil.copytree(folds, tmp_path / "own")


def checkpoints_of(root, what="diarizer"):
    return [root / what / f"fold{index}" / "best.ckpt" for index in range(3)]


def evaluated(capsys, *words):
    assert main(["diarize", "evaluate", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, code, *words):
    assert main(["diarize", "evaluate", *map(str, words)]) == code
    return " ".join(capsys.readouterr().err.split())


def value(system):
    return system["scores"]["eder"]["value"]


def alone(folds, index, capsys):
    """Return what a fold alone gives, beside its own baseline."""
    one, other = checkpoints_of(folds)[index], checkpoints_of(folds, "classifier")[index]
    return evaluated(capsys, one, "--baseline", other, *SMALL)


def test_each_fold_is_evaluated_on_its_own_test_clips_and_all_give_one_table(folds, tmp_path, capsys):
    each = [alone(folds, index, capsys) for index in range(3)]
    words = ["--baseline", *checkpoints_of(folds, "classifier"), *SMALL, "--out", tmp_path / "out"]
    found = evaluated(capsys, *checkpoints_of(folds), *words)
    assert [run["name"] for run in found["runs"]] == ["fold0", "fold1", "fold2"]
    for run, single in zip(found["runs"], each, strict=True):
        assert run["systems"] == single["systems"]
        assert run["data"] == single["data"]
    counts = [single["data"]["recordings"] for single in each]
    assert found["data"]["recordings"] == sum(counts)
    assert len(found["data"]["speakers"]) == sum(len(single["data"]["speakers"]) for single in each) == 6
    for index, system in enumerate(found["systems"]):
        pooled = sum(n * value(single["systems"][index]) for n, single in zip(counts, each, strict=True))
        assert value(system) == pytest.approx(pooled / sum(counts), abs=1e-6)  # six decimals
    first, second, _ = found["systems"]
    assert first["name"] == "diarizer"
    assert (first["scores"]["eder"]["unit"], first["scores"]["eder"]["count"]) == ("speakers", 6)
    assert second["difference"]["value"] == pytest.approx(value(second) - value(first), abs=2e-6)
    assert second["difference"]["count"] == 6
    truth = read_segments(tmp_path / "out" / "segments" / "reference.json")
    assert len({item.id for item in truth}) == sum(counts)
    assert json.loads((tmp_path / "out" / "results.json").read_text())["runs"] == found["runs"]
    assert (tmp_path / "out" / "timelines.png").stat().st_size > 5000
    read_back(tmp_path / "out", found, truth)


def read_back(folder, found, truth):
    """Data frames hold the same figures, of all runs together and of each."""
    results = sercl.read_results(folder)
    eder = results.scores.query("score == 'eder'").set_index(["run", "system"])["value"].to_dict()
    runs = {"all": found["systems"]} | {run["name"]: run["systems"] for run in found["runs"]}
    assert eder == {(run, own["name"]): value(own) for run, systems in runs.items() for own in systems}
    difference = results.scores.query("score == 'difference' and run == 'all'")
    assert difference["value"].tolist() == [own["difference"]["value"] for own in found["systems"][1:]]
    sad = results.classes.query("run == 'fold1' and system == 'diarizer' and `class` == 'sad'").iloc[0]
    (stored,) = [row for row in runs["fold1"][0]["scores"]["by_emotion"] if row["name"] == "sad"]
    assert (sad["recall"], sad["seconds"]) == (stored["recall"], stored["seconds"])
    segments = results.predictions.query("system == 'reference'")
    assert len(segments) == sum(len(item.segments) for item in truth)
    assert set(results.predictions["system"]) == {"reference", "diarizer", "classifier"}
    (folder / "segments" / "all-neutral.json").unlink()
    with pytest.raises(ResultsError, match=r"all-neutral\.json: no such file"):
        sercl.read_results(folder)


def test_each_fold_is_tuned_on_its_own_validation_clips(own, tmp_path, capsys):
    again = shutil.copytree(own, tmp_path / "again")
    found = evaluated(capsys, *checkpoints_of(own), "--tune")
    assert found["tuning"] == {}
    for run, path, mine in zip(found["runs"], checkpoints_of(again), checkpoints_of(own), strict=True):
        single = evaluated(capsys, path, "--tune")
        assert run["tuning"] == single["tuning"]
        assert run["systems"] == single["systems"]
        assert checkpoints.read(mine)["hyper_parameters"]["post"] == run["tuning"]["diarizer"]["post"]


def test_the_output_shows_every_fold(own, capsys):
    assert main(["diarize", "evaluate", *map(str, checkpoints_of(own)), "--tune"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "of 3 runs" in output
    assert "intervals resample the 6 speakers" in output
    assert output.count("Chosen for diarizer of ") == 3


def test_one_baseline_serves_all_where_it_heard_none_of_their_speakers(
    folds, ravdess, fit_words, tmp_path, capsys
):
    words = [*fit_words[:1], "--data", "RAVDESS", "--data.root", ravdess, *fit_words[5:]]
    assert main([*words, "--trainer.max_epochs", "1", "--out", str(tmp_path / "other")]) == 0
    capsys.readouterr()
    found = evaluated(
        capsys, *checkpoints_of(folds)[:2], "--baseline", tmp_path / "other" / "best.ckpt", *SMALL
    )
    assert {run["baseline"] for run in found["runs"]} == {str(tmp_path / "other" / "best.ckpt")}


def test_checkpoints_may_stand_behind_the_options(folds, capsys):
    first, second, _ = checkpoints_of(folds)
    assert parse(["--tune", "--baseline", "c.ckpt", str(first), str(second)]).ckpt == [
        str(first),
        str(second),
    ]
    words = ["--baseline", checkpoints_of(folds, "classifier")[0], checkpoints_of(folds)[0], *SMALL]
    assert evaluated(capsys, *words)["systems"] == alone(folds, 0, capsys)["systems"]


def test_what_makes_no_table_is_refused(folds, zed, tmp_path, capsys):
    runs, others = checkpoints_of(folds), checkpoints_of(folds, "classifier")
    assert "--baseline names 2 classifiers for 3 diarizers" in refused(
        capsys, 2, *runs, "--baseline", *others[:2]
    )
    data = ["--data", "ZED", "--data.root", zed]
    assert "each would be evaluated on the same recordings" in refused(capsys, 2, *runs, *data)
    assert "two of its checkpoints" in refused(capsys, 2, runs[0], runs[1], runs[0].with_name("last.ckpt"))
    again = shutil.copytree(runs[1].parent, tmp_path / "again") / "best.ckpt"
    assert "test utterances of again are also those of fold1" in refused(capsys, 2, *runs, again)
    swapped = refused(capsys, 1, *runs[:2], "--baseline", others[1], others[0])
    assert f"{others[1]}: 2 of 2 speakers in test were seen in training" in swapped
    assert "not diarization" in refused(capsys, 1, runs[0], others[1])
    assert "not classification" in refused(capsys, 1, *runs[:2], "--baseline", *runs[:2])


def changed(path, target, change):
    """Copy a run, with other contents of its checkpoint."""
    shutil.copytree(path.parent, target)
    stored = checkpoints.read(path)
    change(stored)
    torch.save(stored, target / path.name)
    return target / path.name


def test_other_classes_are_refused_and_another_setting_is_noted(folds, tmp_path, capsys):
    def reorder(stored):
        stored["sercl"]["labels"] = dict(reversed(stored["sercl"]["labels"].items()))

    def anneal(stored):
        stored["hyper_parameters"]["optimizer"]["schedule"] = "cosine"

    first, second, _ = checkpoints_of(folds)
    other = changed(second, tmp_path / "classes", reorder)
    assert "Only runs of the same classes go into one table" in refused(capsys, 2, first, other)
    found = evaluated(capsys, first, changed(second, tmp_path / "cosine", anneal))
    assert "the runs do not have the same settings: they differ in optimizer" in found["notes"]
    assert not any("one setting" in note for note in evaluated(capsys, first, second)["notes"])
