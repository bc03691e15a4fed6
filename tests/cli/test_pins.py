"""What must not change unnoticed: the addresses of results, scores and intervals.

Results of a study are found by their addresses: where one changes, what it stands for is trained anew.
"""

import hashlib
import json

import pandas as pd
import pytest
import yaml

from sercl.cli.cross_eval import StudyCli, prepare
from sercl.cli.main import main
from sercl.testing.studies import fake_study
from tests.studies.runs import fake_run

STUDIES = {
    "frozen": {"settings": ["monolingual", "zero-shot", "transfer"], "folds": [0, 1], "seeds": [1, 2]},
    "adapted": {
        "settings": ["zero-shot", "two-stage"],
        "adapters": ["lora", "lora+bottleneck+gating", "full"],
        "select_on": ["source", "target"],
        "folds": [0],
        "seeds": [1],
    },
    "few-shot": {
        "settings": ["few-shot", "target-only"],
        "adaptation": ["none", "corpus", "speaker"],
        "shots": [0, 1],
        "draws": 2,
        "folds": [0],
        "seeds": [1],
    },
}
ADDRESSES = {
    "frozen": (24, "485007deb9f5cc40"),
    "adapted": (24, "66c3a6bd3284dc32"),
    "few-shot": (22, "a2d5bbbbb42ed534"),
}
SCORES = {
    "uar": (0.520833, 0.397162, 0.642003, 0.6875, 0.647941, 0.724504),
    "wa": (0.520833, 0.392467, 0.646506, 0.6875, 0.623716, 0.744894),
    "macro_f1": (0.51884, 0.364801, 0.669379, 0.686664, 0.489025, 0.833834),
    "recall/neutral": (0.458333, 0.141732, 0.812581, 0.75, 0.75, 0.75),
}
"""Of two runs: value, lower and upper end of the one, then of the other."""


DIFFERENCE = (0.166667, 0.055556, 0.305556, 0.015625)
"""UAR of the second minus that of the first, the ends of its interval, and its p-value."""

STUDY_MEANS = {
    "scores.csv": {
        "uar": 0.617481,
        "uar_low": 0.512771,
        "uar_high": 0.713173,
        "wa": 0.617481,
        "macro_f1": 0.614388,
        "macro_f1_low": 0.509239,
        "macro_f1_high": 0.710416,
        "recall_angry": 0.678406,
        "recall_sad_high": 0.759486,
        "ece": 0.148998,
        "uar_sd_of_repeats": 0.020731,
    },
    "comparisons.csv": {
        "difference": 0.016353,
        "low": -0.043090,
        "high": 0.076378,
        "p": 0.115715,
        "p_holm": 0.431298,
    },
}
"""Means over all conditions, and over all paired tests, of a study whose predictions were drawn."""


def digest(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", STUDIES)
def test_addresses_of_a_study_stay_what_they_were(name, crossed, tmp_path):
    path = tmp_path / "study.yaml"
    raw = {"trim": "none", "loudness": "none"}
    content = {"study": {**crossed, **STUDIES[name]}, "probe": {"preset": "mlp"}, "preprocess": raw}
    path.write_text(yaml.safe_dump(content))
    words = ["-c", str(path), "--features.dir", str(tmp_path / "store"), "--trainer.accelerator", "cpu"]
    cli = StudyCli(words)
    plan = prepare(cli, tmp_path / "study", cli.features).plan
    found = [(item.address, item.training.address) for item in plan.cells]
    assert (len(found), digest(found)) == ADDRESSES[name]


def test_scores_and_intervals_of_two_runs_stay_what_they_were(tmp_path, capsys):
    rates = {"first": 0.6, "second": 0.75}
    runs = [fake_run(tmp_path / name, rates[name], seed=seed) for seed, name in enumerate(rates)]
    assert main(["compare", *map(str, runs), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    for name, expected in SCORES.items():
        found = [row[side][name][key] for side in rates for key in ("value", "low", "high")]
        assert found == pytest.approx(expected, abs=1e-6), name
    difference = row["paired"]["difference"]
    found = [*(difference[key] for key in ("value", "low", "high")), row["paired"]["p_holm"]]
    assert found == pytest.approx(DIFFERENCE, abs=1e-6)


def test_scores_and_intervals_of_a_study_stay_what_they_were(tmp_path):
    fake_study(tmp_path)
    assert main(["cross-eval", "report", str(tmp_path), "--format", "csv"]) == 0
    for name, columns in STUDY_MEANS.items():
        frame = pd.read_csv(tmp_path / name)
        assert frame[list(columns)].mean().to_dict() == pytest.approx(columns, abs=1e-5), name
