"""The web application of a running listening test. No torch.

Pages address everything relative to themselves, so that they work below any path of a reverse proxy. What a
participant may reach is below a link that cannot be guessed; everything else is "not found".
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sercl.errors import OutputError, UsageError
from sercl.listening.instructions import Instructions
from sercl.listening.monitoring import MonitorOptions
from sercl.listening.serving import headphones, sessions
from sercl.listening.serving.limits import Limit
from sercl.listening.serving.overview import overview
from sercl.listening.serving.peaks import peaks
from sercl.listening.serving.sessions import Given, RefusedError, Rules
from sercl.listening.serving.store import Change, Store

PAGES = Path(__file__).with_name("pages")
_STATIC = {
    "listen.js": "text/javascript",
    "marking.js": "text/javascript",
    "admin.js": "text/javascript",
    "style.css": "text/css",
    "vendor/wavesurfer.esm.js": "text/javascript",
    "vendor/regions.esm.js": "text/javascript",
    "vendor/LICENSE-wavesurfer.txt": "text/plain",
}
_MOST_BYTES = 65_536
_MOST_LINKS = 1000
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Robots-Tag": "noindex, nofollow",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass
class Server:
    """What the application works with.

    Attributes:
        folder: Of the test.
        rules: The test, and how it runs.
        store: Its answers.
        instructions: Language code -> instructions.
        texts: Language code -> name -> text of the pages.
        admin: The administrator's token.
        per_link: Limit on requests of one participant.
        per_address: Limit on requests of one address that has no link.
        target: What the test should reach, for the verdict on the administrator's page.
    """

    folder: Path
    rules: Rules
    store: Store
    instructions: Mapping[str, Instructions]
    texts: Mapping[str, Mapping[str, str]]
    admin: str
    per_link: Limit
    per_address: Limit
    target: MonitorOptions = field(default_factory=MonitorOptions)

    def __post_init__(self) -> None:
        self.base = self.store.reader()

    async def write(self, change: Change) -> Any:
        """Make a change, and return what it reports, once it is on the disk."""
        return await asyncio.wrap_future(self.store.submit(change))

    def check_address(self, request: Request) -> None:
        """Raise for an address that asks too often."""
        _check_wait(self.per_address.wait(request.client.host if request.client else ""))

    def check_link(self, request: Request, token: str) -> None:
        """Raise unless there is such a link, and it does not ask too often."""
        if not sessions.has_link(self.base, token):
            self.check_address(request)
            raise HTTPException(404, "unknown_link")
        _check_wait(self.per_link.wait(token))

    def check_admin(self, request: Request) -> None:
        """Raise unless the request has the administrator's token."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), self.admin.encode()):
            self.check_address(request)
            raise HTTPException(401, "The administrator's token is missing or wrong.")


def application(server: Server, root_path: str = "") -> FastAPI:
    """Return the application.

    Args:
        server: What it works with.
        root_path: Path below which a reverse proxy offers it, such as "/listen".
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_errors(app)
    _add_pages(app, server)
    _add_participants(app, server)
    _add_open_link(app, server)
    _add_admin(app, server)
    app.add_middleware(_Headers, root_path=root_path)
    return app


def run(app: FastAPI, host: str, port: int) -> None:
    """Serve the application until the process is told to end.

    Connections stay open for longer than a listener needs for an item. Paths have links, and are not logged.
    """
    silent: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False}
    uvicorn.run(app, host=host, port=port, timeout_keep_alive=75, **silent)


class _Headers:
    """Adds the headers that keep other pages out to every answer, and removes the proxy's path.

    Not Starlette's middleware for functions, which runs each request in a task of its own.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app, self.root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(12)
        scope.setdefault("state", {})["nonce"] = nonce
        scope["root_path"] = self.root_path

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", _POLICY.format(nonce=nonce))
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return JSONResponse({"reason": error.reason, "message": str(error)}, 409)

    @app.exception_handler(UsageError)
    async def invalid(request: Request, error: UsageError) -> Response:
        return JSONResponse({"reason": "invalid", "message": str(error)}, 422)

    @app.exception_handler(OutputError)
    async def unsaved(request: Request, error: OutputError) -> Response:
        return JSONResponse({"reason": "unsaved", "message": "Nothing was saved."}, 503, {"Retry-After": "5"})

    @app.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> Response:
        content = {"reason": "http", "message": str(error.detail)}
        return JSONResponse(content, error.status_code, error.headers)


