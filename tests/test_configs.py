"""Every YAML in configs/ runs through the real command line, on fakes and without network."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sercl.cli.main import main
from sercl.corpora.registry import get_corpus
from sercl.models.encoders import source
from sercl.models.encoders.source import PRESETS
from sercl.studies.cross_eval.analysis.analysis import analyse
from sercl.studies.cross_eval.study_file import read_study
from sercl.testing.corpora import fake_corpus
from sercl.testing.encoders import tiny_encoder
from tests.cli.words import replaced

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
EMODB = CONFIGS / "data" / "emodb.yaml"
DIARIZE = CONFIGS / "paper" / "diarize_zed.yaml"
ZED = CONFIGS / "paper" / "zed.yaml"
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

FOUR = ("angry", "happy", "neutral", "sad")

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


def of_kind(kind: str) -> list[Path]:
    """The files of configs/paper for `fit`, or with the group "study" or "probe"."""
    own = {path: yaml.safe_load(path.read_text()) for path in configs("paper")}
    kinds = {
        path: next((key for key in ("study", "probe") if key in content), "fit")
        for path, content in own.items()
    }
    return [path for path, found in kinds.items() if found == kind and path not in (DIARIZE, ZED)]


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
    covered = configs("data", "encoder", "adapter", "trainer", "experiment", "study", "paper")
    assert sorted(CONFIGS.rglob("*.yaml")) == sorted(covered)


@pytest.mark.parametrize("path", configs("experiment", "data"), ids=name_of)
def test_data_and_experiments(path: Path, corpus: Corpus, whisper: str, tmp_path: Path) -> None:
    if path.stem == "manifest":
        table = tmp_path / "manifest.csv"
        assert (
            main(["corpus", "manifest", "EmoDB", "--root", corpus("EmoDB", False), "--out", str(table)]) == 0
        )
        words = ["--data.root", str(table)]
    elif path.stem == "corpora":
        content = yaml.safe_load(path.read_text())
        for module in content["data"]["init_args"]["corpora"]:
            module["init_args"]["root"] = corpus(module["class_path"], False)
        path, words = tmp_path / path.name, []
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    else:
        words = roots(path, corpus)
    result = run(["-c", str(path), *words, "--model.encoder", whisper], tmp_path / "run")
    assert result["scores"]["n"] > 0


def test_leaving_one_corpus_out(whisper: str, tmp_path: Path, capsys) -> None:
    content = yaml.safe_load((CONFIGS / "study" / "leave-one-out.yaml").read_text())
    for name, module in content["study"]["corpora"].items():
        module["init_args"]["root"] = str(fake_corpus(name, tmp_path / name, speakers=6, per_emotion=1))
    (path := tmp_path / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    words = ["--study.encoders", f"[{whisper}]", "--study.folds", "[0]", "--trainer.accelerator", "cpu"]
    assert main(["cross-eval", "-c", str(path), *words, "--out", str(tmp_path / "study"), "--dry-run"]) == 0
    # 4 corpora, 12 pairs, 4 with all others, 12 with two others, which those of other languages are among.
    assert "(32 conditions)" in " ".join(capsys.readouterr().out.split())


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


def test_diarization_of_zed(tmp_path: Path, monkeypatch, capsys) -> None:
    wavlm = tiny_encoder("wavlm-stable", tmp_path / "wavlm")
    monkeypatch.setattr(source, "_from_hub", lambda hub_id, revision: wavlm)
    text = DIARIZE.read_text()
    sizes = {"EmoVDB": None, "RAVDESS": 8, "ESD": 20, "IEMOCAP": 10, "JLCorpus": None}
    for name, speakers in sizes.items():
        root = fake_corpus(name, tmp_path / name, speakers=speakers, per_emotion=1)
        text = text.replace(f"root: {name}", f"root: {root}")
    (tmp_path / "zed.yaml").write_text(text)
    # Tones are no speech, and shorter than a piece must be.
    tones = ["--data.clips.voice", "none", "--data.clips.min_piece", "0.05"]
    words = ["diarize", "fit", "-c", str(tmp_path / "zed.yaml"), *tones]
    words += replaced(SHORT, "--trainer.max_epochs", "3")
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    hparams = results["model"]["hyper_parameters"]
    assert (hparams["encoder"], hparams["bias"], hparams["adapter"]) == ("wavlm-large", False, "full")
    assert all(name in results["data"]["name"] for name in sizes)
    assert results["stages"][0]["monitor"] == "val/error"
    assert any("validation clips were drawn at random" in note for note in results["notes"])
    capsys.readouterr()
    zed = fake_corpus("ZED", tmp_path / "zed", speakers=5, per_emotion=1)
    words = ["diarize", "evaluate", str(tmp_path / "run" / "best.ckpt"), "-c", str(ZED)]
    assert main([*words, "--data.root", str(zed), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["data"]["recordings"], len(found["data"]["speakers"])) == (15, 5)
    scores = found["systems"][0]["scores"]
    assert (scores["eder"]["unit"], scores["uncovered"]) == ("speakers", "error")


@pytest.mark.slow
@pytest.mark.parametrize("path", of_kind("fit"), ids=name_of)
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
    if path.stem.startswith("two-stage"):
        assert result["data"]["splits"]["source validation"] == result["data"]["splits"]["target validation"]
        assert any("last weights" in note and "one budget of epochs" in note for note in result["notes"])


def filled(path: Path, corpus: Corpus, folder: Path) -> Path:
    """A study file with its roots and lists filled in."""
    content = yaml.safe_load(path.read_text())
    for name, module in content["study"]["corpora"].items():
        options = module["init_args"]
        options["root"] = corpus(name, True)
        options["loader"]["batch_size"] = 32
        if "test_list" in options["folds"]:
            options["folds"]["test_list"] = str(listening_items(name, options["root"], folder))
    (folder / path.name).write_text(yaml.safe_dump(content))
    return folder / path.name


def listening_items(name: str, root: str, folder: Path) -> Path:
    """Twelve utterances of each emotion, as a list that a user of the study's items would hold."""
    items: dict[str, list[str]] = {}
    for item in get_corpus(name).read(Path(root)).utterances:
        items.setdefault(item.emotion, []).append(item.id)
    rows = [f"{id}.wav,{emotion}\n" for emotion in FOUR for id in items[emotion][:12]]
    (folder / f"{name}.csv").write_text("file,answer\n" + "".join(rows))
    return folder / f"{name}.csv"


