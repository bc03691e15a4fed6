"""Load and faults of `sercl listen serve`: simulated listeners, and a server that is killed meanwhile.

    python benchmarks/listening_server.py --listeners 200
    python benchmarks/listening_server.py --listeners 50 --kills 50

Every listener begins a session, says who they are, fetches each recording and answers it, and finishes. What
the server does not acknowledge is sent again, with the same id, as the pages do. At the end every
acknowledged answer must be stored exactly once, and the log must agree with the database. Server and
listeners share the machine.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sercl.errors import OutputError
from sercl.launchers.ranks import free_port
from sercl.listening.serving.app import application
from sercl.listening.serving.app import run as serve
from sercl.listening.serving.serve import ServeOptions, opened
from sercl.listening.serving.store import DATABASE, verify
from sercl.locks import check_free
from sercl.testing.listening import fake_listening_test

BACKGROUND = {"native": "de", "age": "30-39", "hearing": "normal"}


def main(words: Sequence[str] | None = None) -> int:
    """Run the listeners, and return 0 if nothing was lost, doubled or refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--items", type=int, default=40, help="of each listener")
    parser.add_argument("--pace", type=float, default=3.0, help="mean seconds from one answer to the next")
    parser.add_argument("--kills", type=int, default=0, help="kill -9 at random moments, so often")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        load = Load(Path(folder), options)
        with_errors = load.run()
    return int(with_errors)


