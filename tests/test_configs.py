"""Every YAML in configs/ runs through the real command line, on fakes and without network."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sercl.cli.main import main
from sercl.models.encoders import source
from sercl.models.encoders.presets import PRESETS
from sercl.studies.cross_eval.analysis import analyse
from sercl.studies.cross_eval.study_file import read_study
from sercl.testing.corpora import fake_corpus
from sercl.testing.encoders import tiny_encoder

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
EMODB = CONFIGS / "data" / "emodb.yaml"
STUDY = CONFIGS / "paper" / "study.yaml"
SHORT = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2", "--trainer.accelerator", "cpu"]
# The study's fold scheme draws from every speaker it names; PAVOQUE's one speaker gives all utterances.
SIZES = {
    "EmoDB": {"speakers": 10, "per_emotion": 1},
    "ESD": {"speakers": 20, "per_emotion": 1},
    "IEMOCAP": {"speakers": 10, "per_emotion": 1},
    "RAVDESS": {"speakers": 8, "per_emotion": 1},
}
PAPER_SIZES = {
    "ESD": {"speakers": 10, "per_emotion": 50},
    "IEMOCAP": {"speakers": 10, "per_emotion": 50},
    "PAVOQUE": {"per_emotion": 600},
}

Corpus = Callable[[str, bool], str]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory) -> str:
    return str(tiny_encoder("whisper", tmp_path_factory.mktemp("whisper")))


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory) -> Path:
    """As many blocks as the study's encoders have, so that its cuts are real cuts."""
    return tiny_encoder("wav2vec2", tmp_path_factory.mktemp("wav2vec2"), blocks=12)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    made: dict[tuple[str, bool], str] = {}

    def build(name: str, for_paper: bool = False) -> str:
        if (name, for_paper) not in made:
            size = (PAPER_SIZES if for_paper or name == "PAVOQUE" else SIZES)[name]
            root = tmp_path_factory.mktemp(name)
            made[name, for_paper] = str(fake_corpus(name, root, seconds=0.1, same_audio=True, **size))
        return made[name, for_paper]

    return build


def configs(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((CONFIGS / folder).glob("*.yaml"))]


def name_of(path: Path) -> str:
    return str(path.relative_to(CONFIGS))


def roots(path: Path, corpus: Corpus, for_paper: bool = False) -> list[str]:
    """The flags that fill in the folders a configuration leaves open."""
    data = yaml.safe_load(path.read_text())["data"]
    if data["class_path"] != "LanguagePair":
        return ["--data.root", corpus(data["class_path"], for_paper)]
    return [
        word
        for side in ("source", "target")
        for word in (f"--data.{side}.root", corpus(data["init_args"][side]["class_path"], for_paper))
    ]


def run(words: list[str], out: Path) -> dict:
    assert main(["fit", *words, *SHORT, "--out", str(out)]) == 0
    return json.loads((out / "results.json").read_text())


def test_every_file_is_covered_by_a_test() -> None:
    covered = configs("data", "encoder", "adapter", "trainer", "experiment", "paper")
    assert sorted(CONFIGS.rglob("*.yaml")) == sorted(covered)


@pytest.mark.parametrize("path", configs("experiment", "data"), ids=name_of)
def test_data_and_experiments(path: Path, corpus: Corpus, whisper: str, tmp_path: Path) -> None:
    if path.stem == "manifest":
        table = tmp_path / "manifest.csv"
        assert (
            main(["corpus", "manifest", "EmoDB", "--root", corpus("EmoDB", False), "--out", str(table)]) == 0
        )
        words = ["--data.root", str(table)]
    else:
        words = roots(path, corpus)
    result = run(["-c", str(path), *words, "--model.encoder", whisper], tmp_path / "run")
    assert result["scores"]["n"] > 0


@pytest.mark.parametrize("path", configs("adapter", "trainer"), ids=name_of)
def test_adapters_and_trainers(path: Path, corpus: Corpus, whisper: str, tmp_path: Path) -> None:
    words = ["-c", str(EMODB), "-c", str(path), *roots(EMODB, corpus), "--model.encoder", whisper]
    # The machine a trainer file describes is not here, but everything else in it holds.
    words += ["--model.whisper_form", "short", "--trainer.devices", "1", "--trainer.strategy", "auto"]
    result = run(words, tmp_path / "run")
    settings = yaml.safe_load(path.read_text()).get("model", {})
    assert result["model"]["adapter"] == settings.get("adapter", "none")


