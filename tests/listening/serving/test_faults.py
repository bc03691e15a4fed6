"""What happens to a machine that serves a test: a full disk, a clock set back, copies of open files."""

import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from sercl.launchers.ranks import free_port
from sercl.listening.serving import journal, rows, sessions
from sercl.listening.serving.store import DATABASE, LOG, Store, verify
from sercl.testing.listening import fake_listening_test
from tests.listening.serving.conftest import BACKGROUND, answer_of, client
from tests.listening.serving.test_store import answer, person, put

pytest.importorskip("uvicorn", reason="the extra `listen` is not installed")

LIMIT = 120
"""Seconds after which a server is taken to hang."""

SERVE = """
import sys
from pathlib import Path
from sercl.listening.serving.app import application, run
from sercl.listening.serving.serve import ServeOptions, opened
with opened(Path(sys.argv[1]), ServeOptions(links=1)) as server:
    print(server.base.execute("SELECT token FROM links").fetchone()["token"], flush=True)
    run(application(server), "127.0.0.1", int(sys.argv[2]))
"""


class Client:
    """Asks the server, and returns status and content; as pages do, it waits where it has asked too often."""

    def __init__(self, base):
        self.base = base

    def get(self, path):
        return self._ask(Request(self.base + path))

    def post(self, path, content):
        body = json.dumps(content).encode()
        return self._ask(Request(self.base + path, body, {"Content-Type": "application/json"}))

    def _ask(self, request):
        try:
            with urlopen(request, timeout=LIMIT) as reply:
                return reply.status, json.load(reply)
        except HTTPError as error:
            if error.code != 429:
                return error.code, json.load(error)
            time.sleep(int(error.headers["Retry-After"]))
            return self._ask(request)


@pytest.fixture
def process(tmp_path):
    """Yield (process that serves a test of 33 items, client of its one link)."""
    fake_listening_test(tmp_path / "test", 16, 2, 0.1)
    port = free_port()
    words = [sys.executable, "-c", SERVE, str(tmp_path / "test"), str(port)]
    own = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        browser = Client(f"http://127.0.0.1:{port}/t/{own.stdout.readline().strip()}/api/")
        wait_for(browser, own)
        yield own, browser
    finally:
        own.send_signal(signal.SIGINT)
        own.communicate(timeout=LIMIT)


def wait_for(browser, own):
    while True:
        assert own.poll() is None
        try:
            return browser.get("state")
        except URLError:
            time.sleep(0.1)


def limit(own, size):
    """Let no file of a process grow beyond a size: what it writes fails there, as on a full disk."""
    hard = resource.prlimit(own.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(own.pid, resource.RLIMIT_FSIZE, (size, hard))


def test_a_disk_that_is_full_at_any_byte_loses_and_doubles_nothing(process, tmp_path):
    own, browser = process
    folder = tmp_path / "test" / "answers"
    plan = browser.post("begin", {"language": "de"})[1]["plan"]
    browser.post("background", BACKGROUND)
    items = [item for block in plan["blocks"] for item in block["items"]]
    failed = {LOG: 0, f"{DATABASE}-wal": 0}
    for number, item in enumerate(items):
        name = list(failed)[number % 2]
        given = [answer_of(item, ["sad"])]
        limit(own, (folder / name).stat().st_size + 37 * number % 500)
        status, content = browser.post("answers", given)
        if status == 503:
            assert content == {"reason": "unsaved", "message": "Nothing was saved."}
            assert browser.get("state")[0] == 200, "reading goes on"
            failed[name] += 1
        limit(own, resource.RLIM_INFINITY)
        again = browser.post("answers", given)[1]
        assert again["results"][0]["new"] == (status == 503)
    assert all(count >= 5 for count in failed.values()), failed
    assert browser.post("finish", {})[0] == 200
    own.send_signal(signal.SIGINT)
    own.wait(LIMIT)
    verify(folder)
    with closing(sqlite3.connect(folder / DATABASE)) as base:
        found = [id for (id,) in base.execute("SELECT id FROM answers ORDER BY id")]
    assert found == sorted(answer_of(item, ["sad"])["id"] for item in items)


def test_a_clock_that_is_set_back_changes_only_the_times(folder, monkeypatch):
    class Clock(datetime):
        shift = timedelta()

        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + cls.shift

    for module in (journal, sessions):
        monkeypatch.setattr(module, "datetime", Clock)
    with client(folder, links=1) as (browser, server):
        base = f"/t/{server.base.execute('SELECT token FROM links').fetchone()['token']}/api"
        plan = browser.post(f"{base}/begin", json={"language": "de"}).json()["plan"]
        browser.post(f"{base}/background", json=BACKGROUND)
        items = [item for block in plan["blocks"] for item in block["items"]]
        for number, item in enumerate(items):
            Clock.shift = timedelta(days=-400 * (number % 2))
            given = [answer_of(item, server.rules.protocol.answers)]
            assert browser.post(f"{base}/answers", json=given).json()["results"][0]["new"]
            assert not browser.post(f"{base}/answers", json=given).json()["results"][0]["new"]
        assert browser.post(f"{base}/finish", json={}).status_code == 200
        frame = rows.ratings(folder / "answers", server.rules.protocol).frame
    assert frame["order"].tolist() == list(range(len(items)))
    lines = [json.loads(line) for line in (folder / "answers" / LOG).read_text().splitlines()]
    assert verify(folder / "answers") == len(lines)
    assert min(line["at"] for line in lines) < (datetime.now(UTC) - timedelta(days=300)).isoformat()


def test_files_that_are_copied_while_answers_come_in_open_again(tmp_path):
    """Of a moment at which SQLite moves its log into its database, only `sercl listen backup` has one."""
    folder, done, allowed = tmp_path / "answers", [], threading.Semaphore(0)
    with Store(folder) as store:
        put(store, *person(0))

        def write():
            for _ in range(10 * 12):
                allowed.acquire()
                put(store, answer(0, f"{len(done):06d}"))
                done.append(f"0-{len(done):06d}")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(12):
                allowed.release(10)
                while len(done) < 10 * number + 4 and writer.is_alive():
                    time.sleep(0.001)
                before, copy = len(done), tmp_path / f"copy-{number}"
                copy.mkdir()
                for name in (DATABASE, f"{DATABASE}-wal", LOG):  # the log last: it is what counts
                    shutil.copy(folder / name, copy / name)
                with Store(copy):
                    assert verify(copy) >= before
                with closing(sqlite3.connect(copy / DATABASE)) as base:
                    found = [id for (id,) in base.execute("SELECT id FROM answers ORDER BY entry")]
                assert found == [f"0-{place:06d}" for place in range(len(found))]
                assert len(found) >= before
        finally:
            allowed.release(10 * 12)
            writer.join()
