from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from runtime.errors import INVALID, LIMIT_EXCEEDED, PERMISSION_DENIED, TIMEOUT, UNAVAILABLE, Error
from runtime.modules.http_client.guard import Policy
from runtime.principal import Principal
from tests.modules.host_script import run
from tests.process.support import call, function, host, load

PRIVATE = {"http_client": {"allow_private": True}}


class Server:
    """Says what it was asked, and misbehaves under certain paths."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[web.BaseRequest] = []
        self.never = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)
        special = {
            "/status": lambda: web.Response(status=503, text="later"),
            "/binary": lambda: web.Response(body=b"\xff\x00\xfe"),
            "/long": lambda: web.Response(body=b"x" * 100_000),
            "/bomb": lambda: web.Response(body=gzip.compress(b"0" * 5_000_000), headers={"Content-Encoding": "gzip"}),
            "/redirect": lambda: web.Response(status=302, headers={"Location": request.query["to"]}),
            "/loop": lambda: web.Response(status=307, headers={"Location": "/loop"}),
            "/cookie": lambda: web.Response(text="set", headers={"Set-Cookie": "kept=1"}),
        }.get(request.path)
        if special is not None:
            return special()
        if request.path == "/endless":
            endless = web.StreamResponse(status=302, headers={"Location": "/end"})
            await endless.prepare(request)
            while True:
                await endless.write(b"x" * 65536)
        if request.path == "/never":
            await self.never.wait()
        if request.path == "/hangup":
            assert request.transport is not None
            request.transport.close()
        body = await request.read()
        return web.json_response(
            {
                "method": request.method,
                "path": request.path,
                "query": [[name, value] for name, value in request.query.items()],
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": body.decode("latin-1"),
            },
            headers={"x-served-by": "test"},
        )


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    runner = web.ServerRunner(web.Server(served.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.port = runner.addresses[0][1]
    yield served
    served.never.set()
    await runner.cleanup()


async def ask(directory: Path, body: str, *args: Any, meta: dict[str, Any] | None = PRIVATE, **options: Any) -> Any:
    return await run(directory, f"local url = ... {body}", *args, meta=meta, **options)


ECHO = "if err then return nil, err end local seen = json.decode(r.body)"


async def test_an_answer_has_status_headers_body_and_url(tmp_path: Path, server: Server) -> None:
    body = f"""
        local r, err = http_client.get(url .. "/a?x=1", {{ query = {{ y = {{ "2", 3 }}, z = true }}, headers = {{ ["X-One"] = "1" }} }})
        {ECHO}
        return {{ r.status_code, r.headers["X-Served-By"], r.headers["Content-Type"], r.url, seen.query, seen.headers["x-one"] }}
    """
    status, served, kind, url, query, header = await ask(tmp_path, body, server.url)
    assert (status, served, kind) == (200, "test", "application/json; charset=utf-8")
    assert url.startswith(f"{server.url}/a?x=1")
    assert sorted(query) == [["x", "1"], ["y", "2"], ["y", "3"], ["z", "true"]]
    assert header == "1"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
async def test_every_method_is_sent_as_it_is_named(tmp_path: Path, server: Server, method: str) -> None:
    assert (
        await ask(tmp_path, f"local r, err = http_client.{method}(url) {ECHO} return seen.method", server.url)
        == method.upper()
    )


async def test_head_and_any_other_method(tmp_path: Path, server: Server) -> None:
    body = 'local a = http_client.head(url) local b = http_client.request("options", url) return { a.status_code, a.body, b.status_code }'
    assert await ask(tmp_path, body, server.url) == [200, "", 200]
    assert [request.method for request in server.seen] == ["HEAD", "OPTIONS"]


@pytest.mark.parametrize(
    ("options", "body", "header", "value"),
    [
        ('{ json = { a = 1.0, b = {} } }', '{"a":1.0,"b":[]}', "content-type", "application/json"),
        ('{ json = { a = 1 }, headers = { ["content-type"] = "x/y" } }', '{"a":1}', "content-type", "x/y"),
        ('{ form = { a = "1 2", b = { 3, 4 } } }', "a=1+2&b=3&b=4", "content-type", "application/x-www-form-urlencoded"),
        ('{ body = "\\xff\\0raw" }', "\xff\0raw", "content-length", "5"),
        ('{ body = "", auth = { user = "u", pass = "p" } }', "", "authorization", "Basic dTpw"),
        ('{ auth = { bearer = "t" } }', "", "authorization", "Bearer t"),
        ('{ cookies = { a = "1" } }', "", "cookie", "a=1"),
    ],
)  # fmt: skip
async def test_options_shape_the_request(
    tmp_path: Path, server: Server, options: str, body: str, header: str, value: str
) -> None:
    script = f"local r, err = http_client.post(url, {options}) {ECHO} return {{ seen.body, seen.headers['{header}'] }}"
    assert await ask(tmp_path, script, server.url) == [body, value]


async def test_any_status_is_an_answer(tmp_path: Path, server: Server) -> None:
    body = 'local r, err = http_client.get(url .. "/status") return { r.status_code, r.body, err == nil }'
    assert await ask(tmp_path, body, server.url) == [503, "later", True]


async def test_a_body_that_is_not_text_arrives_byte_for_byte(tmp_path: Path, server: Server) -> None:
    body = 'local r = http_client.get(url .. "/binary") return { #r.body, r.body:byte(1, 3) }'
    assert await ask(tmp_path, body, server.url) == [3, 0xFF, 0, 0xFE]


async def test_redirects_are_followed_and_the_last_url_told(tmp_path: Path, server: Server) -> None:
    body = 'local r = http_client.get(url .. "/redirect?to=/end") return { r.status_code, r.url }'
    assert await ask(tmp_path, body, server.url) == [200, f"{server.url}/end"]


async def test_cookies_are_not_kept_between_requests(tmp_path: Path, server: Server) -> None:
    body = f'http_client.get(url .. "/cookie") local r, err = http_client.get(url) {ECHO} return seen.headers.cookie'
    assert await ask(tmp_path, body, server.url) is None


async def test_a_batch_keeps_the_order_and_tells_errors_by_position(tmp_path: Path, server: Server) -> None:
    body = """
        local rs, errs = http_client.request_batch({ { "GET", url .. "/1" }, { "GET", "nowhere" }, { "POST", url .. "/3", { body = "b" } } })
        local _, none = http_client.request_batch({ { "GET", url } })
        return { json.decode(rs[1].body).path, rs[2] == nil, errs[2]:kind(), json.decode(rs[3].body).path, none == nil }
    """
    assert await ask(tmp_path, body, server.url) == ["/1", True, INVALID, "/3", True]


async def test_a_stream_is_read_in_pieces(tmp_path: Path, server: Server) -> None:
    body = """
        local r, err = http_client.get(url .. "/long", { stream = true })
        if err then return nil, err end
        local n, pieces = 0, 0
        while true do
          local piece, problem = r.stream:read(4096)
          if problem then return nil, problem end
          if not piece then break end
          n, pieces = n + #piece, pieces + 1
        end
        local closed, err = r.stream:close()
        return { r.status_code, n, pieces > 1, closed, err == nil, r.stream:read() == nil }
    """
    assert await ask(tmp_path, body, server.url) == [200, 100_000, True, True, True, True]


async def test_a_body_over_the_limit_is_refused_compressed_or_not(tmp_path: Path, server: Server) -> None:
    for path in ("/long", "/bomb"):
        body = f'return http_client.get(url .. "{path}", {{ max_response_body = 50000 }})'
        with pytest.raises(Error) as caught:
            await ask(tmp_path, body, server.url)
        assert (caught.value.kind, caught.value.retryable) == (LIMIT_EXCEEDED, False)


@pytest.mark.parametrize("timeout", ["0.05", '"50ms"'])
async def test_no_answer_in_time_is_a_timeout(tmp_path: Path, server: Server, timeout: str) -> None:
    with pytest.raises(Error) as caught:
        await ask(tmp_path, f'return http_client.get(url .. "/never", {{ timeout = {timeout} }})', server.url)
    assert caught.value.kind == TIMEOUT
    assert caught.value.is_retried


async def test_a_connection_that_breaks_is_unavailable(tmp_path: Path, server: Server) -> None:
    with pytest.raises(Error) as caught:
        await ask(tmp_path, 'return http_client.get(url .. "/hangup")', server.url)
    assert caught.value.kind == UNAVAILABLE


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ('"http://127.0.0.1:1/"', UNAVAILABLE),
        ('"http://no-such-host.invalid/"', UNAVAILABLE),
        ('"ftp://127.0.0.1/"', INVALID),
        ('"/path"', INVALID),
        ('""', INVALID),
        ('"http://127.0.0.1:99999/"', INVALID),
        ('url, { timeout = "soon" }', INVALID),
        ("url, { timeout = -1 }", INVALID),
        ("url, { colour = 1 }", INVALID),
        ("url, { headers = { a = print } }", INVALID),
        ('url, { headers = { a = "b\\r\\nc: d" } }', INVALID),
        ('url, { headers = { a = "b\\nc: d" } }', INVALID),
        ('url, { headers = { a = "b\\0" } }', INVALID),
        ('url, { headers = { ["a\\r\\nb"] = "c" } }', INVALID),
        ('url, { headers = { ["a: b"] = "c" } }', INVALID),
        ('url, { headers = { [""] = "c" } }', INVALID),
        ('url, { cookies = { ["a;b"] = "c" } }', INVALID),
        ('url, { headers = { Host = "x\\r\\ny: z" } }', INVALID),
        ('url, { auth = { bearer = "a\\r\\nb: c" } }', INVALID),
        ('url, { idempotency_key = "a\\r\\nb: c" }', INVALID),
        ("url, { body = 5 }", INVALID),
        ('url, { body = "a", json = {} }', INVALID),
        ("url, { auth = { token = 't' } }", INVALID),
    ],
)
async def test_what_cannot_be_sent_says_so(tmp_path: Path, server: Server, arguments: str, kind: str) -> None:
    with pytest.raises(Error) as caught:
        await ask(tmp_path, f"return http_client.post({arguments})", server.url)
    assert caught.value.kind == kind
    assert "aiohttp" not in caught.value.message
    assert server.seen == []


async def test_where_a_request_ends_is_not_the_script_s_to_say(tmp_path: Path, server: Server) -> None:
    """What it left on the connection would come before the next request, which may be that of another entry."""
    body = f"""
        local lies = {{ ["Content-Length"] = "2", ["transfer-encoding"] = "chunked", Connection = "upgrade", Expect = "100-continue" }}
        local r, err = http_client.post(url, {{ headers = lies, body = "he" .. "GET /evil HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" }})
        if err then return nil, err end
        local r, err = http_client.get(url .. "/next")
        {ECHO}
        return seen.path
    """
    assert await ask(tmp_path, body, server.url) == "/next"
    assert [(request.method, request.path) for request in server.seen] == [("POST", "/"), ("GET", "/next")]


async def test_a_wrong_argument_raises_at_the_caller_s_line(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"script\.lua:2: bad argument #1 to 'get' \(string expected, got number\)"):
        await run(tmp_path, "\nhttp_client.get(5)")


class Activity:
    """An activity's surroundings, as far as a request looks at them."""

    info: dict[str, Any] = {"attempt": 1}  # noqa: RUF012
    idempotency_key = "wf/run/7"

    def heartbeat(self, details: Any) -> None: ...
    def is_canceled(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        ("post(url)", "wf/run/7"),
        ("delete(url)", "wf/run/7"),
        ("get(url)", None),
        ('post(url, { headers = { ["idempotency-key"] = "mine" } })', "mine"),
        ('post(url, { idempotency_key = "other" })', "other"),
        ("post(url, { idempotency_key = false })", None),
    ],
)
async def test_an_activity_sends_its_idempotency_key(
    tmp_path: Path, server: Server, call: str, sent: str | None
) -> None:
    body = f'local r, err = http_client.{call} {ECHO} return seen.headers["idempotency-key"]'
    assert await ask(tmp_path, body, server.url, activity=Activity()) == sent


