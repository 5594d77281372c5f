"""Where the page is, to whom it gives way, and what it may load."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.http.page.serving import files
from tests.http.serving import entries, serving
from tests.http.site import Site


async def test_it_is_where_runs_are_and_at_the_root(web: Site) -> None:
    led = await web.get("/", allow_redirects=False)
    assert (led.status, led.headers["Location"]) == (302, "/runs")
    for path in ("/runs", "/runs/order-7", "/runs/a%2Fb"):
        answer = await web.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


async def test_no_script_or_style_is_in_it_and_none_from_elsewhere_runs(web: Site) -> None:
    answer = await web.get("/runs")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert answer.text.count("<script") == answer.text.count('<script type="module" src="/_evermoon/')


async def test_each_of_its_files_can_be_had_and_nothing_else(web: Site) -> None:
    for name in files():
        answer = await web.get(f"/_evermoon/{name}")
        assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff"), name
    for name in ("serving.py", "vendor/lit-html/LICENSE", "../serving.py", "%2e%2e/server.py", ""):
        assert (await web.get(f"/_evermoon/{name}")).status == 404, name


async def test_a_file_that_the_browser_has_is_not_sent_again(web: Site) -> None:
    tag = (await web.get("/_evermoon/main.js")).headers["ETag"]
    again = await web.get("/_evermoon/main.js", headers={"If-None-Match": tag})
    assert (again.status, again.text) == (304, "")


@pytest.mark.parametrize(("path", "asked"), [("/runs", "/runs"), ("/runs/{name}", "/runs/7"), ("/{rest...}", "/runs")])
async def test_a_registry_that_has_an_endpoint_there_keeps_it(tmp_path: Path, path: str, asked: str) -> None:
    scripts = "function H.own() return { own = true } end"
    async with serving(tmp_path, entries(f"GET {path} own"), scripts) as served:
        assert (await served.get(asked)).json == {"own": True}
        for other in ("/runs", "/runs/7"):
            answer = await served.get(other)
            assert answer.status == 404 or answer.json == {"own": True}, other


async def test_a_registry_that_has_the_root_keeps_that_and_has_the_page(tmp_path: Path) -> None:
    async with serving(tmp_path, entries("GET / own"), "function H.own() return { own = true } end") as served:
        assert (await served.get("/")).json == {"own": True}
        assert (await served.get("/runs")).headers["Content-Type"].startswith("text/html")


async def test_a_directory_at_the_root_keeps_its_index_and_one_at_runs_all(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").write_text("mine")
    for path, page_is_there in (("/", True), ("/runs", False)):
        static = f"{{name: files, kind: http.static, server: server, path: {path}, directory: public, spa: true}}"
        async with serving(tmp_path, entries("GET /x own", static), "function H.own() end") as served:
            own = await served.get("/" if path == "/" else "/runs/")
            assert own.text == "mine"
            assert ("/_evermoon/main.js" in (await served.get("/runs/7")).text) == page_is_there


async def test_it_asks_for_no_token_where_the_api_does(tmp_path: Path) -> None:
    router = 'middleware: [token_auth], options: {token_auth.tokens: "secret"}'
    async with serving(tmp_path, entries("GET /x own", router=router), "function H.own() end") as served:
        assert (await served.get("/api/v1/entries")).status == 401
        assert (await served.get("/runs")).status == 200
        assert (await served.get("/_evermoon/main.js")).status == 200
