from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import HTTP_STATUS
from runtime.http.docs.serving import Docs
from runtime.http.entries import Entries
from runtime.http.events import RunEvents
from runtime.http.health import Health
from runtime.http.middleware.metrics import Meters
from runtime.http.operations import Operations
from runtime.http.page.serving import WatchPage
from runtime.http.processes import ProcessRoutes
from runtime.http.run_routes import RunRoutes
from runtime.http.schedules import ScheduleRoutes
from runtime.http.starting import Starting
from runtime.registry import HttpEndpoint
from tests.docs.pages import Block, blocks
from tests.http.serving import load_text, serving

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text()
NO_BACKEND: Any = None  # routes are only listed


def test_every_route_is_on_its_page() -> None:
    parts = (
        Meters(),
        Health(NO_BACKEND),
        Docs(NO_BACKEND, ()),
        Entries(NO_BACKEND),
        Starting(NO_BACKEND, 1),
        Operations(NO_BACKEND, 1),
        RunRoutes(NO_BACKEND, 1),
        RunEvents(NO_BACKEND, 1),
        ProcessRoutes(NO_BACKEND),
        ScheduleRoutes(NO_BACKEND),
        WatchPage(),
    )
    routes = [f"`{route.method} {route.path}`" for part in parts for route in part.routes()]
    assert [route for route in routes if route not in PAGE] == []


def test_every_kind_has_its_status_there() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    for kind, status in HTTP_STATUS.items():
        assert any(f"`{kind}`" in row and row.endswith(f"| {status} |") for row in rows), kind


BLOCKS = blocks("docs/http.md")
REGISTRIES = [block for block in BLOCKS if block.language == "yaml"]
[HANDLERS] = [block.text for block in BLOCKS if block.info == "handlers.lua"]
EXCHANGES = [text for block in BLOCKS if block.language == "http" for text in block.text.strip().split("\n\n")]


@pytest.mark.parametrize("block", REGISTRIES, ids=str)
def test_every_registry_loads(tmp_path: Path, block: Block) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").write_text("")
    (tmp_path / "handlers.lua").write_text(HANDLERS)
    assert load_text(tmp_path, block.text).notes == []


async def test_what_the_page_shows_is_what_comes_back(tmp_path: Path) -> None:
    [text] = [block.text for block in REGISTRIES if HttpEndpoint.KIND in block.text]
    text = text.replace("namespace: app", "namespace: web").replace("name: web,", "name: server,")
    async with serving(tmp_path, text.replace("server: web", "server: server"), HANDLERS, whole=True) as web:
        for exchange in EXCHANGES:
            asked, answered = exchange.split("\n")
            method, path, *body = asked.split(" ", 2)
            answer = await web.ask(method, path, data=body[0].encode() if body else None)
            shown = answer.json["kind"] if answer.status >= 400 else re.sub(r"\n", r"\\n", answer.text)
            assert f"{answer.status} {shown}" == answered


@pytest.mark.parametrize("line", re.findall(r"\]\(#([a-z_]+)\)", PAGE))
def test_links_within_the_page_lead_somewhere(line: str) -> None:
    assert re.search(rf"^#+ {line}$", PAGE, re.MULTILINE | re.IGNORECASE)
