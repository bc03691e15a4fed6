import numpy as np
import torch

from sercl.metrics.functional.classification import confusion_matrix
from sercl.studies.results.predictions import Answers, complete, confusions
from tests.studies.samples import answers


def without(item: Answers, chosen: np.ndarray) -> Answers:
    return Answers(
        item.runs,
        *(
            getattr(item, name)[~chosen]
            for name in ("run", "fold", "utterance", "speaker", "truth", "predicted", "probabilities")
        ),
    )


def test_units_are_speakers_where_they_are_known_and_enough() -> None:
    truth = [0, 1, 2, 3, 0]
    known = answers(truth, truth, speakers=list("abcde"))
    assert (known.unit_name, known.units.tolist()) == ("speakers", list("abcde"))
    few = answers(truth, truth, speakers=list("abcda"))
    assert (few.unit_name, few.units.tolist()) == ("utterances", ["u0", "u1", "u2", "u3", "u4"])
    unknown = answers(truth, truth, speakers=["a", "b", "c", "d", None])
    assert unknown.unit_name == "utterances"


def test_confusions_of_units_and_runs_add_up() -> None:
    rng = np.random.default_rng(0)
    truth, first, second = rng.integers(0, 4, (3, 60)).tolist()
    item = answers(truth, first, second, speakers=[f"s{index % 6}" for index in range(60)])
    counts = confusions(item, 4)
    assert counts.shape == (6, 2, 4, 4)
    for run, predicted in enumerate((first, second)):
        whole = confusion_matrix(torch.tensor(truth), torch.tensor(predicted), 4)
        assert counts[:, run].sum(axis=0).tolist() == whole.tolist()
    assert counts[0, 0].sum() == 10


def test_an_utterance_of_two_folds_is_one_unit_and_counts_twice() -> None:
    item = answers([0, 0, 1], [0, 1, 1], utterances=["a", "a", "b"], folds=[0, 1, 0])
    counts = confusions(item, 4)
    assert counts.shape == (2, 1, 4, 4)
    assert counts[0, 0, 0, :2].tolist() == [1, 1]


def test_incomplete_repeats_are_left_out() -> None:
    item = answers([0, 1, 2, 3], *([[0, 1, 2, 3]] * 3), folds=[0, 0, 1, 1])
    assert complete(item) is item
    lacking = without(item, (item.run == 1) & (item.fold == 1))
    kept = complete(lacking)
    assert kept.runs == ((0, 0), (0, 2))
    assert kept.run.tolist() == [0] * 4 + [1] * 4
    assert len(kept.probabilities) == 8


def test_without_a_complete_repeat_everything_stays() -> None:
    item = answers([0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3], folds=[0, 0, 1, 1])
    lacking = without(item, item.run != item.fold)
    assert complete(lacking) is lacking