@dataclass
class Load:
    """One run.

    Attributes:
        folder: Where the test and its answers are.
        options: Of the command line.
        times: Seconds of each acknowledged answer, from its first attempt.
        acknowledged: (listener's token, id of the answer).
        refused: What the server said no to.
        repeated: Requests that were sent again.
        cpu: Seconds of CPU of the server, since it was last started.
    """

    folder: Path
    options: argparse.Namespace
    times: list[float] = field(default_factory=list)
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    repeated: int = 0
    cpu: float = 0.0

    def run(self) -> bool:
        """Run everything and print what came out; return whether something was wrong."""
        fake_listening_test(self.folder / "test", self.options.items // 2, 2, 2.0)
        self.port, self.tokens = free_port(), _tokens(self.folder / "test", self.options.listeners)
        keeper = _keep_serving(self.folder / "test", self.port, self.options.listeners, self.folder / "pid")
        try:
            began = time.perf_counter()
            kills = asyncio.run(self._everyone())
            seconds = time.perf_counter() - began
            self.cpu = _cpu_seconds(self._server())
        finally:
            os.killpg(keeper, signal.SIGKILL)
            os.waitpid(keeper, 0)
        return self._report(kills, seconds)

    async def _everyone(self) -> int:
        self.killed = asyncio.Event()
        draws = [random.Random(f"{self.options.seed} {number}") for number in range(len(self.tokens))]
        listeners = [self._listener(*each) for each in zip(self.tokens, draws, strict=True)]
        kills, *_ = await asyncio.gather(self._kill(), *listeners)
        return int(kills)

    async def _kill(self) -> int:
        """Kill the server as often as wanted, at random moments; return how often it was done."""
        draw, done = random.Random(self.options.seed), 0
        while done < self.options.kills:
            await asyncio.sleep(draw.uniform(0.3, 2.5))
            with contextlib.suppress(ProcessLookupError):  # it is being started
                os.kill(self._server(), signal.SIGKILL)
                done += 1
        self.killed.set()
        return done

    def _server(self) -> int:
        return int((self.folder / "pid").read_text())

    async def _listener(self, token: str, draw: random.Random) -> None:
        client = Client(self.port, self)
        await asyncio.sleep(draw.uniform(0, self.options.pace))
        await client.get(f"/t/{token}/api/state")
        plan = json.loads(await client.post(f"/t/{token}/api/begin", {"language": "de"}))["plan"]
        await client.post(f"/t/{token}/api/background", BACKGROUND)
        *_, last = items = [item for block in plan["blocks"] for item in block["items"]]
        for item in items:
            await client.get(f"/t/{token}/audio/{item['key']}")
            await asyncio.sleep(draw.uniform(0.2, 1.8) * self.options.pace)
            if item is last:  # so that nobody has finished before the last kill
                await self.killed.wait()
            await self._answer(client, token, item["key"], draw)
        await client.post(f"/t/{token}/api/finish", {})
        client.close()

    async def _answer(self, client: "Client", token: str, item: str, draw: random.Random) -> None:
        given = {
            "id": f"{draw.getrandbits(128):032x}",
            "item": item,
            "answer": "sad",
            "confidence": 3,
            "seconds": 2.5,
        }
        began = time.perf_counter()
        await client.post(f"/t/{token}/api/answers", [given])
        self.times.append(time.perf_counter() - began)
        self.acknowledged.add((token, given["id"]))

    def _report(self, kills: int, seconds: float) -> bool:
        folder = self.folder / "test" / "answers"
        _wait_for_end(folder)
        with opened(self.folder / "test", ServeOptions()):  # as after the next start of the server
            entries = verify(folder)
        with sqlite3.connect(folder / DATABASE) as base:
            stored = base.execute("SELECT token, id FROM answers JOIN sessions USING (session)").fetchall()
            finished = base.execute("SELECT count(*) FROM sessions WHERE finished IS NOT NULL").fetchone()[0]
        lost = self.acknowledged - set(stored)
        doubled = len(stored) - len(set(stored))
        marks = statistics.quantiles(self.times, n=100)
        print(f"{self.options.listeners} listeners, {finished} finished, in {seconds:.0f} s")
        print(
            f"{len(self.acknowledged)} answers acknowledged, {len(stored)} stored, "
            f"{len(lost)} lost, {doubled} doubled"
        )
        print(f"{kills} kills, {self.repeated} requests sent again, {len(self.refused)} refused")
        print("answer: " + ", ".join(f"p{at} {1000 * marks[at - 1]:.1f} ms" for at in (50, 95, 99)))
        if not kills:
            each, part = 1000 * self.cpu / len(self.times), self.cpu / seconds
            print(f"server: {each:.1f} ms of CPU per item, {part:.0%} of a core")
        print(f"log: {entries} entries, whole, and as the database")
        for line in self.refused[:5]:
            print(f"refused: {line}", file=sys.stderr)
        return bool(lost or doubled or self.refused or finished < self.options.listeners)


class Client:
    """One connection, opened again when it is lost; with little of HTTP, to leave the CPU to the server."""

    def __init__(self, port: int, load: Load) -> None:
        self.port, self.load = port, load
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> bytes:
        """Fetch a path."""
        return await self._insist(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    async def post(self, path: str, content: object) -> bytes:
        """Send JSON to a path."""
        body = json.dumps(content).encode()
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{kind}\r\n\r\n"
        return await self._insist(head.encode() + body)

    async def _insist(self, request: bytes) -> bytes:
        while True:
            try:
                status, body = await self._ask(request)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                self.close()
                self.load.repeated += 1
                await asyncio.sleep(0.2)
                continue
            if status not in (429, 503):
                if status >= 400:
                    self.load.refused.append(f"{status} {request[:60]!r} {body[:200]!r}")
                return body
            self.load.repeated += 1
            await asyncio.sleep(0.5)

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin1").split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        return int(lines[0].split()[1]), await reader.readexactly(length)

    def close(self) -> None:
        """Close the connection."""
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


def _tokens(test: Path, listeners: int) -> list[str]:
    """Make the links of all listeners."""
    with opened(test, ServeOptions(links=listeners)) as server:
        return [row["token"] for row in server.base.execute("SELECT token FROM links")]


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait_for_end(answers: Path) -> None:
    """Wait until a server that was killed is gone."""
    for _ in range(1200):
        try:
            return check_free(answers)
        except OutputError:
            time.sleep(0.1)
    raise TimeoutError("the server did not end")


def _keep_serving(test: Path, port: int, links: int, pid: Path) -> int:
    """Start a process that starts the server, again whenever it dies; return its id.

    The server is forked, which saves its imports: so it can be killed often.
    """
    keeper = os.fork()
    if keeper:
        with contextlib.suppress(PermissionError):  # it has done so itself
            os.setpgid(keeper, keeper)
        while not pid.exists():
            time.sleep(0.01)
        return keeper
    os.setpgid(0, 0)
    while True:
        child = os.fork()
        if not child:
            _serve(test, port, links)
            os._exit(0)
        part = pid.with_suffix(".new")
        part.write_text(str(child))
        part.replace(pid)
        os.waitpid(child, 0)


def _serve(test: Path, port: int, links: int) -> None:
    with opened(test, ServeOptions(port=port, links=links)) as server:
        serve(application(server), "127.0.0.1", port)


if __name__ == "__main__":
    sys.exit(main())
