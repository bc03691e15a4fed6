import json

import pytest
import yaml

from sercl.cli.main import main


@pytest.fixture(scope="module")
def study(crossed, tmp_path_factory):
    """A study with the default heads, in every setting and with every adaptation of a frozen encoder."""
    folder = tmp_path_factory.mktemp("logistic")
    settings = ["monolingual", "zero-shot", "two-stage", "few-shot"]
    options = {
        "settings": settings, "adaptation": ["none", "corpus", "speaker", "coral"], "folds": [0],
        "seeds": [5, 6, 7], "shots": [1], "draws": 2,
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump({"study": {**crossed, **options}}))
    words = ["cross-eval", "-c", str(folder / "study.yaml"), "--out", str(folder / "study")]
    assert main([*words, "--features.dir", str(folder / "store"), "--trainer.accelerator", "cpu"]) == 0
    return folder / "study"


def test_heads_on_a_frozen_encoder_are_logistic_regressions_with_one_seed(study):
    cells = json.loads((study / "study.json").read_text())["cells"]
    assert {cell["status"] for cell in cells} == {"done"}
    assert {cell["c"] for cell in cells} <= {0.003, 0.01, 0.03, 0.1}
    assert {cell["seed"] for cell in cells} == {5}
    assert {cell["draw"] for cell in cells if cell["setting"] == "few-shot"} == {0, 1}
    assert {cell["adaptation"] for cell in cells} == {"none", "corpus", "speaker", "coral"}


def test_the_report_misses_no_seeds(study, capsys):
    assert main(["cross-eval", "report", str(study), "--format", "md"]) == 0
    text = (study / "report.md").read_text()
    assert "One seed only" not in text
    assert "one seed is enough, since logistic regressions involve no chance" in text
