import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.errors import UnknownNameError, UsageError
from sercl.metrics.functional.classification import confusion_matrix
from sercl.studies.results.predictions import Predictions, as_repeats, read_csv, sharing_texts
from tests.studies.samples import CLASSES, predictions

CELLS = st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs"])


def without(item: Predictions, chosen: np.ndarray) -> Predictions:
    return Predictions(
        item.classes,
        item.runs,
        *(
            getattr(item, name)[~chosen]
            for name in ("run", "fold", "utterance", "speaker", "truth", "predicted", "probabilities")
        ),
    )


def test_units_are_speakers_where_they_are_known_and_enough() -> None:
    truth = [0, 1, 2, 3, 0]
    known = predictions(truth, truth, speakers=list("abcde"))
    assert (known.unit_name, known.units.tolist()) == ("speakers", list("abcde"))
    few = predictions(truth, truth, speakers=list("abcda"))
    assert (few.unit_name, few.units.tolist()) == ("utterances", ["u0", "u1", "u2", "u3", "u4"])
    unknown = predictions(truth, truth, speakers=["a", "b", "c", "d", None])
    assert unknown.unit_name == "utterances"


def test_confusions_of_units_and_runs_add_up() -> None:
    rng = np.random.default_rng(0)
    truth, first, second = rng.integers(0, 4, (3, 60)).tolist()
    item = predictions(truth, first, second, speakers=[f"s{index % 6}" for index in range(60)])
    counts = item.confusions()
    assert counts.shape == (6, 2, 4, 4)
    for run, predicted in enumerate((first, second)):
        whole = confusion_matrix(torch.tensor(truth), torch.tensor(predicted), 4)
        assert counts[:, run].sum(axis=0).tolist() == whole.tolist()
    assert counts[0, 0].sum() == 10


def test_an_utterance_of_two_folds_is_one_unit_and_counts_twice() -> None:
    item = predictions([0, 0, 1], [0, 1, 1], utterances=["a", "a", "b"], folds=[0, 1, 0])
    counts = item.confusions()
    assert counts.shape == (2, 1, 4, 4)
    assert counts[0, 0, 0, :2].tolist() == [1, 1]


def test_incomplete_repeats_are_left_out() -> None:
    item = predictions([0, 1, 2, 3], *([[0, 1, 2, 3]] * 3), folds=[0, 0, 1, 1])
    assert item.complete() is item
    lacking = without(item, (item.run == 1) & (item.fold == 1))
    kept = lacking.complete()
    assert kept.runs == ((0, 0), (0, 2))
    assert kept.run.tolist() == [0] * 4 + [1] * 4
    assert len(kept.probabilities) == 8


@pytest.mark.parametrize(("count", "message"), [(0, "there is no utterance"), (2, "one of each is needed")])
def test_lists_must_match(count: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Predictions.of_one_run(("a", "b"), ["u"] * count, [None] * count, [0] * count, [[1.0, 0.0]])


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.text(CELLS), st.text(CELLS), st.integers(0, 3)),
        min_size=1,
        max_size=9,
        unique_by=lambda row: row[0],
    )
)
def test_a_file_of_a_run_gives_back_what_was_written(
    rows: list[tuple[str, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    names, speakers, truth = zip(*rows, strict=True)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=len(rows))
    written = Predictions.of_one_run(
        CLASSES, names, [name or None for name in speakers], truth, probabilities
    )
    path = tmp_path_factory.mktemp("run") / "predictions.csv"
    written.write_csv(path)
    found = read_csv(path)
    assert (found.classes, found.runs) == (CLASSES, written.runs)
    for name in ("utterance", "speaker", "truth", "predicted"):
        assert getattr(found, name).tolist() == getattr(written, name).tolist(), name
    np.testing.assert_allclose(found.probabilities, probabilities, atol=5e-7)
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert list(frame) == ["utterance", "speaker", "truth", "predicted", *(f"p_{name}" for name in CLASSES)]


def test_labels_alone_are_predictions() -> None:
    item = Predictions.from_labels(["sad", "angry", "sad"], np.array(["sad", "sad", "sad"]))
    assert (item.classes, item.runs, item.by_speaker) == (("angry", "sad"), ((0, 0),), False)
    assert item.confusions().sum(axis=(0, 1)).tolist() == [[0, 1], [0, 2]]
    assert np.isnan(item.probabilities).all()
    known = Predictions.from_labels(["b"], ["a"], ["s"], ["u"], classes=("b", "a"))
    assert (known.classes, known.truth.tolist(), known.predicted.tolist()) == (("b", "a"), [0], [1])
    assert (known.speaker.tolist(), known.utterance.tolist()) == (["s"], ["u"])
    with pytest.raises(UnknownNameError, match=r"unknown class 'c'\. Valid: a, b"):
        Predictions.from_labels(["a"], ["c"], classes=("a", "b"))
    with pytest.raises(UsageError, match=r"\(truth 2, predicted 1\)"):
        Predictions.from_labels(["a", "a"], ["a"])


def test_repeats_and_folds_of_a_table_are_distinguished() -> None:
    frame = predictions([0, 1], [0, 1]).to_frame()
    frame["fold"] = [0, 1]
    both = Predictions.from_frame(pd.concat([frame.assign(seed=4), frame.assign(seed=2)]))
    assert (both.runs, both.run.tolist(), both.fold.tolist()) == (
        ((0, 2), (0, 4)), [1, 1, 0, 0], [0, 1, 0, 1],
    )  # fmt: skip
    with pytest.raises(ValueError, match="has utterance 'u0' twice; select the predictions of one system"):
        Predictions.from_frame(pd.concat([frame, frame]))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (pd.DataFrame({"x": [1]}), "lacks the columns utterance, speaker, truth, predicted"),
        (predictions([0], [0]).to_frame().assign(p_angry="high"), "could not convert .*'high'"),
        (predictions([0], [0]).to_frame().assign(predicted="bored"), "has predicted 'bored'"),
        (3, "'int' object"),
    ],
)
def test_another_table_is_refused_with_what_is_valid(table, reason) -> None:
    with pytest.raises(UsageError, match=rf"predictions: not a table of predictions: .*{reason}.*p_CLASS"):
        Predictions.from_frame(table)


