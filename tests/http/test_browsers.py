"""What a page in a browser cannot do to a service on this machine: by another name of it, and from another origin."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.http.serving import Serving, entries, serving
from tests.http.site import Site
from tests.waiting import eventually

HANDLERS = "function H.act() return { done = true } end"
ROUTES = """
    GET /act act
    POST /act act
    DELETE /act act
"""
OTHER = {"Origin": "https://pages.example", "Sec-Fetch-Site": "cross-site"}
FILES = "{name: files, kind: http.static, server: server, path: /files, directory: public}"
PATHS = ["/act", "/files/page.html", "/docs", "/openapi.json", "/api/v1/entries", "/metrics", "/healthz", "/nothing"]


def site(directory: Path, *, service: str = "", router: str = "") -> Any:
    (directory / "public").mkdir(exist_ok=True)
    (directory / "public" / "page.html").write_text("page")
    return serving(directory, entries(ROUTES, FILES, service=service, router=router), HANDLERS)


async def status(web: Serving, method: str = "POST", path: str = "/act", **headers: str) -> int:
    return (
        await web.ask(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    ).status


@pytest.mark.parametrize("path", PATHS)
async def test_a_loopback_service_answers_to_names_of_its_machine_only(tmp_path: Path, path: str) -> None:
    async with site(tmp_path) as web:
        well = 404 if path == "/nothing" else 200
        for name in (
            "localhost",
            "LOCALHOST.",
            "127.0.0.1",
            "127.0.0.2",
            "[::1]",
            "app.localhost",
            socket.gethostname(),
        ):
            assert await status(web, "GET", path, Host=f"{name}:{web.port}") == well, name
        for name in (
            "pages.example",
            "localhost.pages.example",
            "127.0.0.1.pages.example",
            "8.8.8.8",
            "notlocalhost",
            "",
        ):
            assert await status(web, "GET", path, Host=f"{name}:{web.port}") == 403, name


async def test_a_service_answers_to_the_names_that_it_is_given(tmp_path: Path) -> None:
    async with site(tmp_path, service="hosts: [shop.example]") as web:
        assert await status(web, "GET", Host="Shop.Example") == 200
        refused = await web.get("/act", headers={"Host": "api.shop.example"})
        assert (refused.status, refused.json["kind"]) == (403, "PermissionDenied")
        assert "hosts:" in refused.json["detail"]


async def test_a_name_is_not_asked_where_a_token_is(tmp_path: Path) -> None:
    """A page that made the name its own has no token; whoever stands in front of the service may pass the name on."""
    router = "middleware: [token_auth], options: {token_auth.tokens: one}"
    async with site(tmp_path, router=router) as web:
        assert await status(web, "GET", Host="pages.example", Authorization="Bearer one") == 200
        assert await status(web, "GET", Host="pages.example") == 401
        assert await status(web, "GET", "/healthz", Host="pages.example") == 200


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, 200),
        (OTHER, 403),
        ({"Origin": "https://pages.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "what"}, 403),
        ({"Origin": "http://SELF"}, 200),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://SELF", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
async def test_a_handler_is_not_reached_by_a_page_of_another_origin(
    tmp_path: Path, headers: dict[str, str], wanted: int
) -> None:
    async with site(tmp_path) as web:
        given = {name: value.replace("SELF", f"127.0.0.1:{web.port}") for name, value in headers.items()}
        for method, options in (("POST", {}), ("DELETE", {}), ("POST", {"data": b"a=b"}), ("POST", {"json": {}})):
            assert (await web.ask(method, "/act", headers=given, **options)).status == wanted, (method, options)
        assert (await web.get("/act", headers=given)).status == 200


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("cors.allow.origins: 'https://pages.example'", 200),
        ("cors.allow.origins: '*'", 200),
        ("cors.allow.origins: localhost", 403),
        ("cors.max.age: 1", 403),
    ],
)
async def test_an_origin_that_cors_names_may_send(tmp_path: Path, options: str, wanted: int) -> None:
    async with site(tmp_path, router=f"middleware: [cors], options: {{{options}}}") as web:
        answer = await web.ask("POST", "/act", headers=OTHER)
        assert answer.status == wanted
        assert await status(web, "POST", Host="pages.example") == 403


@pytest.mark.parametrize(
    ("cors", "headers", "wanted"),
    [
        ("", {}, 200),
        ("", OTHER, 403),
        ("cors.allow.origins: 'https://pages.example', ", OTHER, 403),
        ("cors.allow.origins: 'https://pages.example', cors.allow.credentials: true, ", OTHER, 200),
    ],
)
async def test_a_cookie_is_no_token_for_another_origin(
    tmp_path: Path, cors: str, headers: dict[str, str], wanted: int
) -> None:
    options = f"{cors}token_auth.tokens: one, token_auth.cookie.name: token"
    async with site(tmp_path, router=f"middleware: [token_auth, cors], options: {{{options}}}") as web:
        for path in ("/act", "/nothing"):
            answer = await web.ask("POST", path, headers={"Cookie": "token=one", **headers})
            assert answer.status == (404 if (path, wanted) == ("/nothing", 200) else wanted)
        assert (await web.ask("POST", "/act", headers={"Authorization": "Bearer one", **OTHER})).status == 200
        assert (await web.get("/act", headers={"Cookie": "token=one", **OTHER})).status == 200


async def test_the_api_of_runs_is_not_reached_by_a_page(web: Site) -> None:
    run = await web.start("waiting")
    for path in (
        "/api/v1/workflows/web:echo",
        *(f"/api/v1/runs/{run}/{what}" for what in ("terminate", "cancel", "signals/go")),
    ):
        for body in (None, [1]):
            assert (await web.post(path, body, headers=OTHER)).status == 403, path
    assert (await web.get(f"/api/v1/runs/{run}", headers={"Host": "pages.example"})).status == 403
    assert (await web.get(f"/api/v1/runs/{run}")).json["status"] == "RUNNING"
    assert (await web.post(f"/api/v1/runs/{run}/terminate")).status == 202
    await eventually(lambda: web.get(f"/api/v1/runs/{run}"), lambda answer: answer.json["status"] == "TERMINATED")


async def test_a_body_that_does_not_say_what_it_is_is_not_json(web: Site) -> None:
    answer = await web.ask("POST", "/api/v1/workflows/web:echo", data=b"[1]", skip_auto_headers=["Content-Type"])
    assert (answer.status, "Content-Type" in answer.json["detail"]) == (415, True)