# Where it may connect


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "2130706433",
        "0x7f000001", "0177.0.0.1", "127.1", "0.0.0.0", "[::]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1",
        "169.254.169.254", "[fd00::1]", "[fe80::1]", "224.0.0.1", "0", "017700000001", "0x7f.0x0.0x0.0x1", "127.0.0.1%2e",
        "LOCALHOST", "127。0。0。1", "①②⑦.0.0.1", "[::127.0.0.1]", "[::ffff:169.254.169.254]", "[2002:7f00:1::]",
        "[fe80::1%25lo]", "[fec0::1]", "[3fff::1]", "[2606:4700::5efe:127.0.0.1]", "168.63.129.16", "100.100.100.200",
        "example.com@127.0.0.1", "example.com:80@127.0.0.1", "u%40example.com:p@localhost",
    ],
)  # fmt: skip
async def test_addresses_that_are_not_public_are_refused(tmp_path: Path, server: Server, host: str) -> None:
    with pytest.raises(Error) as caught:
        await ask(tmp_path, f'return http_client.get("http://{host}:{server.port}/")', meta={})
    assert (caught.value.kind, caught.value.retryable) == (PERMISSION_DENIED, False)
    assert server.seen == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.",
        "2130706433.",
        "127.0.0.1..",
        "1.2.3.4.5",
        "127.0.0.4294967297",
        "...1",
        "localhost.",
        r"127.0.0.1\\@8.8.8.8",
    ],
)
async def test_what_is_almost_an_address_leads_nowhere(tmp_path: Path, server: Server, host: str) -> None:
    with pytest.raises(Error) as caught:
        await ask(tmp_path, f'return http_client.get("http://{host}:{server.port}/")', meta={})
    assert caught.value.kind in (INVALID, PERMISSION_DENIED, UNAVAILABLE)
    assert server.seen == []