def test_lengths_are_named_as_they_were_given() -> None:
    with pytest.raises(UsageError, match=r"\(truth 1, predicted 1, speakers 2\)"):
        Predictions.from_labels(["a"], ["a"], ["s", "t"])


def test_without_a_complete_repeat_everything_stays() -> None:
    item = predictions([0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3], folds=[0, 0, 1, 1])
    lacking = without(item, item.run != item.fold)
    assert lacking.complete() is lacking


def test_several_systems_are_repeats_of_one_whose_scores_are_their_means() -> None:
    truth = [0, 1, 2, 3]
    systems = [predictions(truth, [0, 1, 2, 3], [0, 0, 0, 0]), predictions(truth, [0, 1, 0, 0])]
    together = as_repeats(systems)
    assert together.runs == ((0, 0), (0, 1), (1, 0))
    assert torch.tensor(together.confusions().sum(axis=0)).diagonal(dim1=1, dim2=2).sum(dim=1).tolist() == [
        4,
        1,
        2,
    ]
    lacking = predictions(truth[:3], [0, 1, 2])
    assert as_repeats([*systems, lacking]).complete().runs == together.runs


def test_systems_of_one_table_are_those_of_their_own_tables() -> None:
    rows = [
        (system, shots, seed, fold, f"u{fold}{name}", speaker, name % 2, (name + seed + fold) % 2)
        for system, shots, seeds in (("b", None, (1, 2)), ("a", 4.0, (2, 3)), ("b", 4.0, (1,)))
        for seed in seeds
        for fold in range(2)
        for name, speaker in enumerate(["s0", None, "s1"])
    ]
    names = ["system", "shots", "seed", "fold", "utterance", "speaker", "truth", "predicted"]
    frame = pd.DataFrame(rows, columns=names).replace(
        {"truth": {0: "x", 1: "y"}, "predicted": {0: "x", 1: "y"}}
    )
    frame = frame.assign(p_x=0.25, p_y=0.75)
    coded = frame.astype(dict.fromkeys(["system", "utterance", "speaker", "truth", "predicted"], "category"))
    for table in (frame, coded, sharing_texts(coded)):
        found = dict(Predictions.of_systems(table.sample(frac=1, random_state=0), ["system", "shots"]))
        assert len(found) == 3
        for (system, shots), own in found.items():
            same_shots = table["shots"].isna() if pd.isna(shots) else table["shots"] == shots
            alone = Predictions.from_frame(table[(table["system"] == system) & same_shots])
            assert own.runs == alone.runs
            order, other = (np.lexsort((each.utterance, each.fold, each.run)) for each in (own, alone))
            for name in ("run", "fold", "utterance", "speaker", "truth", "predicted", "probabilities"):
                assert getattr(own, name)[order].tolist() == getattr(alone, name)[other].tolist()
    with pytest.raises(UsageError, match="'u00' twice"):
        list(Predictions.of_systems(pd.concat([frame, frame.iloc[:1]]), ["system", "shots"]))
