"""The middleware `real_ip`, which takes the client's address from the headers of trusted proxies and of nobody else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from runtime.http.middleware.chain import Serve
from runtime.http.middleware.options import RealIp
from runtime.http.request import set_client


class RealIpMiddleware:
    """A middleware that walks `X-Forwarded-For` from its end, where the nearest proxy wrote, over trusted proxies to the first other address.

    Anyone may have written what stands before that. Without the header, a trusted proxy's `X-Real-IP` counts.
    """

    def __init__(self, options: RealIp) -> None:
        self._trusted = options.trusted

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        client = self._client(request)
        if client is not None:
            set_client(request, str(client))
        return await serve(request)

    def _client(self, request: web.BaseRequest) -> IPv4Address | IPv6Address | None:
        client = _address(request.remote or "")
        if client is None or not self._trusts(client):
            return client
        hops = [hop for line in request.headers.getall("X-Forwarded-For", []) for hop in line.split(",")]
        for hop in reversed(hops or [request.headers.get("X-Real-IP", "")]):
            said = _address(hop)
            if said is None:
                break
            client = said
            if not self._trusts(said):
                break
        return client

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Also with a port, as some proxies write it."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