MONOLINGUAL = {("monolingual", name) for name in ("ESD", "PAVOQUE", "IEMOCAP")}
CROSSED = ("ESD -> PAVOQUE", "PAVOQUE -> ESD")
TO_ENGLISH = ("ESD -> IEMOCAP", "PAVOQUE -> IEMOCAP")
TRANSFER = {("transfer", pair) for pair in (*CROSSED, *TO_ENGLISH)}
ZERO_SHOT = {("zero-shot", pair) for pair in CROSSED}
TWO_STAGE = {("two-stage", pair) for pair in CROSSED}
CONDITIONS = {
    "study": MONOLINGUAL | ZERO_SHOT | TRANSFER | TWO_STAGE,
    "peft": MONOLINGUAL | ZERO_SHOT | TRANSFER,
    "two-stage": TWO_STAGE,
    "listening": MONOLINGUAL | ZERO_SHOT | TRANSFER | TWO_STAGE,
}
ADAPTERS = {"study": 2, "peft": 7, "two-stage": 2, "listening": 1}
# One training per adapter shows that the file runs; the plan of the whole is checked without running it.
CHEAPER = {"peft": ["--study.settings", "[monolingual]", "--study.test", "[ESD]"]}


@pytest.mark.slow
@pytest.mark.parametrize("path", of_kind("study"), ids=name_of)
def test_the_tables_of_the_study_from_one_file_each(
    path: Path, corpus: Corpus, wav2vec2: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(source, "_from_hub", lambda hub_id, revision: wav2vec2)
    out = tmp_path / "study"
    words = ["cross-eval", "-c", str(filled(path, corpus, tmp_path)), "--out", str(out)]
    assert main([*words, "--dry-run"]) == 0
    cells = 5 * len(CONDITIONS[path.stem]) * ADAPTERS[path.stem]
    assert f"{cells} cells" in capsys.readouterr().out
    words += ["--study.folds", "[0]", *CHEAPER.get(path.stem, ())]
    assert main([*words, *SHORT, "--trainer.limit_val_batches", "1"]) == 0
    study = read_study(out)
    shown = {(item.cell.condition.setting, item.cell.condition.pair) for item in study.records}
    assert shown == ({("monolingual", "ESD")} if path.stem in CHEAPER else CONDITIONS[path.stem])
    assert {record.status for record in study.records} == {"done"}
    assert {record.parts["test"] for record in study.records} == {48 if path.stem == "listening" else 200}
    selected = {item.select_on for item in study.conditions if item.setting in ("zero-shot", "two-stage")}
    assert selected <= {"target"}
    published = analyse(out).published
    # The tables of adapters and of two stages were not published in numbers for all of their rows.
    assert {match.tags for match in published} <= {("listening test",) if path.stem == "listening" else ()}
    assert (len(published) > 0) == (path.stem != "two-stage")
    assert (out / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("path", of_kind("probe"), ids=name_of)
def test_the_figures_of_layers(
    path: Path, corpus: Corpus, wav2vec2: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(source, "_from_hub", lambda hub_id, revision: wav2vec2)
    words = ["layer-probe", "-c", str(path), *roots(path, corpus, for_paper=True), "--probe.max_epochs", "1"]
    assert main([*words, "--out", str(tmp_path / "run"), "--features.dir", str(tmp_path / "store")]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    content = yaml.safe_load(path.read_text())
    setting = content["data"]["init_args"].get("setting", "monolingual")
    assert [item["setting"] for item in results["results"]] == content["probe"].get(
        "settings", setting
    ).split(",")
    assert all(len(item["layers"]) == 13 for item in results["results"])  # 0 to 12
    assert (tmp_path / "run" / "layers.png").is_file()
