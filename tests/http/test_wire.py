"""What hostile and numerous clients meet: malformed requests, header injection, a thousand at once, and TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime.errors import INVALID, Error
from tests.http.serving import Serving, entries, serving

HANDLERS = """
    function H.header()
        local err = http.response():set_header("X-Said", http.request():query("value"))
        return { refused = err and err:kind() or "no" }
    end
    function H.name()
        local err = http.response():set_header(http.request():query("value"), "1")
        return { refused = err and err:kind() or "no" }
    end
    function H.echo() return { path = http.request():path(), id = http.request():param("id") } end
"""
ROUTES = """
    GET /header header
    GET /name name
    GET /echo/{id} echo
"""


@pytest.mark.parametrize("value", ["a%0d%0aX-Evil:%201", "a%0aX-Evil:%201", "a%0dX", "a%00", "%0d%0a%0d%0a<script>"])
async def test_a_line_break_in_a_header_is_refused(tmp_path: Path, value: str) -> None:
    async with serving(tmp_path, entries(ROUTES), HANDLERS) as web:
        for path in ("/header", "/name"):
            answer = await web.get(f"{path}?value={value}")
            assert answer.json == {"refused": "Invalid"}
            assert not {"X-Evil", "X-Said"} & answer.headers.keys()


PYTHON = """
from runtime.process import current

def evil() -> dict:
    current().response.headers["X-Said"] = "a\\r\\nX-Evil: 1"
    return {}
"""


async def test_a_line_break_in_a_header_of_a_python_handler_is_an_error_of_the_handler(tmp_path: Path) -> None:
    (tmp_path / "evil_headers.py").write_text(PYTHON)
    more = (
        '{name: evil, kind: function.py, source: "py://evil_headers:evil"}',
        "{name: e, kind: http.endpoint, router: r, path: /evil, func: evil}",
    )
    async with serving(tmp_path, entries(ROUTES, *more), HANDLERS) as web:
        answer = await web.get("/evil")
        assert (answer.status, "X-Evil" in answer.headers) == (500, False)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /echo/1 HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /echo/1 HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"POST /echo/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /echo/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /echo/1 HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["tls", "short", "no-colon", "nul", "negative", "smuggling", "long-header", "long-path"],
)
async def test_what_is_malformed_is_400_and_the_next_client_notices_nothing(tmp_path: Path, sent: bytes) -> None:
    async with serving(tmp_path, entries(ROUTES), HANDLERS) as web:
        head, _, body = (await web.raw(sent)).partition(b"\r\n\r\n")
        assert b" 400 " in head.splitlines()[0]
        assert b"application/problem+json" in head
        assert b"aiohttp" not in head + body
        assert (await web.get("/echo/1")).json == {"path": "/echo/1", "id": "1"}


FRAMINGS = [
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhelloX",
    b"Content-Length: 5, 5\r\n\r\nhello",
    b"Content-Length: +5\r\n\r\nhello",
    b"Content-Length: 0_5\r\n\r\nhello",
    b"Content-Length : 5\r\n\r\nhello",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5;\nxx\r\nhello\r\n0\r\n\r\n",
    b"X: 1\r\n Content-Length: 5\r\n\r\nhello",
    b"Host: localhost\r\nContent-Length: 5\r\n\r\nhello",
]


async def test_a_body_that_two_servers_may_see_two_ends_of_is_400(tmp_path: Path) -> None:
    """What follows it would be a request of its own to one of them."""
    async with serving(tmp_path, entries("POST /echo/{id} echo\nGET /evil echo"), HANDLERS) as web:
        head = b"POST /echo/1 HTTP/1.1\r\nHost: localhost\r\n"
        after = b"GET /evil HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        proper = await web.raw(head + b"Content-Length: 5\r\n\r\nhello" + after)
        assert proper.count(b" 200 OK") == 2
        for framing in FRAMINGS:
            answer = await web.raw(head + framing + after)
            assert b" 400 " in answer.splitlines()[0], framing
            assert b" 200 OK" not in answer, framing


async def test_a_body_with_broken_chunks_is_400(tmp_path: Path) -> None:
    async with serving(tmp_path, entries("POST /echo/{id} echo"), HANDLERS) as web:
        sent = b"POST /echo/1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        assert b" 400 " in (await web.raw(sent)).splitlines()[0]


async def test_a_thousand_clients_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, entries(ROUTES), HANDLERS) as web:
        connections = await asyncio.gather(*(web.connect() for _ in range(1000)))
        for number, (_, writer) in enumerate(connections):
            writer.write(f"GET /echo/{number} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answers = await asyncio.gather(*(reader.read() for reader, _ in connections))
        for _, writer in connections:
            writer.close()
    for number, answer in enumerate(answers):
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert f'"id":"{number}"'.encode() in answer


def certificate(directory: Path) -> None:
    """`cert.pem` and `key.pem` for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "evermoon.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


TLS = "tls: {cert: cert.pem, key: key.pem}"


async def test_tls(tmp_path: Path) -> None:
    certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    async with serving(tmp_path, entries(ROUTES, service=TLS), HANDLERS) as web:
        assert web.url.startswith("https://127.0.0.1:")
        assert (await web.get("/echo/1", ssl=trust)).json == {"path": "/echo/1", "id": "1"}
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await web.get("/echo/1")


async def test_tls_without_its_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"web:server.*tls") as refused:
        async with serving(tmp_path, entries(ROUTES, service=TLS), HANDLERS):
            pass
    assert refused.value.kind == INVALID


async def test_several_services_each_have_their_own_routers(tmp_path: Path) -> None:
    more = (
        '{name: admin, kind: http.service, addr: "127.0.0.1:0"}',
        "{name: a, kind: http.router, server: admin, prefix: /admin}",
        "{name: ea, kind: http.endpoint, router: a, path: /echo, func: echo}",
    )
    async with serving(tmp_path, entries(ROUTES, *more), HANDLERS) as web:
        admin = Serving(web.server, web.host, web.session, web.lines, "web:admin")
        assert (await admin.get("/admin/echo")).json == {"path": "/admin/echo"}
        assert (await admin.get("/echo/1")).status == 404
        assert (await web.get("/admin/echo")).status == 404
