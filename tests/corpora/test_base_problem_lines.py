from pathlib import Path

from sercl.corpora.base import MOST_REASONS, Problem, problem_lines

TABLE = Path("m.csv")


def test_bad_labels_are_reported_once_each_with_their_number() -> None:
    problems = [Problem(TABLE, f"unknown emotion {word!r}", line=i) for i, word in enumerate("abab", start=2)]
    problems += [Problem(Path(f"{i}.wav"), "not on disk", kind="missing") for i in range(3)]
    assert problem_lines(problems, most=2) == [
        "m.csv:2: unknown emotion 'a' (2 rows in all)",
        "m.csv:3: unknown emotion 'b' (2 rows in all)",
        "0.wav: not on disk",
        "1.wav: not on disk",
        "and 1 more",
    ]


def test_rows_of_datasets_are_reported_by_their_label() -> None:
    problems = [Problem(Path(f"{i}.wav"), f"row {i} of train: unknown emotion 'x'") for i in (4, 7)]
    assert problem_lines(problems, most=5) == ["4.wav: row 4 of train: unknown emotion 'x' (2 rows in all)"]


def test_a_flood_of_labels_is_cut() -> None:
    problems = [Problem(TABLE, f"unknown emotion {i}", line=i) for i in range(MOST_REASONS + 5)]
    lines = problem_lines(problems, most=5)
    assert len(lines) == MOST_REASONS + 1
    assert lines[-1] == "and 5 more"