@pytest.mark.parametrize("path", configs("encoder"), ids=name_of)
def test_encoders(path: Path, corpus: Corpus, whisper: str, tmp_path: Path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(source, "_from_hub", lambda hub_id, revision: asked.append(hub_id) or Path(whisper))
    result = run(["-c", str(EMODB), "-c", str(path), *roots(EMODB, corpus)], tmp_path / "run")
    name = yaml.safe_load(path.read_text())["model"]["encoder"]
    assert result["model"]["encoder"] == name
    assert asked == [PRESETS[name].hub_id]


DIARIZE = CONFIGS / "paper" / "diarize_zed.yaml"


def test_diarization_of_zed(tmp_path: Path, monkeypatch, capsys) -> None:
    wavlm = tiny_encoder("wavlm-stable", tmp_path / "wavlm")
    monkeypatch.setattr(source, "_from_hub", lambda hub_id, revision: wavlm)
    text = DIARIZE.read_text()
    sizes = {"RAVDESS": 8, "ESD": 20, "IEMOCAP": 10, "JLCorpus": None}
    for name, speakers in sizes.items():
        root = fake_corpus(name, tmp_path / name, speakers=speakers, per_emotion=1)
        text = text.replace(f"root: {name}", f"root: {root}")
    (tmp_path / "zed.yaml").write_text(text)
    # Tones are no speech, and shorter than a piece must be.
    tones = ["--data.clips.voice", "none", "--data.clips.min_piece", "0.05"]
    words = ["diarize", "fit", "-c", str(tmp_path / "zed.yaml"), *tones, *SHORT]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    hparams = results["model"]["hyper_parameters"]
    assert (hparams["encoder"], hparams["bias"], hparams["adapter"]) == ("wavlm-large", False, "full")
    assert all(name in results["data"]["name"] for name in sizes)
    capsys.readouterr()
    zed = fake_corpus("ZED", tmp_path / "zed", speakers=5, per_emotion=1)
    words = ["diarize", "evaluate", str(tmp_path / "run" / "best.ckpt"), "--data", "ZED"]
    assert main([*words, "--data.root", str(zed), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["data"]["recordings"], len(found["data"]["speakers"])) == (15, 5)
    assert found["systems"][0]["scores"]["eder"]["unit"] == "speakers"


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in configs("paper") if path not in (DIARIZE, STUDY)], ids=name_of
)
def test_the_study(path: Path, corpus: Corpus, wav2vec2: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(source, "_from_hub", lambda hub_id, revision: wav2vec2)
    result = run(["-c", str(path), *roots(path, corpus, for_paper=True)], tmp_path / "run")
    splits = {name.split()[-1]: split for name, split in result["data"]["splits"].items()}
    assert set(splits["train"]["classes"].values()) == {400}
    assert splits["validation"]["utterances"] == splits["test"]["utterances"] == 200
    assert result["model"]["hyper_parameters"]["head"] == "paper"
    assert result["model"]["hyper_parameters"]["encoder"].startswith("wav2vec2-")
    if "PAVOQUE" in result["data"]["name"]:
        assert any("speaker" in note for note in result["notes"])


@pytest.mark.slow
def test_the_whole_study_from_one_file(corpus: Corpus, wav2vec2: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(source, "_from_hub", lambda hub_id, revision: wav2vec2)
    content = yaml.safe_load(STUDY.read_text())
    for name, module in content["study"]["corpora"].items():
        module["init_args"]["root"] = corpus(name, True)
        module["init_args"]["loader"]["batch_size"] = 32
    filled = tmp_path / "study.yaml"
    filled.write_text(yaml.safe_dump(content))
    out = tmp_path / "study"
    words = ["cross-eval", "-c", str(filled), "--out", str(out), "--study.folds", "[0]"]
    assert main([*words, *SHORT, "--trainer.limit_val_batches", "1"]) == 0
    study = read_study(out)
    shown = {(item.cell.condition.setting, item.cell.condition.pair) for item in study.records}
    assert shown == {
        ("monolingual", "ESD"), ("monolingual", "PAVOQUE"), ("monolingual", "IEMOCAP"),
        ("zero-shot", "ESD -> PAVOQUE"), ("zero-shot", "PAVOQUE -> ESD"),
        ("transfer", "ESD -> PAVOQUE"), ("transfer", "PAVOQUE -> ESD"),
        ("transfer", "ESD -> IEMOCAP"), ("transfer", "PAVOQUE -> IEMOCAP"),
        ("two-stage", "ESD -> PAVOQUE"), ("two-stage", "PAVOQUE -> ESD"),
    }  # fmt: skip
    assert {record.status for record in study.records} == {"done"}
    assert {record.parts["test"] for record in study.records} == {200}
    assert len(analyse(out).published) > 0
    assert (out / "report.html").is_file()
