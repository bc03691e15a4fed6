import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.errors import ResultsError
from sercl.listening.serving.journal import START, Journal, chained, entries

CONTENT = st.dictionaries(
    st.text(max_size=5), st.one_of(st.text(), st.integers(-(2**62), 2**62), st.none()), max_size=3
)


def filled(path, contents):
    journal = Journal(path)
    for content in contents:
        journal.append(list(chained([("note", content)], journal.number, journal.head)))
    return journal


@given(contents=st.lists(CONTENT, max_size=6), gone=st.sets(st.integers(1, 6)))
def test_what_is_written_is_read_and_erased_contents_leave_the_chain_whole(tmp_path_factory, contents, gone):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    journal = filled(path, contents)
    assert [entry.content for entry in entries(path)] == contents
    journal.erase(gone)
    journal.append(list(chained([("after", {})], journal.number, journal.head)))
    journal.close()
    read = list(entries(path))
    assert [entry.content for entry in read[:-1]] == [
        None if number in gone else content for number, content in enumerate(contents, 1)
    ]
    assert read[-1].number == len(contents) + 1
    assert read[0].before == START


def test_nothing_of_an_erased_content_is_left(tmp_path):
    journal = filled(tmp_path / "log", [{"who": "a secret"}, {"who": "nobody"}])
    journal.erase([1])
    text = (tmp_path / "log").read_text()
    assert "a secret" not in text
    assert "nobody" in text
    assert json.loads(text.splitlines()[0])["salt"] is None


@pytest.mark.parametrize("field", ["number", "at", "kind", "content", "digest", "before", "hash"])
def test_a_changed_entry_is_found(tmp_path, field):
    path = tmp_path / "log"
    filled(path, [{"n": 1}, {"n": 2}, {"n": 3}]).close()
    lines = path.read_text().splitlines(keepends=True)
    changed = json.loads(lines[1])
    changed[field] = {"n": 9} if field == "content" else 7 if field == "number" else "x"
    path.write_text(lines[0] + json.dumps(changed) + "\n" + lines[2])
    with pytest.raises(ResultsError, match="line 2"):
        list(entries(path))


def test_a_missing_or_exchanged_entry_is_found(tmp_path):
    path = tmp_path / "log"
    filled(path, [{"n": 1}, {"n": 2}, {"n": 3}]).close()
    lines = path.read_text().splitlines(keepends=True)
    for order in ([0, 2], [1, 0, 2], [1, 2]):
        path.write_text("".join(lines[place] for place in order))
        with pytest.raises(ResultsError, match="missing or were changed"):
            list(entries(path))


@given(size=st.integers(1, 200))
def test_a_torn_line_at_the_end_is_removed(tmp_path_factory, size):
    path = tmp_path_factory.mktemp("log") / "log"
    filled(path, [{"n": 1}]).close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-1][:size])
    journal = Journal(path)
    assert (journal.number, path.read_bytes()) == (1, whole)
    journal.close()


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path, monkeypatch):
    journal = filled(tmp_path / "log", [{"n": 1}])
    before = (tmp_path / "log").read_bytes()
    made = list(chained([("note", {"n": 2})], journal.number, journal.head))

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("sercl.listening.serving.journal._write", lambda handle, content: full(handle))
        with pytest.raises(OSError, match="No space"):
            journal.append(made)
    assert (tmp_path / "log").read_bytes() == before
    journal.append(made)
    assert [entry.number for entry in entries(tmp_path / "log")] == [1, 2]
