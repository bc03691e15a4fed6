from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.errors import RatingsError
from sercl.listening.ratings import COLUMNS, RATINGS, VOTES, first_answers, read_table, table_of, write_table

ROW = {"listener": "a", "item": "u1", "task": "choice", "kind": "item", "repeat": 0, "answer": "angry"}
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "listener": TEXT, "item": TEXT, "answer": st.none() | TEXT, "repeat": st.integers(0, 3),
                "confidence": st.none() | st.floats(0, 10), "listener_native": st.none() | TEXT,
            }
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_a_table_survives_the_disk(tmp_path_factory: pytest.TempPathFactory, rows: list[dict]) -> None:
    path = tmp_path_factory.mktemp("ratings") / "r.parquet"
    table = table_of(RATINGS, [{**ROW, **row} for row in rows])
    write_table(table, path)
    again = read_table(path)
    assert again.kind == RATINGS
    pd.testing.assert_frame_equal(again.frame, table.frame)
    assert again.listener_columns == ["native"]


def test_votes_are_told_from_ratings(tmp_path: Path) -> None:
    write_table(table_of(VOTES, [{"item": "u1", "answer": "sad", "votes": 3}]), tmp_path / "v.parquet")
    found = read_table(tmp_path / "v.parquet")
    assert found.kind == VOTES
    assert found.frame["votes"].tolist() == [3]
    assert found.frame["rate"].isna().all()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match=r"no such file.*listen import"):
        read_table(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("text")
    with pytest.raises(
        RatingsError, match=r"not a valid Parquet file \(it begins with b'text'\)\. `sercl listen import`"
    ):
        read_table(tmp_path / "text.parquet")
    pd.DataFrame({"item": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(RatingsError, match="not a table of ratings"):
        read_table(tmp_path / "other.parquet")


def test_a_row_without_a_listener_is_found(tmp_path: Path) -> None:
    table = table_of(RATINGS, [ROW, {**ROW, "listener": None}])
    write_table(table, tmp_path / "r.parquet")
    with pytest.raises(RatingsError, match=r"r.parquet:2: has no listener"):
        read_table(tmp_path / "r.parquet")
    write_table(table_of(RATINGS, []), tmp_path / "e.parquet")
    with pytest.raises(RatingsError, match="no rows"):
        read_table(tmp_path / "e.parquet")


def test_scores_use_first_answers_to_items() -> None:
    others = [
        {},
        {"kind": "attention"},
        {"kind": "practice"},
        {"repeat": 1},
        {"answer": None},
        {"task": "segments"},
    ]
    table = table_of(RATINGS, [ROW, *({**ROW, **other} for other in others)])
    assert len(first_answers(table)) == 1
    assert list(table.frame.columns) == list(COLUMNS)
