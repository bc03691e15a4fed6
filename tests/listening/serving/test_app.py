import json

import pandas as pd
import pytest

from sercl.errors import ResultsError, UsageError
from sercl.listening import protocol as protocols
from sercl.listening.order import presentation
from sercl.listening.ratings import read_table, write_table
from sercl.listening.serving import headphones, limits, rows
from sercl.listening.serving.serve import ServeOptions, links_of, opened
from sercl.listening.serving.store import verify
from tests.listening.samples import ANSWERS
from tests.listening.serving.conftest import BACKGROUND, answer_of, client, written

pytest.importorskip("fastapi", reason="the extra `listen` is not installed")


def tokens(server):
    return [row["token"] for row in server.base.execute("SELECT token FROM links ORDER BY entry")]


def begin(browser, token, language="en"):
    reply = browser.post(f"/t/{token}/api/begin", json={"language": language})
    assert reply.status_code == 200
    return reply.json()["plan"]


def items_of(plan):
    return [item for block in plan["blocks"] for item in block["items"]]


def whole_session(browser, token, language="en"):
    plan = begin(browser, token, language)
    assert browser.post(f"/t/{token}/api/background", json=BACKGROUND).status_code == 200
    for item in items_of(plan):
        assert browser.post(f"/t/{token}/api/answers", json=[answer_of(item, ANSWERS)]).status_code == 200
    return browser.post(f"/t/{token}/api/finish", json={}).json()["code"]


def test_a_whole_session_becomes_ratings(folder, tmp_path):
    with client(folder, links=2) as (browser, server):
        _, second = tokens(server)
        code = whole_session(browser, second)
        assert len(code) == 8
        assert browser.post(f"/t/{second}/api/finish", json={}).json()["code"] == code
        assert browser.get(f"/t/{second}/api/state").json()["state"] == "finished"
        protocol = protocols.read(folder)
        table = rows.ratings(folder / "answers", protocol)
        verify(folder / "answers")
    write_table(table, tmp_path / "ratings.parquet")
    frame = read_table(tmp_path / "ratings.parquet").frame
    order = presentation(protocol, 0)
    assert list(frame["item"]) == [protocol.by_key[key].utterance for key in order]
    assert list(frame["order"]) == list(range(len(order)))
    assert list(frame["kind"]) == [protocol.by_key[key].kind for key in order]
    assert set(frame["confidence"]) == {0.75}
    assert set(frame["listener_native"]) == {"de"}
    assert set(frame["listener_others"]) == {"en:good"}
    assert frame["listener_dialects"].isna().all()
    assert set(frame["protocol"]) == {protocol.hash}
    checks = frame[frame["kind"] == "attention"]
    assert (checks["answer"] == checks["truth"]).all()


def test_listeners_get_their_own_order(folder):
    with client(folder, links=3) as (browser, server):
        protocol = server.rules.protocol
        for number, token in enumerate(reversed(tokens(server))):
            keys = [item["key"] for item in items_of(begin(browser, token))]
            assert keys == list(presentation(protocol, number))