@pytest.mark.parametrize(
    "answers", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:10.0.0.1"], ["169.254.169.254"]]
)
async def test_a_name_that_points_inwards_is_refused_whatever_else_it_points_to(
    tmp_path: Path, server: Server, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that changes between two look-ups: what was looked up is what is connected to."""

    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [
            {"hostname": host, "host": found, "port": port, "family": family, "proto": 0, "flags": 0}
            for found in answers
        ]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    for meta in ({}, {"http_client": {"hosts": ["other.example"], "allow_private": True}}):
        with pytest.raises(Error) as caught:
            await ask(tmp_path, f'return http_client.get("http://rebind.example:{server.port}/")', meta=meta)
        assert caught.value.kind == PERMISSION_DENIED
    assert server.seen == []


@pytest.mark.parametrize(
    "address", ["fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fe80::a9fe:a9fe"]
)
def test_places_of_credentials_need_naming(address: str) -> None:
    with pytest.raises(Error, match="not on the public internet"):
        Policy(allow_private=True).check(address, 80, address)
    Policy(hosts=frozenset({address})).check(address, 80, address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_the_public_internet_is_there(address: str) -> None:
    Policy().check(address, 443, address)


async def test_credentials_do_not_follow_to_another_place(tmp_path: Path, server: Server) -> None:
    target = f"{server.url}/redirect?to=http://localhost:{server.port}/other"
    options = '{ cookies = { sid = "s" }, auth = { bearer = "t" }, headers = { Cookie = "a=b" } }'
    body = f'local r, err = http_client.get("{target}", {options}) {ECHO} return {{ seen.path, seen.headers.cookie, seen.headers.authorization }}'
    assert await ask(tmp_path, body) == ["/other"]
    assert server.seen[0].headers["Authorization"] == "Bearer t"


async def test_a_scope_is_asked_at_every_hop(tmp_path: Path, server: Server) -> None:
    """Who may ask one place is not led to another, and user information in a URL is no part of the place."""
    rule = {"actions": "http_client.request", "resources": f"{server.url}/redirect", "effect": "allow"}
    policy = {"name": "p", "kind": "security.policy", "policy": rule}
    scoped = Principal(None, ("app:p",))
    for url, refused in (
        (f"{server.url}/redirect?to=/secret", f"{server.url}/secret"),
        (f"{server.url}/redirect/../secret", f"{server.url}/secret"),
        (f"http://127.0.0.1:{server.port}%2fredirect@localhost:{server.port}/", f"http://localhost:{server.port}/"),
    ):
        body = "local r, err = http_client.get(url) return err:message()"
        said = await ask(tmp_path, body, url, entries=[policy], principal=scoped)
        assert said == f"http_client.request on {refused} is not allowed"
    assert {request.path for request in server.seen} == {"/redirect"}


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest", "http://localhost:{port}/in", "http://[::1]:{port}/"]
)
async def test_a_redirect_leads_nowhere_that_the_entry_may_not_go(tmp_path: Path, server: Server, target: str) -> None:
    meta = {"http_client": {"hosts": ["127.0.0.1"]}}
    body = f'return http_client.get(url .. "/redirect?to={target.format(port=server.port)}")'
    with pytest.raises(Error) as caught:
        await ask(tmp_path, body, server.url, meta=meta)
    assert caught.value.kind == PERMISSION_DENIED
    assert [request.path for request in server.seen] == ["/redirect"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/loop", "redirects without end"),
        ("file:///etc/passwd", "redirects to what is no http or https URL"),
        ("ftp://127.0.0.1/", "redirects to what is no http or https URL"),
        ("http://", "redirects to what is no http or https URL"),
        ("//127.0.0.1:1/", "no connection to"),
        ("http://no-such-host.invalid/", "no address for"),
    ],
)
async def test_a_redirect_that_leads_nowhere_is_told(tmp_path: Path, server: Server, target: str, said: str) -> None:
    with pytest.raises(Error) as caught:
        await ask(tmp_path, "return http_client.get(url)", f"{server.url}/redirect?to={quote(target, safe='')}")
    assert caught.value.kind == UNAVAILABLE
    assert said in caught.value.message


async def test_a_redirect_with_a_body_without_end_is_followed(tmp_path: Path, server: Server) -> None:
    """Nobody reads the body of what only leads elsewhere."""
    body = 'local r = http_client.get(url .. "/endless") return { r.status_code, r.url }'
    assert await ask(tmp_path, body, server.url) == [200, f"{server.url}/end"]


@pytest.mark.parametrize(
    ("policy", "host", "allowed"),
    [
        ({"allow_private": True}, "127.0.0.1", True),
        ({"allow_private": True}, "localhost", True),
        ({"allow_private": True}, "169.254.169.254", False),
        ({"hosts": ["localhost"]}, "localhost", True),
        ({"hosts": ["localhost"]}, "127.0.0.1", False),
        ({"allow_private": True, "hosts": ["10.0.0.1"]}, "127.0.0.1", False),
        ({"allow_private": True, "hosts": ["127.0.0.1"]}, "127.0.0.1", True),
        ({"public": False, "hosts": ["127.0.0.1"]}, "127.0.0.1", True),
        ({"public": False, "hosts": ["127.0.0.1"]}, "localhost", False),
        ({"public": False, "hosts": ["127.0.0.1:1"]}, "127.0.0.1", False),
        ({"public": False}, "127.0.0.1", False),
        ({"public": False}, "8.8.8.8", False),
        ({"public": False, "hosts": ["api.example.com"]}, "8.8.8.8", False),
        ({"public": False, "allow_private": True}, "8.8.8.8", False),
        ({"public": False, "allow_private": True}, "127.0.0.1", True),
    ],
)
async def test_an_entry_names_what_it_may_reach(
    tmp_path: Path, server: Server, policy: dict[str, Any], host: str, allowed: bool
) -> None:
    body = f'local r, err = http_client.get("http://{host}:{server.port}/") return err and err:kind() or r.status_code'
    answer = await ask(tmp_path, body, meta={"http_client": policy})
    assert answer == (200 if allowed else PERMISSION_DENIED)


async def test_an_import_widens_nothing(tmp_path: Path, server: Server) -> None:
    """The entry that runs is the one that counts: neither a library nor a function it imports brings its own permissions."""
    get = "function(url) local r, err = http_client.get(url) return err and err:kind() or r.status_code end"
    sources = {
        "lib.lua": f"return {{ get = {get} }}",
        "trusted.lua": f"return {{ main = {get} }}",
        "other.lua": "return function(url) return { lib.get(url), trusted.main(url) } end",
        "open.lua": "return function(url) return { lib.get(url), trusted.main(url) } end",
    }
    lib = {"name": "lib", "kind": "library.lua", "source": "file://lib.lua", "modules": ["http_client"]}
    imports = {"lib": "lib", "trusted": "trusted"}
    entries = [lib, function("trusted", meta=PRIVATE), function("other", imports=imports)]
    entries.append(function("open", imports=imports, meta=PRIVATE))
    async with host(load(tmp_path, sources, entries)) as h:
        assert await call(h, "trusted", server.url) == 200
        assert await call(h, "other", server.url) == [PERMISSION_DENIED, PERMISSION_DENIED]
        assert await call(h, "open", server.url) == [200, 200]


async def test_one_entry_s_connections_are_no_way_for_another(tmp_path: Path, server: Server) -> None:
    """The second call is under a policy that refuses, though a connection to that place is open and idle."""
    source = "return function(url) local r, err = http_client.get(url) return err and err:kind() or r.status_code end"
    entries = [function("trusted", meta=PRIVATE), function("other")]
    async with host(load(tmp_path, {"trusted.lua": source, "other.lua": source}, entries)) as h:
        assert await call(h, "trusted", server.url) == 200
        assert await call(h, "other", server.url) == PERMISSION_DENIED
    assert len(server.seen) == 1
