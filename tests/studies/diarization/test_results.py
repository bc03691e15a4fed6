from dataclasses import replace

import pytest

from sercl.corpora.base import Segment
from sercl.diarization.postprocess import PostConfig
from sercl.errors import UsageError
from sercl.studies.diarization.recordings import DiarizedRecording, EvaluationSet, Recording
from sercl.studies.diarization.results import (
    RunEvaluation,
    check_apart,
    common_posts,
    diarized_by_system,
    differences,
    named,
    together,
)

SEGMENTS = (Segment(0.0, 1.0, "sad"),)


def evaluation_set(speaker, count=2, **more):
    """Recordings `test-0`, `test-1` and so on of one speaker, a second each."""

    def make():
        for index in range(count):
            yield Recording(f"test-{index}", speaker, SEGMENTS, 1.0, "none.wav")

    return EvaluationSet("Corpus, test clips", (speaker,), float(count), make, count, **more)


def evaluated_run(name, post=PostConfig(), **hyper_parameters):
    found = [DiarizedRecording(f"{name}-0", name, SEGMENTS, SEGMENTS, 1.0)]
    model = {"fingerprint": "f", "hyper_parameters": {"lr": 1, "post": name, **hyper_parameters}}
    systems = {"diarizer": found, "all neutral": [replace(found[0], hypothesis=())]}
    return RunEvaluation(
        name, f"{name}/best.ckpt", None, evaluation_set(name), systems, {"diarizer": post}, {}, model
    )


def test_recordings_of_several_runs_are_one_list_that_can_be_made_again():
    first = evaluation_set("a", 2, notes=("few",), problems={"label": 1})
    second = evaluation_set("b", 3, notes=("few", "short"), problems={"label": 2, "silent": 1})
    runs = [
        replace(evaluated_run(name), evaluation_set=named(own, name))
        for name, own in (("fold0", first), ("fold1", second))
    ]
    pooled = together(runs)
    ids = ["fold0-test-0", "fold0-test-1", "fold1-test-0", "fold1-test-1", "fold1-test-2"]
    assert [item.id for item in pooled] == [item.id for item in pooled] == ids
    assert (len(pooled), pooled.seconds, pooled.speakers) == (5, 5.0, ("a", "b"))
    assert pooled.notes == ("few", "fold1: short")
    assert pooled.problems == {"label": 3, "silent": 1}
    assert pooled.name == "Corpus, test clips, of 2 runs"


def test_systems_keep_the_order_of_the_runs():
    pooled = diarized_by_system([evaluated_run("a"), evaluated_run("b")])
    assert {name: [item.id for item in own] for name, own in pooled.items()} == {
        "diarizer": ["a-0", "b-0"],
        "all neutral": ["a-0", "b-0"],
    }


def test_only_what_all_runs_share_is_their_post_processing():
    other = PostConfig(min_seconds=0.4)
    assert common_posts([evaluated_run("a"), evaluated_run("b")]) == {"diarizer": PostConfig()}
    assert common_posts([evaluated_run("a"), evaluated_run("b", other)]) == {}


def test_a_shared_test_utterance_is_refused_with_both_runs():
    assert check_apart({"fold0": (1, ["a", "b"]), "fold1": (2, ["c"])}) == []
    with pytest.raises(UsageError, match=r"1 test utterances of fold2 are also those of fold1.*'c'"):
        check_apart({"fold0": (1, ["a", "b"]), "fold1": (1, ["c"]), "fold2": (1, ["d", "c"])})


def test_several_seeds_may_test_the_same_utterances_if_each_tests_all():
    both = {f"seed{seed}-fold{fold}": (seed, own) for seed in (1, 2) for fold, own in enumerate(("ab", "c"))}
    (note,) = check_apart(both)
    assert note.startswith("mean of 2 seeds")
    with pytest.raises(UsageError, match="do not test the same utterances"):
        check_apart({name: own for name, own in both.items() if name != "seed2-fold1"})


def test_options_that_differ_are_named_and_post_processing_may():
    assert differences([evaluated_run("a"), evaluated_run("b")]) == []
    (note,) = differences(
        [evaluated_run("a"), evaluated_run("b", lr=2, context="gru"), evaluated_run("c", lr=3)]
    )
    assert note.endswith("they differ in context, lr")
