from dataclasses import replace

import pytest
import torch

from sercl.errors import UnknownNameError, UsageError
from sercl.studies.heads.adaptation import (
    NOTES,
    adaptation_notes,
    adaptation_of,
    align_corpora,
    normalize_corpora,
    normalize_speakers,
)
from tests.studies.heads.frozen_samples import features, part, two_corpora, zero_shot

ROWS = two_corpora()
REFERENCE = (*part("A", 0, 1, 2, 3), *part("B", 0, 1, 2))


def test_no_adaptation_does_nothing_and_says_nothing() -> None:
    assert adaptation_of("here", zero_shot(), ROWS) is None
    assert adaptation_notes(zero_shot(), ROWS) == ()


def test_priors_change_predictions_and_no_features() -> None:
    assert adaptation_of("here", zero_shot("prior"), ROWS) is None
    assert adaptation_notes(zero_shot("prior"), ROWS) == (NOTES["prior"],)
    with pytest.raises(UsageError, match="no unlabelled rows of the target"):
        adaptation_of("here", replace(zero_shot("prior"), unlabelled=()), ROWS)


def test_each_name_does_what_it_says() -> None:
    values = features(2.0)[:, 0]
    parts = (REFERENCE, part("A", 4), (*part("A", 5), *part("B", 4, 5)))
    expected = {
        "corpus": normalize_corpora(values, ROWS.corpora, REFERENCE),
        "speaker": normalize_speakers(values, ROWS.corpora, ROWS.speakers, parts),
        "coral": align_corpora(values, ROWS.corpora, REFERENCE, "B"),
    }
    assert set(expected) | {"none", "prior"} == set(NOTES)
    for name, wanted in expected.items():
        adapt = adaptation_of("here", zero_shot(name), ROWS)
        assert adapt is not None
        torch.testing.assert_close(adapt(values), wanted)
        assert adaptation_notes(zero_shot(name), ROWS) == (NOTES[name],)


def test_speakers_with_few_utterances_are_reported() -> None:
    training = replace(zero_shot("speaker"), tests={"B": part("B", 4)[:2]}, unlabelled=())
    assert adaptation_notes(training, ROWS) == (
        NOTES["speaker"],
        "fewer than 3 utterances in a part, so standardised by all utterances of their corpus in it: B s4",
    )


def test_unlabelled_utterances_of_a_speaker_count_in_training() -> None:
    shots = replace(zero_shot("speaker"), train=(*part("A", 0, 1), part("B", 0)[0]))
    assert len(adaptation_notes(shots, ROWS)) == 1
    assert len(adaptation_notes(replace(shots, unlabelled=()), ROWS)) == 2


def test_unknown_names_and_speakers_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="corpus"):
        adaptation_of("frozen training 0", zero_shot("corpora"), ROWS)
    row = part("B", 5)[1]
    lacking = replace(ROWS, speakers=(*ROWS.speakers[:row], None, *ROWS.speakers[row + 1 :]))
    with pytest.raises(UsageError, match=r"'speaker': the speaker of 1 .* unknown, first 'u133' of B"):
        adaptation_of("frozen training 0", zero_shot("speaker"), lacking)
    adaptation_of("frozen training 0", zero_shot("corpus"), lacking)


@pytest.mark.parametrize("name", ["corpus", "coral"])
def test_a_corpus_without_reference_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no rows for the statistics of B"):
        adaptation_of("here", replace(zero_shot(name), unlabelled=()), ROWS)


def test_coral_needs_one_target_and_a_source() -> None:
    both = (*part("A", 3), *part("B", 0))
    with pytest.raises(
        UsageError, match="unlabelled rows are of A, B, training rows of other corpora of none"
    ):
        adaptation_of("here", replace(zero_shot("coral"), unlabelled=both), ROWS)
    with pytest.raises(UsageError, match="one target and at least one source"):
        adaptation_of("here", replace(zero_shot("coral"), train=part("B", 3), unlabelled=both), ROWS)
    with pytest.raises(UsageError, match="1 row of B; a covariance needs at least 2"):
        adaptation_of("here", replace(zero_shot("coral"), unlabelled=part("B", 0)[:1]), ROWS)
