"""Files, and nothing but the files that were meant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.registry import RegistryError
from tests.http.serving import Serving, entries, load, serving

STATIC = "{name: files, kind: http.static, server: server, path: /files, directory: public}"
SPA = "{name: app, kind: http.static, server: server, path: /, directory: public, spa: true}"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Serving]:
    public = tmp_path / "public"
    (public / "docs").mkdir(parents=True)
    (public / ".well-known").mkdir()
    for name, text in {
        "index.html": "<h1>home</h1>",
        "app.js": "let x",
        "docs/index.html": "docs",
        "a b.txt": "spaced",
        ".env": "SECRET=1",
        ".well-known/security.txt": "contact",
    }.items():
        (public / name).write_text(text)
    (tmp_path / "outside.txt").write_text("classified")
    (tmp_path / "public-not").mkdir()
    (tmp_path / "public-not" / "x.txt").write_text("classified")
    (public / "link.txt").symlink_to(tmp_path / "outside.txt")
    (public / "dirlink").symlink_to(tmp_path / "public-not")
    (public / "inner.txt").symlink_to(public / "app.js")
    text = entries("GET /hello hello", STATIC, SPA)
    async with serving(tmp_path, text, "function H.hello() return { a = 1 } end") as site:
        yield site


async def test_a_file_has_its_type_and_an_etag_that_spares_sending_it_again(site: Serving) -> None:
    first = await site.get("/files/app.js")
    assert (first.status, first.text) == (200, "let x")
    assert "javascript" in first.headers["Content-Type"]
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    again = await site.get("/files/app.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.text) == (304, "")


async def test_ranges_and_head(site: Serving) -> None:
    part = await site.get("/files/app.js", headers={"Range": "bytes=4-"})
    assert (part.status, part.text, part.headers["Content-Range"]) == (206, "x", "bytes 4-4/5")
    assert (await site.get("/files/app.js", headers={"Range": "bytes=9-"})).status == 416
    head = await site.ask("HEAD", "/files/app.js")
    assert (head.status, head.text, head.headers["Content-Length"]) == (200, "", "5")


async def test_names_are_decoded_and_links_within_are_followed(site: Serving) -> None:
    assert (await site.get("/files/a%20b.txt")).text == "spaced"
    assert (await site.get("/files/inner.txt")).text == "let x"
    assert (await site.get("/files/.well-known/security.txt")).text == "contact"


async def test_a_directory_is_its_index(site: Serving) -> None:
    assert (await site.get("/files/")).text == "<h1>home</h1>"
    assert (await site.get("/files/docs/")).text == "docs"
    for path in ("/files/docs", "/files//docs"):
        moved = await site.get(path)
        assert (moved.status, moved.headers["Location"]) == (308, "/files/docs/")


@pytest.mark.parametrize(
    "path",
    [
        "/files/../outside.txt",
        "/files/%2e%2e/outside.txt",
        "/files/..%2foutside.txt",
        "/files/%2e%2e%2foutside.txt",
        "/files/docs/../../outside.txt",
        "/files/..%5coutside.txt",
        "/files/....//outside.txt",
        "/files//etc/passwd",
        "/files/%2fetc%2fpasswd",
        "/files/%00",
        "/files/app.js%00.txt",
        "/files/../public-not/x.txt",
        "/files/link.txt",
        "/files/dirlink/x.txt",
        "/files/.env",
        "/files/nothing.txt",
        "/files/app.js/x",
        "/files/" + "a" * 4000,
    ],
)
async def test_what_is_not_there_or_not_meant_is_404(site: Serving, path: str) -> None:
    answer = await site.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert b" 404 " in answer.splitlines()[0], answer
    assert b"classified" not in answer


async def test_an_spa_answers_its_pages_with_its_index_but_not_missing_files(site: Serving) -> None:
    for path in ("/", "/orders/7", "/orders/7/"):
        answer = await site.get(path)
        assert (answer.status, answer.text) == (200, "<h1>home</h1>")
    assert (await site.get("/missing.js")).status == 404
    assert (await site.get("/hello")).json == {"a": 1}
    assert (await site.get("/healthz")).json == {"status": "ok"}
    assert (await site.ask("POST", "/orders/7")).status == 405


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("directory: nowhere", "is not there"),
        ("directory: ../..", "leaves the root"),
        ("directory: ., spa: true", "index.html"),
    ],
)
def test_a_directory_that_cannot_be_served_is_a_problem(tmp_path: Path, fields: str, told: str) -> None:
    with pytest.raises(RegistryError, match=rf"web:f: directory .*{told}"):
        load(tmp_path, entries("", f"{{name: f, kind: http.static, server: server, path: /f, {fields}}}"))
