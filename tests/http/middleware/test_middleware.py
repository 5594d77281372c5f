"""What a router does to the requests under it, over the wire."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INVALID, PERMISSION_DENIED, Error
from tests.http.serving import NO_WORKFLOWS, entries, load, serving

HANDLERS = """
    function H.hello() return { hello = http.request():remote_addr() } end
    function H.long()
        http.response():set_header("Vary", "Accept")
        return { text = string.rep("evermoon ", 1000) }
    end
    function H.refuse() return nil, errors.new(errors.NOT_FOUND, "no such order") end
    function H.events() http.response():write_event({ data = string.rep("x", 5000) }) end
    function H.other() http.response():set_status(202) end
"""
ROUTES = """
    GET /hello hello
    GET /orders/{id} hello
    GET /long long
    GET /refuse refuse
    GET /events events
    OPTIONS /own other
"""


def site(directory: Path, middleware: str, *more: str, environ: dict[str, str] | None = None, **options: Any) -> Any:
    return serving(directory, entries(ROUTES, *more, router=middleware), HANDLERS, environ, **options)


CORS = "middleware: [cors], options: {cors.allow.origins: localhost}"


def preflight(origin: str, method: str = "GET") -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": method}


@pytest.mark.parametrize("origin", ["http://localhost", "https://localhost:3000", "http://localhost:5173"])
async def test_cors_answers_preflights_of_localhost_on_any_path(tmp_path: Path, origin: str) -> None:
    async with site(tmp_path, CORS) as web:
        for path in ("/hello", "/nowhere", "/api/v1/runs", "/healthz", "/own"):
            answer = await web.ask("OPTIONS", path, headers=preflight(origin))
            assert (answer.status, answer.text) == (204, "")
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]
            assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]
            assert answer.headers["Access-Control-Max-Age"] == "86400"
            assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/hello", "/refuse", "/nowhere", "/events", "/healthz"])
async def test_cors_is_on_every_answer_also_on_problems_and_streams(tmp_path: Path, path: str) -> None:
    async with site(tmp_path, CORS) as web:
        answer = await web.get(path, headers={"Origin": "http://localhost:3000"})
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["http://localhost.evil.example", "http://evil.example", "null", "ftp://localhost", "http://localhost:"]
)
async def test_another_origin_gets_its_answer_without_cors(tmp_path: Path, origin: str) -> None:
    async with site(tmp_path, CORS) as web:
        answer = await web.get("/hello", headers={"Origin": origin})
        assert (answer.status, answer.headers["Vary"]) == (200, "Origin")
        refused = await web.ask("OPTIONS", "/hello", headers=preflight(origin))
        assert "Access-Control-Allow-Origin" not in {**answer.headers, **refused.headers}


async def test_cors_names_origins_and_their_subdomains(tmp_path: Path) -> None:
    options = '{cors.allow.origins: "https://shop.example, https://*.shop.example", cors.allow.credentials: "true"}'
    async with site(tmp_path, f"middleware: [cors], options: {options}") as web:
        for origin, allowed in {
            "https://shop.example": True,
            "https://a.b.shop.example": True,
            "http://shop.example": False,
            "https://evilshop.example": False,
        }.items():
            answer = await web.get("/hello", headers={"Origin": origin})
            assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == allowed
            assert ("Access-Control-Allow-Credentials" in answer.headers) == allowed


async def test_without_cors_options_says_what_is_allowed(tmp_path: Path) -> None:
    async with site(tmp_path, "") as web:
        answer = await web.ask("OPTIONS", "/hello")
        assert (answer.status, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
        assert (await web.ask("OPTIONS", "/own")).status == 202
        assert (await web.ask("OPTIONS", "/nowhere")).status == 404


LIMIT = "middleware: [ratelimit], options: {ratelimit.requests: 3, ratelimit.interval: 1h}"


async def test_ratelimit_refuses_who_asks_too_often(tmp_path: Path) -> None:
    async with site(tmp_path, LIMIT) as web:
        left = [(await web.get("/hello")).headers["X-RateLimit-Remaining"] for _ in range(3)]
        answer = await web.get("/hello")
        assert left == ["2", "1", "0"]
        assert (answer.status, answer.json["kind"], answer.json["retryable"]) == (429, "RateLimited", True)
        assert 0 < int(answer.headers["Retry-After"]) <= 1200
        assert (await web.get("/healthz")).status == 200


async def test_ratelimit_outlives_a_reload(tmp_path: Path) -> None:
    async with site(tmp_path, LIMIT) as web:
        for _ in range(3):
            await web.get("/hello")
        text = (tmp_path / "registry.yaml").read_text()
        await web.server.reload(load(tmp_path, text, HANDLERS), NO_WORKFLOWS)
        assert (await web.get("/hello")).status == 429


async def test_ratelimit_knows_clients_by_a_header(tmp_path: Path) -> None:
    options = '{ratelimit.requests: "1", ratelimit.interval: 1h, ratelimit.key: "header:X-API-Key"}'
    async with site(tmp_path, f"middleware: [ratelimit], options: {options}") as web:
        answers = [(await web.get("/hello", headers={"X-Api-Key": key})).status for key in ("a", "b", "a")]
        assert answers == [200, 200, 429]


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ("127.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("127.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        ('"127.0.0.0/8, 10.0.0.0/8"', "6.6.6.6, 9.9.9.9:1234, 10.1.1.1", "9.9.9.9"),
        ("127.0.0.1", "6.6.6.6, garbage", "127.0.0.1"),
        ("10.0.0.0/8", "9.9.9.9", "127.0.0.1"),
        ("127.0.0.1", "[2001:db8::1]:80", "2001:db8::1"),
    ],
)
async def test_real_ip_believes_only_proxies_it_trusts(
    tmp_path: Path, trusted: str, forwarded: str, client: str
) -> None:
    options = f"middleware: [real_ip], options: {{real_ip.trusted.subnets: {trusted}}}"
    async with site(tmp_path, options) as web:
        assert (await web.get("/hello", headers={"X-Forwarded-For": forwarded})).json == {"hello": client}


async def test_without_real_ip_nobody_is_believed(tmp_path: Path) -> None:
    async with site(tmp_path, "") as web:
        assert (await web.get("/hello", headers={"X-Forwarded-For": "9.9.9.9"})).json == {"hello": "127.0.0.1"}


async def test_compress_what_is_long_enough_for_clients_that_take_it(tmp_path: Path) -> None:
    async with site(tmp_path, "middleware: [compress], options: {compress.level: best}") as web:
        for path, accepted, compressed in (
            ("/long", "gzip", True),
            ("/long", "br, *", True),
            ("/long", "gzip;q=0", False),
            ("/long", "", False),
            ("/hello", "gzip", False),
            ("/events", "gzip", False),
        ):
            request = web.session.get(web.url + path, headers={"Accept-Encoding": accepted}, auto_decompress=False)
            async with request as response:
                body = await response.read()
            assert ("Content-Encoding" in response.headers) == compressed
            assert len(gzip.decompress(body)) > 5 * len(body) if compressed else True
            if path == "/long":
                assert response.headers["Vary"] == "Accept, Accept-Encoding"


async def test_metrics_count_routes_not_paths(tmp_path: Path) -> None:
    async with site(tmp_path, "middleware: [metrics]") as web:
        for path in ("/orders/1", "/orders/2", "/refuse", "/nowhere"):
            await web.get(path)
        text = (await web.get("/metrics")).text
    count = 'evermoon_http_requests_total{method="GET",route="%s",router="web:r",status="%s"} %s'
    assert count % ("/orders/{id}", 200, "2.0") in text
    assert count % ("/refuse", 404, "1.0") in text
    assert count % ("", 404, "1.0") in text
    assert "evermoon_http_request_duration_seconds_bucket" in text
    assert "/orders/1" not in text


TOKENS = '{token_auth.tokens: "${env:TOKEN}", token_auth.variables: second}'
SECOND = "{name: second, kind: env.variable, variable: SECOND}"
GUARDED = f"middleware: [token_auth, cors], options: {TOKENS}"
ENVIRON = {"TOKEN": "one,three", "SECOND": "two"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_token_auth_wants_a_known_token(tmp_path: Path) -> None:
    async with site(tmp_path, GUARDED, SECOND, environ=ENVIRON) as web:
        for token in ("one", "two", "three"):
            assert (await web.get("/hello", headers=bearer(token))).status == 200
        for headers in ({}, bearer(""), bearer("on"), bearer("one,three"), {"Authorization": "one"}, bearer("öne")):
            answer = await web.get("/hello", headers=headers)
            assert (answer.status, answer.json["kind"]) == (401, "PermissionDenied")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.headers["Vary"] == "Origin"


async def test_token_auth_covers_all_that_is_under_its_prefix(tmp_path: Path) -> None:
    async with site(tmp_path, GUARDED, SECOND, environ=ENVIRON) as web:
        for path in ("/nowhere", "/api/v1/entries", "/%61pi/v1/entries", "/metrics", "/refuse"):
            assert (await web.get(path)).status == 401
        assert (await web.ask("POST", "/api/v1/workflows/web:x")).status == 401
        assert (await web.ask("OPTIONS", "/own")).status == 401
        assert (await web.get("/api/v1/entries", headers=bearer("two"))).status == 200
        assert (await web.get("/healthz")).status == 200


async def test_a_preflight_needs_no_token_but_is_no_way_past_it(tmp_path: Path) -> None:
    only_localhost = GUARDED.replace("{token_auth", "{cors.allow.origins: localhost, token_auth")
    async with site(tmp_path, only_localhost, SECOND, environ=ENVIRON) as web:
        assert (await web.ask("OPTIONS", "/own", headers=preflight("http://localhost"))).status == 204
        assert (await web.ask("OPTIONS", "/own", headers=preflight("http://evil.example"))).status == 401


async def test_a_token_may_come_in_a_cookie_or_parameter_where_that_is_allowed(tmp_path: Path) -> None:
    options = "{token_auth.tokens: one, token_auth.cookie.name: session, token_auth.query.param: token}"
    async with site(tmp_path, f"middleware: [token_auth], options: {options}") as web:
        assert (await web.get("/hello?token=one")).status == 200
        assert (await web.get("/hello", headers={"Cookie": "session=one"})).status == 200
        assert (await web.get("/hello?other=one", headers={"Cookie": "other=one"})).status == 401


def exposed(text: str) -> str:
    return text.replace("127.0.0.1:0", "0.0.0.0:0").replace('prefix: "/"', 'prefix: "/shop"')


async def test_with_token_auth_other_machines_may_be_let_in_and_the_runs_api_is_guarded_too(tmp_path: Path) -> None:
    text = exposed(entries(ROUTES, SECOND, router=GUARDED))
    async with serving(tmp_path, text, HANDLERS, ENVIRON) as web:
        assert (await web.get("/shop/hello")).status == 401
        assert (await web.get("/api/v1/entries")).status == 401
        assert (await web.get("/api/v1/entries", headers=bearer("two"))).status == 200
        assert (await web.get("/healthz")).status == 200


async def test_without_it_they_may_not(tmp_path: Path) -> None:
    with pytest.raises(Error, match="token_auth") as refused:
        async with serving(tmp_path, exposed(entries(ROUTES, router=CORS)), HANDLERS):
            pass
    assert refused.value.kind == PERMISSION_DENIED


@pytest.mark.parametrize(
    "environ", [{}, {"TOKEN": "", "SECOND": "x"}, {"TOKEN": "one"}], ids=["unset", "empty", "half"]
)
async def test_a_guard_that_knows_no_token_does_not_start(tmp_path: Path, environ: dict[str, str]) -> None:
    guarded = GUARDED if environ.get("SECOND") is None else GUARDED.replace(", token_auth.variables: second", "")
    with pytest.raises(Error, match=r"web:r") as refused:
        async with site(tmp_path, guarded, SECOND, environ=environ):
            pass
    assert refused.value.kind == INVALID


async def test_a_reload_opens_no_door(tmp_path: Path) -> None:
    text = exposed(entries(ROUTES, SECOND, router=GUARDED))
    async with serving(tmp_path, text, HANDLERS, ENVIRON) as web:
        registry = load(tmp_path, text.replace("[token_auth, cors]", "[cors]"), HANDLERS, ENVIRON)
        with contextlib.suppress(Error):
            await web.server.reload(registry, NO_WORKFLOWS)
        assert (await web.get("/api/v1/entries")).status == 401
        assert (await web.get("/api/v1/entries", headers=bearer("two"))).status == 200


async def test_an_endpoint_stands_behind_its_own_router_alone(tmp_path: Path) -> None:
    more = (
        "{name: open, kind: http.router, server: server, prefix: /open}",
        "{name: o, kind: http.endpoint, router: open, path: /hello, func: hello}",
        SECOND,
    )
    async with site(tmp_path, GUARDED, *more, environ=ENVIRON) as web:
        assert (await web.get("/open/hello")).status == 200
        assert (await web.get("/open/nowhere")).status == 401
