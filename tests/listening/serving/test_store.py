import shutil
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.errors import OutputError, ResultsError, UsageError
from sercl.listening.serving import journal as journals
from sercl.listening.serving.store import DATABASE, LOG, Store, backup, verify
from sercl.listening.serving.tables import ANSWER, BACKGROUND, LINK, SESSION


def person(number):
    """Return the events of a person who has begun."""
    session = {"session": f"s{number}", "token": f"t{number}", "listener": f"L{number}", "number": number}
    return [
        (LINK, {"token": f"t{number}", "label": "", "is_open": 0}),
        (SESSION, {**session, "protocol": "hash", "language": "en"}),
        (BACKGROUND, {"session": f"s{number}", "answers": {"native": f"secret-{number}"}}),
    ]


def answer(number, item):
    return ANSWER, {"id": f"{number}-{item}", "session": f"s{number}", "item": item, "answer": "sad"}


def put(store, *events):
    store.write(lambda base: (events, None))


def stored(folder):
    with closing(sqlite3.connect(folder / DATABASE)) as base:
        return base.execute("SELECT id FROM answers ORDER BY entry").fetchall()


@pytest.fixture
def filled(tmp_path):
    """A folder with three people and two answers of each."""
    folder = tmp_path / "answers"
    with Store(folder) as store:
        for number in range(3):
            put(store, *person(number), answer(number, "a"), answer(number, "b"))
    return folder


def test_answers_are_there_when_the_store_is_opened_again(filled):
    assert verify(filled) == 15
    with Store(filled) as store:
        put(store, answer(0, "c"))
    assert stored(filled)[-1] == ("0-c",)
    assert verify(filled) == 16


def test_what_the_log_has_and_the_database_lacks_is_added(filled):
    shutil.copy(filled / DATABASE, filled.parent / "before")
    with Store(filled) as store:
        put(store, answer(0, "c"))
    (filled / DATABASE).unlink()
    shutil.copy(filled.parent / "before", filled / DATABASE)
    with Store(filled):
        assert verify(filled) == 16
    assert stored(filled)[-1] == ("0-c",)


def test_the_database_can_be_made_from_the_log_alone(filled):
    before = stored(filled)
    (filled / DATABASE).unlink()
    with Store(filled):
        pass
    assert stored(filled) == before


def test_a_log_that_lost_its_end_is_refused(filled):
    lines = (filled / LOG).read_bytes().splitlines(keepends=True)
    (filled / LOG).write_bytes(b"".join(lines[:-1]))
    with pytest.raises(ResultsError, match="the end of the log is lost"):
        Store(filled)
    with pytest.raises(ResultsError, match="is not what"):
        verify(filled)


def test_a_changed_database_is_found(filled):
    with closing(sqlite3.connect(filled / DATABASE)) as base, base:
        base.execute("UPDATE answers SET content = replace(content, 'sad', 'angry') WHERE id = '1-a'")
    with pytest.raises(ResultsError, match="differs from the log in answers"):
        verify(filled)


def test_two_servers_do_not_write_the_same_answers(filled):
    with Store(filled), pytest.raises(OutputError, match="is being served"):
        Store(filled)


def test_a_refused_change_does_not_touch_those_beside_it(filled):
    def refuse(base):
        raise UsageError("no")

    with Store(filled) as store:
        jobs = [store.submit(lambda base: ([answer(0, "c")], 1)), store.submit(refuse)]
        jobs.append(store.submit(lambda base: ([answer(0, "d")], 2)))
        assert [job.result() for job in (jobs[0], jobs[2])] == [1, 2]
        with pytest.raises(UsageError):
            jobs[1].result()
    assert verify(filled) == 17


def test_nothing_is_acknowledged_while_the_disk_is_full(filled, monkeypatch):
    def full(handle, content):
        raise OSError(28, "No space left on device")

    with Store(filled) as store:
        with monkeypatch.context() as patched:
            patched.setattr(journals, "_write", full)
            with pytest.raises(OutputError, match="nothing was saved"):
                put(store, answer(0, "c"))
        assert len(stored(filled)) == 6
        put(store, answer(0, "c"))
    assert len(stored(filled)) == 7
    assert verify(filled) == 16


def test_withdrawing_removes_a_person_and_nothing_else(filled):
    with Store(filled) as store:
        assert store.withdraw("t1") == 5
        assert verify(filled) == 16
        with pytest.raises(UsageError, match="no such link"):
            store.withdraw("t1")
    assert stored(filled) == [("0-a",), ("0-b",), ("2-a",), ("2-b",)]
    for path in filled.iterdir():
        assert b"secret-1" not in path.read_bytes()
    assert b"secret-2" in (filled / LOG).read_bytes()


