"""How the requests of `http_client` are carried out.

A request goes out as one command with two values: its options (`_Options`) and its body, or null. An answer's body that is
not UTF-8 text comes back as `body64`. One connection pool per policy, so that a connection opened under one entry's permissions is never
reused under another's; cookies are not kept between requests.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookies import CookieError
from typing import Any

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from yarl import URL

from runtime import durations
from runtime.contracts import ActivityPort, ExecutionPort
from runtime.errors import Error, invalid, limit_exceeded, timed_out, unavailable
from runtime.modules.definition import HostCall
from runtime.modules.http_client.guard import Policy
from runtime.modules.http_client.hops import GuardedResolver, guard_hops
from runtime.modules.security.rules import refuse
from runtime.registry import FunctionLua, ProcessLua

DEFAULT_TIMEOUT = 30.0  # seconds
DEFAULT_MAX_BODY = 10 * 1024 * 1024
MAX_BODY = 256 * 1024 * 1024
MAX_CONNECTIONS = 512  # per policy; further requests wait, within their timeout
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_CHUNK = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: Where a request ends is the host's to say: its connection goes on to somebody else's request.
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip

_Text = str | int | float | bool


class _Options(BaseModel):
    """What the Lua half sends; a stray or ill-typed option is refused."""

    model_config = ConfigDict(extra="forbid")

    method: str
    url: str
    headers: dict[str, _Text] = {}
    query: dict[str, _Text | list[_Text]] = {}
    form: dict[str, _Text | list[_Text]] | None = None
    json_body: bool = Field(default=False, alias="json")
    cookies: dict[str, _Text] = {}
    auth: dict[str, str] | None = None
    timeout: float | str | None = None
    max_response_body: int | None = None
    idempotency_key: str | bool | None = None
    stream: bool = False


async def request(call: HostCall) -> dict[str, Any]:
    """One exchange, redirects followed: `{status_code, headers, body | body64 | stream, url}`, whatever the status.

    Raises `Error`: INVALID (URL, options), PERMISSION_DENIED (where it may not connect), TIMEOUT, UNAVAILABLE (no
    connection, or it broke), LIMIT_EXCEEDED (a body longer than `max_response_body`).
    """
    options = _read(call.args[0].value())
    arguments = _arguments(options, call.args[1].value(), call.process.activity)
    url = _url(options)
    session = await _session(call.process)
    try:
        response = await session.request(options.method, url, middlewares=_guards(call.process), **arguments)
        if options.stream:
            return _head(response) | {"stream": call.process.handles.add(response, response.close)}
        async with response:
            return _head(response) | _portable(await _body(response, options))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, CookieError) as error:
        raise _translated(error, url) from error


async def read(call: HostCall) -> dict[str, Any]:
    """The next bytes of a streamed body, at most `size`; `{}` at its end."""
    response: aiohttp.ClientResponse = call.process.handles.get(call.data["stream"])
    try:
        chunk = await response.content.read(min(int(call.data.get("size") or _CHUNK), MAX_BODY))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _translated(error, response.url) from error
    return _portable(chunk) if chunk else {"end": True}


async def close(call: HostCall) -> bool:
    call.process.handles.close(call.data["stream"])
    return True


def _read(data: Mapping[str, Any]) -> _Options:
    fields = {key: {} if value == [] and key in _TABLES else value for key, value in data.items()}
    try:
        return _Options.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:2])
        raise invalid(f'http_client option "{name}": {first["msg"]}', option=name) from None


_TABLES = frozenset({"headers", "query", "form", "cookies", "auth"})


def _url(options: _Options) -> URL:
    try:
        url = URL(options.url)
        usable = url.scheme in ("http", "https") and bool(url.host)
    except ValueError:
        usable = False
    if not usable:
        raise invalid(f"not an http or https URL: {options.url[:200]!r}")
    return url.extend_query(_pairs(options.query)) if options.query else url


def _pairs(table: Mapping[str, _Text | list[_Text]]) -> list[tuple[str, str]]:
    return [
        (name, _plain(value))
        for name, values in table.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _plain(value: _Text) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _arguments(options: _Options, body: bytes | None, activity: ActivityPort | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "headers": _headers(options, activity),
        "cookies": {name: _plain(value) for name, value in options.cookies.items()},
        "timeout": aiohttp.ClientTimeout(total=_seconds(options.timeout)),
    }
    if body is not None:
        arguments["data"] = body
    elif options.form is not None:
        arguments["data"] = aiohttp.FormData(_pairs(options.form))
    return arguments


def _headers(options: _Options, activity: ActivityPort | None) -> dict[str, str]:
    headers = {}
    for name, value in options.headers.items():
        if not _NAME.fullmatch(name):
            raise invalid(f"not a header name: {name[:80]!r}")
        if name.lower() not in _FRAMING:
            headers[name] = _plain(value)
    given = {name.lower() for name in headers}
    if options.json_body and "content-type" not in given:
        headers["Content-Type"] = "application/json"
    if options.auth and "authorization" not in given:
        headers["Authorization"] = _authorization(options.auth)
    key = options.idempotency_key
    if key is None and activity is not None and options.method not in _SAFE_METHODS:
        key = activity.idempotency_key
    if isinstance(key, str) and "idempotency-key" not in given:
        headers["Idempotency-Key"] = key
    return headers


def _authorization(auth: Mapping[str, str]) -> str:
    if "bearer" in auth:
        return f"Bearer {auth['bearer']}"
    user = auth.get("user") or auth.get("username")
    if user is None:
        raise invalid('http_client option "auth": give user and pass, or bearer')
    pair = f"{user}:{auth.get('pass') or auth.get('password') or ''}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _seconds(value: float | str | None) -> float:
    if value is None:
        return DEFAULT_TIMEOUT
    seconds = durations.parse(value).total_seconds() if isinstance(value, str) else value
    if not 0 < seconds < 1e7:
        raise invalid(f'http_client option "timeout": {value!r} is no time to wait')
    return seconds


async def _body(response: aiohttp.ClientResponse, options: _Options) -> bytes:
    limit = min(options.max_response_body or DEFAULT_MAX_BODY, MAX_BODY)
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > limit:
            response.close()
            raise limit_exceeded(f"response body is longer than {limit} bytes")
    return bytes(body)


def _head(response: aiohttp.ClientResponse) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        canonical = "-".join(part.capitalize() for part in name.split("-"))
        headers[canonical] = f"{headers[canonical]}, {value}" if canonical in headers else value
    return {"status_code": response.status, "headers": headers, "url": str(response.url)}


def _portable(body: bytes) -> dict[str, Any]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body64": base64.b64encode(body).decode()}


def _translated(error: Exception, url: URL) -> Error:
    """What a script is told; what the library said stays with the host."""
    place = f"{url.host}:{url.port}"
    if isinstance(error, TimeoutError):
        return timed_out(f"no answer from {place} in time")
    if isinstance(error, aiohttp.RedirectClientError):
        return unavailable(f"{place} redirects to what is no http or https URL", retryable=False)
    if isinstance(error, aiohttp.InvalidURL):
        return invalid(f"not an http or https URL: {str(url)[:200]!r}")
    if isinstance(error, aiohttp.TooManyRedirects):
        return unavailable(f"{place} redirects without end")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return unavailable(f"no address for {url.host}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return unavailable(f"no connection to {place}")
    if isinstance(error, CookieError):
        return invalid("a cookie has a name it may not have")
    if isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientError):
        return invalid("a header or the URL holds a character it may not hold")
    return unavailable(f"the connection to {place} broke")


def _guards(process: ExecutionPort) -> list[aiohttp.ClientMiddlewareType]:
    """Looks at every hop: redirects may lead where the request itself may not."""

    def ask(method: str, place: str) -> None:
        refuse(process.registry, process.principal, "http_client.request", place, meta={"method": method})

    return [guard_hops(_policy(process), ask)]


def _policy(process: ExecutionPort) -> Policy:
    entry = process.entry
    return Policy.of(entry.http_client if isinstance(entry, FunctionLua | ProcessLua) else None)


async def _session(process: ExecutionPort) -> aiohttp.ClientSession:
    policy = _policy(process)
    return await process.resources.open(("http_client", policy), lambda: _open(policy))


@asynccontextmanager
async def _open(policy: Policy) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(policy), limit=MAX_CONNECTIONS)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "evermoon"},
    )
    try:
        yield session
    finally:
        await session.close()
        await asyncio.sleep(0)  # lets the transports close before the loop does