def test_an_answer_that_is_sent_again_is_stored_once(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        item = items_of(begin(browser, token))[1]
        given = answer_of(item, ANSWERS)
        new = [
            browser.post(f"/t/{token}/api/answers", json=[given]).json()["results"][0]["new"] for _ in "abc"
        ]
        other = {**given, "id": "another-tab", "answer": "sad"}
        new.append(browser.post(f"/t/{token}/api/answers", json=[other, given]).json()["results"][0]["new"])
        assert new == [True, False, False, False]
        found = server.base.execute("SELECT content FROM answers").fetchall()
        assert [json.loads(row["content"])["answer"] for row in found] == [given["answer"]]


def test_a_session_goes_on_where_it_was(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        plan = begin(browser, token)
        browser.post(f"/t/{token}/api/answers", json=[answer_of(items_of(plan)[0], ANSWERS)])
    with client(folder, links=1) as (browser, server):
        state = browser.get(f"/t/{token}/api/state").json()
        assert state["state"] == "running"
        assert [item["done"] for item in items_of(state["plan"])] == [
            True,
            *[False] * (len(items_of(plan)) - 1),
        ]
        again = begin(browser, token, "de")
        assert [item["key"] for item in items_of(again)] == [item["key"] for item in items_of(plan)]
        assert again["language"] == "en"
        assert [row["what"] for row in server.base.execute("SELECT what FROM events")] == ["resumed"]


def test_a_changed_test_and_an_old_session_are_refused(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        plan = begin(browser, token)
    with client(folder, days=1e-9) as (browser, server):
        assert browser.get(f"/t/{token}/api/state").json()["state"] == "expired"
    changed = protocols.read(folder)
    protocols.write(protocols.replace(changed, title="Another test"), folder)
    with client(folder) as (browser, server):
        assert browser.get(f"/t/{token}/api/state").json()["state"] == "outdated"
        reply = browser.post(f"/t/{token}/api/answers", json=[answer_of(items_of(plan)[0], ANSWERS)])
        assert (reply.status_code, reply.json()["reason"]) == (409, "outdated")
        with pytest.raises(ResultsError, match="no answers"):
            rows.ratings(folder / "answers", server.rules.protocol)


def test_nothing_says_what_an_item_is(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        state = browser.get(f"/t/{token}/api/state").json()
        plan = begin(browser, token)
        assert set(items_of(plan)[0]) == {"key", "task", "seconds", "asked", "done"}
        text = json.dumps([state["example"], plan])
        for word in ("repeat", "attention", "EmoDB", "u-"):
            assert word not in text
        practice = plan["blocks"][0]["items"][0]
        told = browser.post(f"/t/{token}/api/answers", json=[answer_of(practice, ANSWERS)]).json()["results"][
            0
        ]
        assert told["truth"] == server.rules.protocol.by_key[practice["key"]].truth
        told = browser.post(f"/t/{token}/api/answers", json=[answer_of(items_of(plan)[1], ANSWERS)]).json()
        assert "truth" not in told["results"][0]


def test_a_session_ends_only_when_everything_is_answered(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        plan = begin(browser, token)
        for item in items_of(plan):
            reply = browser.post(f"/t/{token}/api/finish", json={})
            assert (reply.status_code, reply.json()["reason"]) == (409, "incomplete")
            browser.post(f"/t/{token}/api/answers", json=[answer_of(item, ANSWERS)])
        assert browser.post(f"/t/{token}/api/finish", json={}).status_code == 409
        browser.post(f"/t/{token}/api/background", json=BACKGROUND)
        assert browser.post(f"/t/{token}/api/finish", json={}).status_code == 200


WRONG = [
    {"id": "short"},
    {"item": "nothing"},
    {"answer": "nice"},
    {"answer": None},
    {"confidence": 6},
    {"confidence": None},
    {"seconds": -1.0},
    {"seconds": 1e9},
    {"seconds": "soon"},
    {"plays": -1},
    {"parts": [{"start": 0.0, "end": 0.2, "answer": "sad"}]},
]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_a_wrong_answer_is_refused_and_not_stored(folder, change):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        item = items_of(begin(browser, token))[1]
        reply = browser.post(f"/t/{token}/api/answers", json=[{**answer_of(item, ANSWERS), **change}])
        assert (reply.status_code, reply.json()["reason"]) == (422, "invalid")
        assert not server.base.execute("SELECT 1 FROM answers").fetchall()


def test_marked_parts_become_rows(tmp_path):
    written(tmp_path / "test", marked=True)
    with client(tmp_path / "test", links=1, questionnaire="none") as (browser, server):
        (token,) = tokens(server)
        found = [item for item in items_of(begin(browser, token)) if item["task"] == "segments"]
        none = {**answer_of(found[0], ANSWERS), "parts": []}
        for given in (none, answer_of(found[1], ANSWERS)):
            assert browser.post(f"/t/{token}/api/answers", json=[given]).status_code == 200
        wrong = [
            [{"start": 0.0, "end": 0.3, "answer": "sad"}, {"start": 0.2, "end": 0.4, "answer": "sad"}],
            [{"start": 0.3, "end": 9.0, "answer": "sad"}],
            [{"start": 0.3, "end": 0.2, "answer": "sad"}],
            [{"start": 0.0, "end": 0.2, "answer": "nice"}],
            [{"start": 0.0, "end": 0.05, "answer": "sad"}],
        ]
        for parts in wrong:
            given = {**answer_of(found[2], ANSWERS), "parts": parts}
            assert browser.post(f"/t/{token}/api/answers", json=[given]).status_code == 422
        frame = rows.ratings(tmp_path / "test" / "answers", server.rules.protocol).frame
    assert list(frame["task"]) == ["segments"] * 3
    assert list(frame["answer"]) == [None, "angry", "sad"]
    assert list(frame["end"])[1:] == [0.2, 0.35]
    assert pd.isna(frame["start"][0])


def test_only_links_are_reachable(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        item = server.rules.protocol.items[0].key
        assert browser.get(f"/t/{token}/audio/{item}").status_code == 404  # the session has not begun
        begin(browser, token)
        assert browser.get(f"/t/{token}/audio/{item}").status_code == 200
        for path in (
            "/", "/docs", "/openapi.json", "/t/", "/static/../app.py", "/static/%2e%2e/app.py",
            f"/t/{token}/audio/..%2f..%2fprotocol.json", f"/t/{token}/audio/protocol.json",
            f"/t/wrong/audio/{item}", "/open/wrong/api/state", f"/t/{token}/headphones/0",
            "/t/wrong/api/state", "/static/listen.html", "/answers/log.jsonl",
        ):  # fmt: skip
            assert browser.get(path).status_code == 404, path
        for path in ("/admin/api/overview",):
            assert browser.get(path).status_code == 401
            assert browser.get(path, headers={"Authorization": "Bearer no"}).status_code == 401


def test_headers_keep_other_pages_out(folder):
    with client(folder, links=1) as (browser, server):
        for path in (f"/t/{tokens(server)[0]}/", "/admin/", "/static/listen.js", "/nothing"):
            headers = browser.get(path).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-frame-options"] == "DENY"


def test_pages_load_nothing_from_elsewhere_and_have_no_inline_script(folder):
    with client(folder, links=1) as (browser, server):
        for path in (f"/t/{tokens(server)[0]}/", "/admin/"):
            text = browser.get(path).text
            assert "http" not in text
            assert "<script>" not in text
            assert "style=" not in text


def test_audio_is_sent_in_ranges(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        begin(browser, token)
        path = f"/t/{token}/audio/{server.rules.protocol.items[0].key}"
        whole = browser.get(path)
        part = browser.get(path, headers={"Range": "bytes=100-199"})
        assert part.status_code == 206
        assert part.content == whole.content[100:200]
        assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
        assert whole.headers["content-type"] == "audio/wav"
        assert browser.get(path.replace("audio", "peaks")).json()[0] >= 0


def test_what_is_sent_is_limited(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        path = f"/t/{token}/api/begin"
        assert (
            browser.post(
                path, content=b"x" * 70_000, headers={"Content-Type": "application/json"}
            ).status_code
            == 413
        )
        assert browser.post(path, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
        assert (
            browser.post(path, content=b"{", headers={"Content-Type": "application/json"}).status_code == 422
        )
        assert browser.post(path, json=["list"]).status_code == 422
        server.per_link.burst, server.per_link.rate = 1.0, 1e-6
        codes = [browser.get(f"/t/{token}/api/state").status_code for _ in range(4)]
        assert codes[-1] == 429
        server.per_address.burst, server.per_address.rate = 1.0, 1e-6
        assert [browser.get("/t/guess/api/state").status_code for _ in range(3)][-1] == 429


def test_a_limit_fills_up_again():
    limit = limits.Limit(rate=2.0, burst=3.0)
    assert [limit.wait("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait("b", 0.0) == 0
    assert limit.wait("a", 0.5) == 0
    assert limit.wait("a", 0.5) > 0


def test_the_open_link_has_a_cap(folder):
    with client(folder, open_places=2) as (browser, server):
        shared = links_of(server, "http://x").open.split("/")[-2]
        assert browser.get(f"/open/{shared}/api/state").json()["state"] == "open"
        mine = [browser.post(f"/open/{shared}/api/join", json={}).json()["token"] for _ in range(2)]
        assert len(set(mine)) == 2
        begin(browser, mine[0])
        assert browser.get(f"/open/{shared}/api/state").json()["state"] == "full"
        reply = browser.post(f"/open/{shared}/api/join", json={})
        assert (reply.status_code, reply.json()["reason"]) == (409, "full")
    with client(folder, open_places=3) as (browser, _):
        assert browser.get(f"/open/{shared}/api/state").json()["state"] == "open"
    with client(folder) as (browser, server):
        assert browser.get(f"/open/{shared}/api/state").json()["state"] == "full"
        assert links_of(server, "http://x").open is None


def test_the_administrator_sees_progress_and_withdraws(folder):
    with client(folder, links=3) as (browser, server):
        first, second, _ = tokens(server)
        whole_session(browser, first, "zh")
        plan = begin(browser, second)
        check = next(item for item in items_of(plan) if item["asked"])
        wrong = {**answer_of(check, ANSWERS), "answer": "happy"}
        browser.post(f"/t/{second}/api/answers", json=[wrong])
        own = {"Authorization": f"Bearer {server.admin}"}
        found = browser.get("/admin/api/overview", headers=own).json()
        assert found["states"] == {"finished": 1, "running": 1, "not begun": 1}
        assert found["links"][1]["checks"] == {"asked": 1, "failed": 1}
        assert found["links"][0]["done"] == found["items"]
        assert sum(cell["answers"] for cell in found["cells"]) == 4
        assert "listener_native" not in json.dumps(found)
        (verdict,) = found["verdict"]["rows"]
        assert (verdict["name"], verdict["listeners"], verdict["low"]) == ("all listeners", 1, None)
        assert not found["verdict"]["can_stop"]
        made = browser.post("/admin/api/links", json={"count": 2, "label": "Tuesday"}, headers=own).json()
        assert len(made["tokens"]) == 2
        assert browser.post("/admin/api/links", json={"count": 0}, headers=own).status_code == 422
        assert browser.post("/admin/api/links", json={"count": 1}).status_code == 401
        assert browser.post("/admin/api/withdraw", json={"token": first}, headers=own).json()["entries"] > 5
        assert browser.get(f"/t/{first}/api/state").status_code == 404
        frame = rows.ratings(folder / "answers", server.rules.protocol).frame
        assert frame["listener"].nunique() == 1
        # The order of the person who withdrew is given to the next.
        keys = [item["key"] for item in items_of(begin(browser, made["tokens"][0]))]
        assert keys == list(presentation(server.rules.protocol, 0))


def test_the_headphone_test(folder):
    with client(folder, links=1, headphones=True) as (browser, server):
        (token,) = tokens(server)
        assert begin(browser, token)["headphones"]
        sound = browser.get(f"/t/{token}/headphones/0")
        assert sound.headers["content-type"] == "audio/wav"
        session = server.base.execute("SELECT session FROM sessions").fetchone()[0]
        right = [headphones.interval_with_tone(session, trial) for trial in range(headphones.TRIALS)]
        assert browser.post(f"/t/{token}/api/headphones", json=right[:2]).status_code == 422
        assert browser.post(f"/t/{token}/api/headphones", json=right).json() == {"passed": True}
        assert not begin(browser, token)["headphones"]


def test_pages_work_below_a_path_of_a_proxy(folder):
    with client(folder, root_path="/lab/listen", links=1) as (browser, server):
        reply = browser.get(f"/t/{tokens(server)[0]}", follow_redirects=False)
        assert reply.headers["location"] == f"./{tokens(server)[0]}/"
        for kind in ("t", "open"):
            elsewhere = browser.get(f"/{kind}/https:a.example", follow_redirects=False)
            assert elsewhere.headers["location"].startswith("./")
        assert browser.get(f"/lab/listen/t/{tokens(server)[0]}/api/state").status_code == 200
        assert 'src="../../static/listen.js"' in browser.get(f"/t/{tokens(server)[0]}/").text


def test_what_a_page_leaves_out_is_stored_as_unknown(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        item = items_of(begin(browser, token))[1]
        given = {"id": "0123456789", "item": item["key"], "answer": "sad", "confidence": 1}
        assert browser.post(f"/t/{token}/api/answers", json=[given]).status_code == 200
        frame = rows.ratings(folder / "answers", server.rules.protocol).frame
    assert (frame["confidence"][0], frame["seconds"].isna()[0]) == (0.0, True)


def test_events_are_stored_up_to_a_number(folder, monkeypatch):
    monkeypatch.setattr("sercl.listening.serving.sessions._MOST_EVENTS", 3)
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        begin(browser, token)
        for _ in range(5):
            assert browser.post(f"/t/{token}/api/event", json={"what": "hidden"}).status_code == 200
        assert browser.post(f"/t/{token}/api/event", json={"what": "anything"}).status_code == 422
        assert server.base.execute("SELECT count(*) FROM events").fetchone()[0] == 3


def test_background_answers_are_checked(folder):
    with client(folder, links=1) as (browser, server):
        (token,) = tokens(server)
        path = f"/t/{token}/api/background"
        assert browser.post(path, json=BACKGROUND).json()["reason"] == "not_begun"
        begin(browser, token)
        for change in (
            {"age": "7"},
            {"native": ""},
            {"more": "x"},
            {"others": [["en", "best"]]},
            {"others": "en"},
        ):
            assert browser.post(path, json={**BACKGROUND, **change}).status_code == 422, change
        assert browser.post(path, json=BACKGROUND).status_code == 200


def test_damaged_tests_and_wrong_options_are_refused_before_anything_is_served(folder, tmp_path):
    for options in ({"links": -1}, {"port": 0}, {"days": 0.0}, {"url": "lab.org"}):
        with pytest.raises(UsageError):
            ServeOptions(**options)
    questions = tmp_path / "own.yaml"
    questions.write_text("questions: [{name: native, type: text, label: {en: Native language}}]")
    own = ServeOptions(questionnaire=str(questions))
    with pytest.raises(ResultsError, match="lacks the language de"), opened(folder, own):
        pass
    item = protocols.read(folder).items[0]
    (folder / item.file).write_bytes(b"x")
    with pytest.raises(ResultsError, match="was changed"), opened(folder, ServeOptions()):
        pass
