"""One address: its socket, its server, and what it answers from at the moment."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from runtime.errors import INVALID, Error, invalid, unavailable
from runtime.http.connection import Handler, Server

#: How many ports above the wanted one are tried before any free one is taken.
_NEIGHBOURS = 50
#: Connections that may wait to be accepted, as many as Linux allows by default. Above it a client believes itself connected, and is
#: reset when that has gone on too long.
_BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """`host:port`, `[v6]:port` or `:port` (every interface). Raises `Error` INVALID."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise invalid(f"{text!r} is not an address: write host:port")
        return cls(host.strip("[]") or "0.0.0.0", int(port))

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def url(self, scheme: str) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "localhost") else self.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


class Listener:
    """A listening socket and its server. `answer` may be replaced at any time; requests that already found their handler keep it."""

    def __init__(
        self,
        id: str,
        wanted: Address,
        answer: Handler,
        *,
        max_body: int,
        tls: ssl.SSLContext | None = None,
        read: float = 30.0,
        idle: float = 75.0,
        grace: float = 10.0,
    ) -> None:
        self.id = id
        self.answer = answer
        self._read = read
        self._wanted = wanted
        self._max_body = max_body
        self.tls = tls
        self._idle = idle
        self._grace = grace
        self._server: Server | None = None
        self._runner: web.ServerRunner | None = None
        self._address: Address | None = None

    @property
    def wanted(self) -> Address:
        return self._wanted

    @property
    def address(self) -> Address:
        """Where it really listens; before `start`, where it will try to."""
        return self._address or self._wanted

    @property
    def url(self) -> str:
        return self.address.url("https" if self.tls else "http")

    async def start(self, *, move: bool) -> None:
        """Listens; with `move` on the next free port when the wanted one is taken. Raises `Error` INVALID or UNAVAILABLE."""
        try:
            sock = take(self._wanted, move=move)
        except Error as error:
            raise Error(error.kind, f"{self.id}: {error.message}", retryable=error.kind != INVALID) from error
        self._address = Address(self._wanted.host, sock.getsockname()[1])
        self._server = Server(self._answer, self._max_body, head=self._read, idle=self._idle)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=self._grace)
        await self._runner.setup()
        await web.SockSite(self._runner, sock, ssl_context=self.tls, backlog=_BACKLOG).start()

    def adjust(self, *, max_body: int, read: float, idle: float) -> None:
        """From now on these hold: the size of a body for its next request, the times for connections that are made."""
        self._max_body, self._read, self._idle = max_body, read, idle
        if self._server is not None:
            self._server.adjust(max_body, head=read, idle=idle)

    async def stop(self) -> None:
        """Stops listening, waits up to the grace for requests under way, then closes every connection."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self.answer(request)


def take(wanted: Address, *, move: bool) -> socket.socket:
    """A listening socket on `wanted`; with `move`, on the next free port when that is taken.

    Raises `Error` UNAVAILABLE when the port is taken, INVALID when the address is not this machine's.
    """
    ports = [wanted.port, *range(wanted.port + 1, min(wanted.port + _NEIGHBOURS, 65536)), 0] if move else [wanted.port]
    for port in ports:
        try:
            return _listen(wanted.host, port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise invalid(f"cannot listen on {wanted.host}:{port}: {error.strerror or error}") from error
    raise unavailable(f"port {wanted.port} of {wanted.host} is taken by another program")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, port), family=family)
    sock.setblocking(False)
    return sock


def tls_context(id: str, cert: Path, key: Path) -> ssl.SSLContext:
    """A server context from PEM files: TLS 1.2 or newer. Raises `Error` INVALID naming the service."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise invalid(f"{id}: the certificate or key of tls cannot be read") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