def test_a_withdrawal_that_was_interrupted_is_completed(filled, monkeypatch):
    with monkeypatch.context() as patched, Store(filled) as store:
        patched.setattr(
            journals.Journal, "erase", lambda self, numbers: (_ for _ in ()).throw(OSError("power"))
        )
        with pytest.raises(OSError, match="power"):
            store.withdraw("t1")
    assert b"secret-1" in (filled / LOG).read_bytes()
    with Store(filled):
        pass
    assert b"secret-1" not in (filled / LOG).read_bytes()
    assert verify(filled) == 16


def test_a_backup_is_verified_and_can_be_served(filled, tmp_path):
    with Store(filled) as store:
        assert backup(filled, tmp_path / "copy") == 15
        put(store, answer(0, "c"))
    with Store(tmp_path / "copy") as copy:
        put(copy, answer(0, "z"))
    assert verify(tmp_path / "copy") == 16
    with pytest.raises(OutputError, match="has content"):
        backup(filled, tmp_path / "copy")


def test_a_backup_of_damaged_answers_is_refused(filled, tmp_path):
    text = (filled / LOG).read_text()
    (filled / LOG).write_text(text.replace("secret-1", "secret-9"))
    with pytest.raises(ResultsError, match="was changed"):
        backup(filled, tmp_path / "copy")


STEPS = st.lists(
    st.one_of(st.tuples(st.just("answer"), st.integers(0, 2), st.integers(0, 3)), st.just("open"),
              st.tuples(st.just("withdraw"), st.integers(0, 2))),
    max_size=12,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_any_history_agrees_with_its_log(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("any") / "answers"
    store = Store(folder)
    for number in range(3):
        put(store, *person(number))
    expected, gone = set(), set()
    for step in steps:
        if step == "open":
            store.close()
            store = Store(folder)
        elif step[0] == "withdraw" and step[1] not in gone:
            store.withdraw(f"t{step[1]}")
            gone.add(step[1])
            expected = {each for each in expected if each[0] != step[1]}
        elif step[0] == "answer" and step[1] not in gone and step[1:] not in expected:
            put(store, answer(step[1], step[2]))
            expected.add(step[1:])
    verify(folder)
    store.close()
    assert {each for (each,) in stored(folder)} == {f"{number}-{item}" for number, item in expected}


def test_a_full_database_takes_the_log_back_too(filled):
    def shrink(base):
        pages = base.execute("PRAGMA page_count").fetchone()[0]
        base.execute(f"PRAGMA max_page_count = {pages}")
        return [], None

    with Store(filled) as store:
        store.write(shrink)
        kind, content = answer(0, "c")
        with pytest.raises(OutputError, match="nothing was saved"):
            put(store, (kind, {**content, "answer": "x" * 1_000_000}))
        assert verify(filled) == 15
        put(store, answer(0, "d"))
    assert verify(filled) == 16


def test_a_commit_that_fails_is_not_in_the_log(filled, monkeypatch):
    class Failing:
        def __init__(self, base):
            self.base = base

        def __getattr__(self, name):
            return getattr(self.base, name)

        def execute(self, text, *values):
            if text == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return self.base.execute(text, *values)

    with Store(filled) as store:
        with monkeypatch.context() as patched:
            patched.setattr(store, "_base", Failing(store._base))
            with pytest.raises(OutputError, match="nothing was saved"):
                put(store, answer(0, "c"))
        assert verify(filled) == 15
        put(store, answer(0, "c"))
    assert verify(filled) == 16


def test_a_clock_that_is_set_back_changes_no_order(filled, monkeypatch):
    from datetime import datetime

    class Earlier(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime(1999, 1, 1, tzinfo=zone)

    monkeypatch.setattr(journals, "datetime", Earlier)
    with Store(filled) as store:
        put(store, answer(0, "c"))
    assert verify(filled) == 16
    assert stored(filled)[-1] == ("0-c",)


def test_copies_made_while_answers_come_in_are_whole(filled, tmp_path):
    with Store(filled) as store:
        jobs = [store.submit(lambda base, at=at: ([answer(0, f"item-{at}")], at)) for at in range(150)]
        counts = [backup(filled, tmp_path / f"copy-{number}") for number in range(4)]
        assert [job.result() for job in jobs] == list(range(150))
    assert counts == sorted(counts)
    assert verify(filled) == 165
