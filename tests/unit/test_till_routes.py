"""The till's files over HTTP: what is served, with which headers, and what is not."""

import json
import re
from dataclasses import dataclass

import pytest
from fastapi import FastAPI

from oracle_api.till.assets import read_assets
from oracle_api.till.routes import router

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
TYPES = {
    "main.js": "text/javascript; charset=utf-8",
    "base.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "icon-192.png": "image/png",
    "manifest.webmanifest": "application/manifest+json",
    "strings/ms.js": "text/javascript; charset=utf-8",
}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def ask(path: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
    """Ask an application that has the till and nothing else."""
    application = FastAPI(redirect_slashes=False)
    application.include_router(router)
    return await ask_application(application, path, method=method, headers=headers)


async def ask_application(
    application: FastAPI, path: str, *, method: str = "GET", headers: dict[str, str] | None = None
) -> Answer:
    """Send one request without a server or a client that would tidy the path up."""
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": raw,
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    await application(scope, receive, send)  # type: ignore[arg-type]
    start = sent[0]
    pairs = start["headers"]
    assert isinstance(pairs, list)
    assert isinstance(start["status"], int)
    return Answer(
        start["status"],
        {name.decode().lower(): value.decode() for name, value in pairs},
        b"".join(bytes(message.get("body", b"")) for message in sent[1:]),  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("path", ["/till", "/till/", *(f"/till/assets/{name}" for name in TYPES)])
async def test_every_answer_has_the_security_headers(path: str) -> None:
    answer = await ask(path)
    assert answer.status == 200
    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]


@pytest.mark.parametrize(("name", "media_type"), TYPES.items())
async def test_assets_have_their_content_types(name: str, media_type: str) -> None:
    answer = await ask(f"/till/assets/{name}")
    assert answer.headers["content-type"] == media_type
    assert int(answer.headers["content-length"]) == len(answer.body) > 0


async def test_the_page_is_html() -> None:
    answer = await ask("/till")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("path", ["/till", "/till/assets/main.js"])
async def test_a_browser_that_has_it_is_told_so(path: str) -> None:
    first = await ask(path)
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    assert first.headers["cache-control"] == "no-cache"
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await ask(path, headers={"If-None-Match": known})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["content-security-policy"] == CSP
    changed = await ask(path, headers={"If-None-Match": '"other"'})
    assert changed.status == 200


@pytest.mark.parametrize(
    "attack",
    [
        "",
        ".",
        "..",
        "/",
        "strings",
        "strings/",
        "../index.html",
        "../../routes.py",
        "..%2f..%2froutes.py",
        "%2e%2e/%2e%2e/routes.py",
        "....//routes.py",
        "..\\..\\routes.py",
        "strings/../../../routes.py",
        "strings/../main.js",
        "/etc/passwd",
        "//etc/passwd",
        "../../../../../../../../etc/passwd",
        "main.js/",
        "main.js\0.png",
        "main.js%00",
        "MAIN.JS",
        "C:\\windows\\win.ini",
        "__init__.py",
        "x" * 5000,
    ],
)
async def test_nothing_else_is_served_and_no_folder_is_listed(attack: str) -> None:
    answer = await ask(f"/till/assets/{attack}")
    assert answer.status == 404
    assert b"import" not in answer.body
    assert answer.headers["content-security-policy"] == CSP


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_written(method: str) -> None:
    assert (await ask("/till", method=method)).status == 405
    assert (await ask("/till/assets/main.js", method=method)).status == 405


async def test_the_manifest_makes_it_installable() -> None:
    answer = await ask("/till/assets/manifest.webmanifest")
    manifest = json.loads(answer.body)
    assert manifest["name"]
    assert (manifest["start_url"], manifest["scope"]) == ("/till", "/till")
    assert manifest["display"] == "standalone"
    sizes = {icon["sizes"] for icon in manifest["icons"]}
    assert {"192x192", "512x512"} <= sizes
    for icon in manifest["icons"]:
        assert icon["src"] in read_assets()
