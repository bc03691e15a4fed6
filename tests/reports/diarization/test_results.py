from sercl.reports.diarization.results import score_notes
from sercl.studies.diarization.evaluation import evaluate
from tests.studies.diarization.test_evaluation import CLASSES, ONE, TWO, diarized


def test_a_diarizer_that_labels_everything_alike_is_named() -> None:
    nothing = [diarized("a", [(2, 6, "sad")], []), diarized("b", [(0, 5, "angry")], [], 5.0)]
    unit, guess = score_notes(evaluate(nothing, CLASSES))
    assert (
        unit
        == "2 recordings, 0.2 min; intervals resample recordings, not speakers, and are therefore too narrow."
    )
    assert (
        guess
        == "everything was labelled neutral: UAR is that of guessing, and no change of emotion was found."
    )
    assert len(score_notes(evaluate([ONE, TWO], CLASSES))) == 1


def test_one_recording_is_one() -> None:
    (note,) = score_notes(evaluate([ONE], CLASSES))
    assert note == "1 recording, 0.2 min; no interval, since a single one cannot be resampled."
