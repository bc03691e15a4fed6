import csv
import json
import shutil

import pytest
import yaml

import sercl
from sercl.audio.preprocess import PreprocessConfig
from sercl.cli.layer_probe import refuse_training, spelled_out
from sercl.cli.main import main
from sercl.cli.run_folder import check_claim
from sercl.corpora.folds import make_folds
from sercl.corpora.labels import label_scheme
from sercl.errors import ResultsError, UsageError
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.layer_probe.folds import probe_study
from sercl.studies.layer_probe.task import ProbeTask
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import evaluate


@pytest.fixture(scope="module")
def default_words(encoder, emodb, tmp_path_factory):
    """The command line of a probe with default settings, without `--out`; this file shares its store."""
    return [
        "layer-probe", "--encoder", encoder, "--data", "EmoDB", "--data.root", emodb,
        "--model.whisper_form", "short", "--trainer.accelerator", "cpu",
        "--features.dir", str(tmp_path_factory.mktemp("store")),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def words(default_words):
    """The command line of a small MLP probe, without `--out`."""
    return [*default_words, "--probe", "mlp", "--probe.seeds", "0,1", "--probe.max_epochs", "4"]


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe") / "run"
    assert main([*words, "--probe.targets", "emotion,speaker", "--out", str(folder)]) == 0
    return folder


def test_python_finds_on_arrays_what_the_command_finds(run, encoder, emodb):
    scheme = label_scheme("4")
    utterances, _ = scheme.split(sercl.read_corpus("EmoDB", emodb).utterances)
    features = sercl.embed(utterances, encoder, whisper_form="short", preprocess=PreprocessConfig())
    row = {item.id: number for number, item in enumerate(utterances)}
    folds = make_folds(utterances, scheme)
    rows_of = [{part: [row[item.id] for item in own] for part, own in fold.parts.items()} for fold in folds]
    emotions, speakers = ([getattr(item, name) for item in utterances] for name in ("emotion", "person"))
    task = ProbeTask.from_labels(emotions, speakers, rows_of)
    found = probe_study(features, task, ProbeConfig(seeds=(0, 1), max_epochs=4))
    stored_results = next(own for own in results(run)["results"] if own["target"] == "emotion")
    same = ["classes", "splits", "best_layer", "folds", "chance"]
    assert {name: found.to_dict()[name] for name in same} == {name: stored_results[name] for name in same}
    for mine, theirs in zip(found.layers, stored_results["layers"], strict=True):
        assert mine.uar.value == pytest.approx(theirs["uar"]["value"], abs=0.03)
        assert mine.validation_loss == pytest.approx(theirs["validation_loss"], abs=1e-3)


def test_data_frames_hold_what_the_tables_hold(run):
    found = sercl.read_results(run)
    assert found.kind == "layer probe"
    stored_results, layers = results(run)["results"], rows(run / "layers.csv")
    for own in stored_results:
        scores = found.scores.query(f"target == '{own['target']}'")
        uar = scores.query("readout == 'layer' and score == 'uar'")
        assert uar["layer"].tolist() == [entry["layer"] for entry in own["layers"]]
        assert uar[["value", "low", "high"]].to_numpy().tolist() == [
            [entry["uar"][name] for name in ("value", "low", "high")] for entry in own["layers"]
        ]
        below = scores.query("score == 'below_best'").set_index("layer")
        assert below["p_holm"].to_dict() == {item["layer"]: item["p_holm"] for item in own["differences"]}
        assert scores.query("score == 'weight'")["value"].tolist() == own["weighted"]["weights"]
        assert scores.query("readout == 'chosen'")["value"].tolist() == [own["chosen"]["uar"]["value"]]
    recalls = found.classes.query("target == 'emotion' and `class` == 'sad'")["recall"]
    printed = [float(row["recall_sad"]) for row in layers if row["target"] == "emotion"]
    assert recalls.tolist() == pytest.approx(printed, abs=5e-7)
    probes = rows(run / "probes.csv")
    assert len(found.trainings) == len(probes)
    assert found.trainings["test_uar"].tolist() == pytest.approx(
        [float(row["test_uar"]) for row in probes], abs=5e-7
    )
    (result, _), tested = stored_results, found.predictions.query("target == 'emotion'")
    assert len(tested) == 2 * result["utterances"]  # two seeds
    assert tested.groupby("fold")["layer"].unique().explode().tolist() == result["chosen"]["layers"]
    assert set(tested["gender"]) == {"female", "male"}
    own = Predictions.from_frame(tested.dropna(axis=1, how="all"))
    assert evaluate(own).averages["uar"].value == pytest.approx(result["chosen"]["uar"]["value"], abs=1e-9)
    assert len(sercl.read_results([run, run]).scores) == 2 * len(found.scores)


def results(folder):
    return json.loads((folder / "results.json").read_text())


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_layer_is_scored_for_every_target(run):
    emotion, speaker = results(run)["results"]
    assert [layer["layer"] for layer in emotion["layers"]] == [0, 1, 2, 3]
    assert all(layer["probes"] == 5 * 2 for layer in emotion["layers"])
    assert emotion["classes"] == ["angry", "happy", "neutral", "sad"]
    assert emotion["splits"] == "speaker-disjoint"
    assert len(speaker["classes"]) == 10
    assert speaker["splits"] == "within-speaker"
    assert any("within-speaker" in note for note in speaker["notes"])
    for layer in emotion["layers"]:
        assert 0 <= layer["uar"]["low"] <= layer["uar"]["value"] <= layer["uar"]["high"] <= 1
        assert layer["selectivity"]["value"] == pytest.approx(
            layer["uar"]["value"] - layer["control"]["value"]
        )


def test_a_probe_does_not_go_on_as_another(words, run, capsys):
    lines = [*words, "--out", str(run), "--resume"]
    before = (run / "config.yaml").read_bytes()
    for more, said in (
        (["--probe.targets", "emotion"], "--probe.targets is emotion, was emotion,speaker"),
        (
            ["--probe.targets", "emotion,speaker", "--probe.layers", "0,1"],
            "--probe.layers is [0, 1], was None",
        ),
    ):
        assert main([*lines, *more]) == 2
        assert said in capsys.readouterr().err
    assert (run / "config.yaml").read_bytes() == before


def test_the_folder_holds_tables_figures_lists_and_configuration(run):
    for name in ("layers.csv", "probes.csv", "layers.png", "layers.svg", "config.yaml"):
        assert (run / name).stat().st_size > 0, name
    assert len(rows(run / "layers.csv")) == 2 * (4 + 2)  # per target the layers, the chosen one, the sum
    tested = [row["file"] for k in range(5) for row in rows(run / "folds" / f"fold{k}" / "test.csv")]
    assert len(tested) == len(set(tested)) == results(run)["results"][0]["utterances"]


def test_the_configuration_runs_again_from_the_store_to_the_same_scores(run, tmp_path, monkeypatch):
    from sercl.models.encoders import Encoder

    def deaf(*_):
        raise AssertionError("the encoder ran")

    monkeypatch.setattr(Encoder, "forward", deaf)
    assert main(["layer-probe", "-c", str(run / "config.yaml"), "--out", str(tmp_path / "again")]) == 0
    for first, again in zip(results(run)["results"], results(tmp_path / "again")["results"], strict=True):
        assert {**first, "seconds": 0} == {**again, "seconds": 0}


def test_the_yaml_line_makes_fit_use_the_best_layer(run, fit_words, words, tmp_path, capsys):
    (tmp_path / "layer.yaml").write_text(results(run)["results"][0]["fit_option"])
    store = words[words.index("--features.dir") + 1]
    again = [*fit_words, "-c", str(tmp_path / "layer.yaml"), "--features.dir", store]
    assert main([*again, "--out", str(tmp_path / "run"), "--json"]) == 0
    model = json.loads(capsys.readouterr().out)["model"]
    assert model["layer"] == results(run)["results"][0]["best_layer"]


def test_a_pair_is_probed_in_every_setting_and_for_language(words, emodb, ravdess, tmp_path, capsys):
    pair = [
        *words[:3], *words[7:], "--data", "LanguagePair", "--data.source", "EmoDB",
        "--data.source.root", emodb,
        "--data.target", "RAVDESS", "--data.target.root", ravdess, "--probe.targets", "emotion,language",
        "--probe.settings", "monolingual,zero-shot,transfer", "--probe.control", "false",
    ]  # fmt: skip
    assert main([*pair, "--group_by", "corpus", "--out", str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["results"]
    grouped = [[own["column"] for own in result.get("groups", [])] for result in found]
    assert grouped == [[], [], [], ["corpus"]]  # only the last tests both corpora
    assert [(result["target"], result["setting"]) for result in found] == [
        ("emotion", "monolingual"), ("emotion", "zero-shot"), ("emotion", "transfer"), ("language", "joint"),
    ]  # fmt: skip
    assert found[3]["classes"] == ["de", "en"]
    assert found[0]["layers"][0]["control"] is None
    assert (tmp_path / "run" / "folds" / "fold0" / "target" / "test.csv").is_file()


def test_probes_are_logistic_regressions_which_involve_no_chance(default_words, tmp_path, capsys):
    folder = tmp_path / "run"
    assert main([*default_words, "--probe.c", "0.01,0.1", "--out", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "5 folds, each trained once, since logistic regressions involve no chance" in " ".join(
        text.split()
    )
    (result,) = results(folder)["results"]
    assert result["probe"]["c"] == [0.01, 0.1]
    assert not {"lr", "seeds", "patience"} & result["probe"].keys()
    best = [run for run in result["runs"] if run["layer"] == result["best_layer"] and not run["control"]]
    assert len(best) == 5
    chosen = ", ".join(str(run["c"]) for run in best)
    where = f"C of the logistic regressions on hidden state {result['best_layer']}"
    assert f"{where}, chosen in each fold: {chosen}" in " ".join(text.split())
    assert {row["c"] for row in rows(folder / "probes.csv")} <= {"0.01", "0.1"}
    assert main([*default_words, "--probe.seeds", "0,1", "--out", str(tmp_path / "other")]) == 2
    assert "--probe.seeds: has no effect with the preset logistic" in capsys.readouterr().err


def test_the_chosen_layer_is_scored_by_group(default_words, run, tmp_path, capsys):
    folder, own = tmp_path / "run", ["--probe.c", "[0.01]", "--group_by", "gender"]
    within = [*default_words, "--probe.targets", "emotion,speaker", *own, "--out", str(tmp_path / "other")]
    assert main(within) == 2
    assert "--group_by: speaker is probed on folds within speakers" in " ".join(
        capsys.readouterr().err.split()
    )
    assert main([*default_words, *own, "--out", str(folder)]) == 0
    assert "layer chosen in each fold. Scores by gender" in " ".join(capsys.readouterr().out.split())
    (result,) = results(folder)["results"]
    (groups,) = result["groups"]
    assert {each["value"]: each["utterances"] for each in groups["groups"]}.keys() == {"female", "male"}
    assert sum(each["utterances"] for each in groups["groups"]) == result["utterances"]
    (difference,) = groups["differences"]
    assert (
        difference["difference"]["low"]
        <= difference["difference"]["value"]
        <= difference["difference"]["high"]
    )
    assert {row["group"] for row in rows(folder / "groups.csv")} == {"female", "male", "female - male"}
    assert "Scores by gender" in (folder / "layers.md").read_text()
    assert "groups-gender-emotion-monolingual" in (folder / "layers.tex").read_text()
    found = sercl.read_results(folder, group_by=["gender"]).groups
    uar = found.query("group == 'female' and score == 'uar'")["value"].item()
    assert uar == pytest.approx(
        next(own for own in groups["groups"] if own["value"] == "female")["scores"]["uar"]["value"]
    )
    assert main(["compare", str(folder), "--group_by", "gender"]) == 0
    assert main(["compare", str(folder), str(folder)]) == 0
    assert main(["compare", str(run), "--group_by", "gender"]) == 2
    assert "a layer probe of several targets or settings (emotion, monolingual; speaker" in " ".join(
        capsys.readouterr().err.split()
    )


def test_predictions_that_are_damaged_are_reported(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "predictions.csv").write_text("utterance\nx\n")
    with pytest.raises(ResultsError, match=r"lacks the columns speaker.*sercl layer-probe"):
        sercl.read_results(folder)
    (folder / "predictions.csv").unlink()
    assert sercl.read_results(folder).predictions.empty  # as of an earlier version
    with pytest.raises(ResultsError, match=r"predictions\.csv"):
        sercl.read_results(folder, group_by=["gender"])


def test_the_recipe_of_the_study_is_a_preset(default_words, tmp_path):
    assert (
        main([*default_words, "--probe", "paper", "--probe.max_epochs", "4", "--out", str(tmp_path / "run")])
        == 0
    )
    probe = results(tmp_path / "run")["results"][0]["probe"]
    assert (probe["head"], probe["lr"], probe["standardize"]) == ("paper", 1e-4, False)
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["probe"]["preset"] == "paper"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (["--probe.layers", "[0,9]"], 2, "9"),
        (["--probe", "mpl"], 2, "mlp"),
        (["--probe.targets", "mood"], 2, "mood"),
        (["--probe.settings", "zero-shot"], 2, "LanguagePair"),
        (["--model.adapter", "lora"], 2, "adapter"),
        (["--model.pooling", "attentive"], 2, "mean+std"),
        (["--features.precision", "fp8"], 2, "bf16"),
        (["--data.folds.count", "40"], 2, "speakers"),
        (["--probe.lr", "-1"], 2, "lr"),
    ],
)
def test_wrong_input_gives_one_message(words, tmp_path, capsys, change, code, said):
    assert main([*words, "--out", str(tmp_path / "run"), *change]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_result_is_not_replaced_by_accident(run, words, capsys):
    assert main([*words, "--out", str(run)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    check_claim(run, resume=False, overwrite=True)


def test_short_forms_are_spelled_out():
    assert spelled_out(["--encoder=x", "--probe", "linear", "--probe.lr", "1"]) == [
        "--model.encoder=x", "--probe.preset", "linear", "--probe.lr", "1",
    ]  # fmt: skip


def test_every_flag_of_the_short_page_exists(words):
    import sys

    from sercl.cli.help import unknown_flags
    from sercl.cli.lightning import Cli
    from sercl.cli.pages import LAYER_PROBE as PAGE
    from sercl.studies.layer_probe.folds import LayerProbeOptions

    def parse(more):
        sys.argv[1:] = spelled_out([*words[1:], *more])
        return Cli("layer-probe", options=("probe", LayerProbeOptions))

    assert not unknown_flags(PAGE.flags, parse)


@pytest.mark.parametrize(
    "option", ["--trainer.max_epochs", "--early_stopping.patience=3", "--checkpoint.mode"]
)
def test_options_of_a_training_are_refused(option):
    with pytest.raises(UsageError, match=rf"{option.partition('=')[0]}: without effect.*--probe\.max_epochs"):
        refuse_training(["--data", "EmoDB", option, "3"])
    refuse_training(["--trainer.accelerator", "cpu", "--probe.max_epochs", "3"])