def _add_pages(app: FastAPI, server: Server) -> None:
    @app.get("/health")
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/static/{path:path}")
    async def static(path: str) -> Response:
        if path not in _STATIC:
            raise HTTPException(404)
        headers = {"Cache-Control": "no-cache"}
        return FileResponse(PAGES / path, media_type=_STATIC[path], headers=headers)

    @app.get("/t/{token}")
    @app.get("/open/{token}")
    @app.get("/admin")
    async def with_slash(request: Request) -> Response:
        # "./": a link such as /t/https:a.example must not lead elsewhere.
        return RedirectResponse(f"./{request.url.path.rsplit('/', 1)[1]}/")

    @app.get("/t/{token}/")
    @app.get("/open/{token}/")
    async def page(request: Request, token: str) -> Response:
        return _page(request, "listen.html")

    @app.get("/admin/")
    async def admin(request: Request) -> Response:
        return _page(request, "admin.html")


def _page(request: Request, name: str) -> Response:
    text = _text(PAGES / name).replace("{nonce}", escape(request.state.nonce))
    return Response(text, media_type="text/html")


@lru_cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _add_participants(app: FastAPI, server: Server) -> None:
    rules = server.rules

    @app.get("/t/{token}/api/state")
    async def state(request: Request, token: str) -> Response:
        server.check_link(request, token)
        session = sessions.session_of(server.base, token)
        found = rules.state(session)
        plan = rules.plan(server.base, session) if session and found in ("running", "finished") else None
        return JSONResponse({"state": found, "plan": plan, **_about(server)})

    @app.post("/t/{token}/api/begin")
    async def begin(request: Request, token: str) -> Response:
        server.check_link(request, token)
        content = await _content(request, dict[str, str])
        await server.write(rules.begin(token, content.get("language", "")))
        session = sessions.session_of(server.base, token)
        return JSONResponse({"plan": rules.plan(server.base, session) if session else None})

    @app.post("/t/{token}/api/background")
    async def background(request: Request, token: str) -> Response:
        server.check_link(request, token)
        content = await _content(request, dict[str, Any])
        await server.write(rules.background(token, content))
        return JSONResponse({})

    @app.post("/t/{token}/api/answers")
    async def answers(request: Request, token: str) -> Response:
        server.check_link(request, token)
        given = await _content(request, tuple[Given, ...])
        return JSONResponse({"results": await server.write(rules.answers(token, given))})

    @app.post("/t/{token}/api/event")
    async def event(request: Request, token: str) -> Response:
        server.check_link(request, token)
        content = await _content(request, dict[str, str])
        await server.write(rules.event(token, content.get("what", "")))
        return JSONResponse({})

    @app.post("/t/{token}/api/finish")
    async def finish(request: Request, token: str) -> Response:
        server.check_link(request, token)
        await _content(request, dict[str, Any])
        return JSONResponse({"code": await server.write(rules.finish(token))})

    _add_sounds(app, server)


def _add_sounds(app: FastAPI, server: Server) -> None:
    @app.get("/t/{token}/audio/{key}")
    async def audio(request: Request, token: str, key: str) -> Response:
        server.check_link(request, token)
        path = _sound(server, token, key)
        kind = "audio/flac" if path.suffix == ".flac" else "audio/wav"
        # The name of the file and its time say nothing that the key does not.
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "private, max-age=86400"})

    @app.get("/t/{token}/peaks/{key}")
    async def picture(request: Request, token: str, key: str) -> Response:
        server.check_link(request, token)
        path = _sound(server, token, key)
        return JSONResponse(await asyncio.to_thread(_peaks, path))

    @app.get("/t/{token}/headphones/{trial}")
    async def noise(request: Request, token: str, trial: int) -> Response:
        server.check_link(request, token)
        session = sessions.session_of(server.base, token)
        if session is None or not 0 <= trial < headphones.TRIALS or not server.rules.has_headphone_test:
            raise HTTPException(404)
        sound = await asyncio.to_thread(headphones.sound, session["session"], trial)
        return Response(sound, media_type="audio/wav", headers={"Cache-Control": "private, max-age=3600"})

    @app.post("/t/{token}/api/headphones")
    async def heard(request: Request, token: str) -> Response:
        server.check_link(request, token)
        answers = await _content(request, tuple[int, ...])
        return JSONResponse({"passed": await server.write(server.rules.headphone_test(token, answers))})


