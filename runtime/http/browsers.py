"""What a page in a browser must not do to a service on this machine.

A browser reaches addresses that nobody else does, so an open door on loopback is open to every page its user looks at. Two things tell a
page from the programs of this machine: the name it calls the service by, which it had to make its own (DNS rebinding), and the
origin that the browser says it is from.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import cache

from aiohttp import web

from runtime.http.middleware.chain import Serve
from runtime.http.middleware.cors import CorsMiddleware
from runtime.http.problem import ProblemResponse, refuse

#: Methods that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_DEFAULT_PORTS = (":80", ":443")


class Doorkeeper:
    """The middleware of what no token guards: it answers 403 to a name that is not this machine's, and to what another origin sends.

    `hosts`: further names of the service. `is_loopback`: only this machine reaches it, so browsers are all that comes from elsewhere; where others
    reach it, names are asked only when some are given, and origins are not.
    """

    def __init__(self, hosts: tuple[str, ...], *, is_loopback: bool, cors: CorsMiddleware | None = None) -> None:
        self._hosts = frozenset(map(_plain, hosts))
        self._is_loopback = is_loopback
        self._cors = cors

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        if self._is_loopback or self._hosts:
            for name in request.headers.getall("Host", ()):
                if not self._is_ours(_plain(_without_port(name)), request):
                    raise refuse(
                        403,
                        f"this service does not answer to the name {name[:100]}; a name that it has is listed in hosts: of its http.service",
                        host=name[:100],
                    )
        if self._is_loopback and is_of_another_origin(request, self._cors):
            raise refusal(request)
        return await serve(request)

    def _is_ours(self, name: str, request: web.BaseRequest) -> bool:
        if name in self._hosts or name in _own_names() or name.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        local = request.transport.get_extra_info("sockname") if request.transport is not None else None
        return address.is_loopback or (local is not None and name == _plain(str(local[0])))


def is_of_another_origin(request: web.BaseRequest, cors: CorsMiddleware | None, *, with_cookie: bool = False) -> bool:
    """Whether a page of another origin, which `cors` does not invite, sends what may change something. `with_cookie`: in its user's name."""
    if request.method in SAFE or (cors is not None and cors.invites(request, with_cookie=with_cookie)):
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site.lower() not in _OWN_SITES
    origin = request.headers.get("Origin")
    if origin is None:  # no browser
        return False
    _, _, place = origin.partition("://")
    return not place or _place(place) != _place(request.headers.get("Host", ""))


def refusal(request: web.BaseRequest) -> ProblemResponse:
    origin = request.headers.get("Origin", "another site")[:100]
    message = f"a page of {origin} may not send this; origins that may are listed in cors.allow.origins of the router"
    return refuse(403, message, origin=origin)


def _place(netloc: str) -> str:
    text = netloc.lower()
    return next((text.removesuffix(port) for port in _DEFAULT_PORTS if text.endswith(port)), text)


def _without_port(host: str) -> str:
    return host.partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _plain(name: str) -> str:
    return name.strip().strip("[]").rstrip(".").lower()


@cache
def _own_names() -> frozenset[str]:
    own = _plain(socket.gethostname())
    short = own.partition(".")[0]
    return frozenset({"localhost", own, short, f"{short}.local"} - {"", ".local"})
