"""Addresses: reading them, judging them, and taking the port."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass

from runtime.errors import invalid, unavailable

#: How many ports above the wanted one are tried before any free one is taken.
_NEIGHBOURS = 50


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