@lru_cache(maxsize=4096)
def _peaks(path: Path) -> list[float]:
    return peaks(path)


def _sound(server: Server, token: str, key: str) -> Path:
    """Return the file of an item, for a participant whose session has begun."""
    session = sessions.session_of(server.base, token)
    item = server.rules.protocol.by_key.get(key)
    if item is None or server.rules.state(session) != sessions.RUNNING:
        raise HTTPException(404)
    return server.folder / item.file


def _add_open_link(app: FastAPI, server: Server) -> None:
    def check(request: Request, token: str) -> None:
        server.check_address(request)
        row = sessions.open_link(server.base)
        if row is None or not secrets.compare_digest(row["token"].encode(), token.encode()):
            raise HTTPException(404, "unknown_link")

    @app.get("/open/{token}/api/state")
    async def state(request: Request, token: str) -> Response:
        check(request, token)
        found = "open" if sessions.places_left(server.base) else "full"
        return JSONResponse({"state": found, "plan": None, **_about(server)})

    @app.post("/open/{token}/api/join")
    async def join(request: Request, token: str) -> Response:
        check(request, token)
        await _content(request, dict[str, Any])
        return JSONResponse({"token": await server.write(sessions.join(token))})


def _about(server: Server) -> dict[str, Any]:
    """Return what a page needs to know of the test before anything else."""
    protocol = server.rules.protocol
    return {
        "title": protocol.title,
        "confidence": protocol.confidence,
        "answers": protocol.answers,
        "questions": [asdict(question) for question in server.rules.questions],
        "trials": headphones.TRIALS,
        "shortest": sessions.SHORTEST_PART,
        "example": next(
            (item.key for item in protocol.items if item.kind == "practice"), protocol.items[0].key
        ),
        "languages": {
            code: {**asdict(texts), **server.texts[code]} for code, texts in server.instructions.items()
        },
    }


def _add_admin(app: FastAPI, server: Server) -> None:
    @app.get("/admin/api/overview")
    async def summary(request: Request) -> Response:
        server.check_admin(request)
        with_own = server.store.reader()
        try:
            return JSONResponse(
                await asyncio.to_thread(overview, with_own, server.rules.protocol, server.target)
            )
        finally:
            with_own.close()

    @app.post("/admin/api/links")
    async def links(request: Request) -> Response:
        server.check_admin(request)
        content = await _content(request, dict[str, Any])
        count, label = content.get("count"), str(content.get("label") or "")[:100]
        if not isinstance(count, int) or not 1 <= count <= _MOST_LINKS:
            raise UsageError(f"count: must be from 1 to {_MOST_LINKS}.")
        return JSONResponse({"tokens": await server.write(sessions.add_links(count, label))})

    @app.post("/admin/api/withdraw")
    async def withdraw(request: Request) -> Response:
        server.check_admin(request)
        content = await _content(request, dict[str, str])
        count = await asyncio.to_thread(server.store.withdraw, content.get("token", ""))
        return JSONResponse({"entries": count})


async def _content(request: Request, kind: Any) -> Any:
    """Return the JSON that was sent, as a type.

    Raises:
        HTTPException: If it is not sent as JSON, or too long.
        UsageError: If it is not valid.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "Send application/json.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, f"At most {_MOST_BYTES} bytes.")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not valid: {error}.") from error


def _check_wait(seconds: float) -> None:
    if seconds:
        raise HTTPException(429, "Too many requests.", {"Retry-After": str(int(seconds) + 1)})
