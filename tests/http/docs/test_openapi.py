"""What a server says about itself: OpenAPI, and pages that need nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from runtime.errors import HTTP_STATUS, KINDS, MEANINGS, NOT_RETRIED, Error
from runtime.http import problem
from runtime.http.docs.own import OWN
from runtime.http.endpoints import Times
from runtime.http.middleware.metrics import Meters
from runtime.http.server import own_routes
from tests.docs.pages import ROOT
from tests.http.serving import entries, serving
from tests.http.site import SCHEMA, Site

NO_BACKEND: Any = None


class Page(HTMLParser):
    """Its anchors, its links, and whatever would be loaded or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.anchors += [given["id"]] if given.get("id") else []  # type: ignore[list-item]
        self.links += [str(given[name]) for name in ("href", "src") if name in given]


def test_every_own_route_is_described_and_nothing_else() -> None:
    routes = {f"{route.method} {route.path}" for route in own_routes(NO_BACKEND, Meters(), Times())}
    assert routes == set(OWN)


async def test_it_is_openapi_and_has_everything(web: Site) -> None:
    document = (await web.get("/openapi.json")).json
    OpenAPIV31SpecValidator(document).validate()
    paths = document["paths"]
    assert set(paths["/shop/orders/{id}"]) == {"get", "post", "delete"}
    assert paths["/shop/orders/{id}"]["get"]["parameters"][0]["name"] == "id"
    assert paths["/files/{rest}"]["get"]["tags"] == ["web:root"]
    start = paths["/api/v1/workflows/web:strict"]["post"]
    assert start["requestBody"] == {"required": True, "content": {"application/json": {"schema": SCHEMA}}}
    assert paths["/api/v1/runs/{id}/events"]["get"]["responses"]["200"]["content"].keys() == {"text/event-stream"}


async def test_what_it_says_of_answers_is_what_comes(web: Site) -> None:
    schemas = (await web.get("/openapi.json")).json["components"]["schemas"]
    started = (await web.post("/api/v1/workflows/web:echo", 1)).json
    run = (await web.get(started["links"]["self"])).json
    command = {"domain": "d", "event_type": "e", "biz_key": "b", "idem_key": started["id"], "payload": 1}
    operation = (await web.post("/api/v1/operations/web:echo", command)).json
    fault = (await web.get("/api/v1/runs/nobody")).json
    said = {"Started": started, "Run": run, "Operation": operation, "Command": command, "Problem": fault}
    for name, document in said.items():
        assert set(schemas[name]["required"]) <= set(document), name
        assert set(document) <= set(schemas[name]["properties"]), name


async def test_the_page_shows_it_and_needs_nothing(web: Site) -> None:
    answer = await web.get("/docs")
    page = Page(answer.text)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "/shop/orders/{id}" in answer.text
    assert "web:strict" in answer.text
    assert page.tags.isdisjoint({"script", "link", "img", "iframe"})
    for link in page.links:
        path, _, anchor = link.partition("#")
        shown = await web.get(path) if path else answer
        assert shown.status == 200
        assert not anchor or anchor in Page(shown.text).anchors
    assert "https://" not in answer.text
    assert (await web.ask("HEAD", "/docs")).text == ""


async def test_the_type_of_every_problem_leads_to_its_kind(web: Site) -> None:
    anchors = Page((await web.get("/docs/errors")).text).anchors
    for kind in [*KINDS, "Declined", "Not<found>"]:
        type = problem.document(Error(kind, "x"), 500, "/")["type"]
        path, _, anchor = type.partition("#")
        assert path == "/docs/errors"
        assert anchors.count(anchor) == 1, kind
    assert (await web.get("/api/v1/runs/nobody")).json["type"] == "/docs/errors#not-found"


def test_kinds_mean_the_same_in_the_documentation() -> None:
    page = (ROOT / "docs" / "modules" / "errors.md").read_text()
    rows = re.findall(r'^\| `[A-Z_]+` \| `"?([A-Za-z]*)"?` \| (yes|no) \| (\d+) \| (.*) \|$', page, re.MULTILINE)
    assert {kind: (retried, status, meaning) for kind, retried, status, meaning in rows} == {
        kind: ("no" if kind in NOT_RETRIED else "yes", str(HTTP_STATUS.get(kind, 500)), MEANINGS[kind])
        for kind in KINDS
    }


async def test_what_authors_write_is_shown_as_text(tmp_path: Path) -> None:
    text = entries(
        "GET /plain one",
        '{name: said, kind: http.endpoint, router: r, path: "/said/{id}", func: one, meta: {summary: "<script>alert(1)</script>"}}',
    )
    async with serving(tmp_path, text, "function H.one() return 1 end") as web:
        document = (await web.get("/openapi.json")).json
        assert document["paths"]["/said/{id}"]["get"]["summary"] == "<script>alert(1)</script>"
        assert document["paths"]["/plain"]["get"]["summary"] == "web:one"
        page = (await web.get("/docs")).text
        assert "script" not in Page(page).tags
        assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/docs/errors"])
async def test_they_are_behind_the_tokens_of_the_service(tmp_path: Path, path: str) -> None:
    text = entries("GET /plain one", router='middleware: [token_auth], options: {token_auth.tokens: "${env:TOKEN}"}')
    async with serving(tmp_path, text, "function H.one() return 1 end", {"TOKEN": "t-1"}) as web:
        assert (await web.get(path)).status == 401
        assert (await web.get(path, headers={"Authorization": "Bearer t-1"})).status == 200
        document = (await web.get("/openapi.json", headers={"Authorization": "Bearer t-1"})).json
        assert document["paths"]["/plain"]["get"]["security"] == [{"token": []}]
