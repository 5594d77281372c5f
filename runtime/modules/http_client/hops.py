"""Where the requests of `http_client` are checked on their way: at each name that is resolved and each hop."""

from __future__ import annotations

import socket
from collections.abc import Callable

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from runtime.errors import invalid
from runtime.modules.http_client.guard import Policy, literal_address


class GuardedResolver(AbstractResolver):
    """Answers only with addresses the policy allows; one that it does not allow refuses the name."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            self._policy.check(host, port, result["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()


def guard_hops(policy: Policy, ask: Callable[[str, str], None]) -> aiohttp.ClientMiddlewareType:
    """A middleware that every hop of a request passes. It asks about method and place (scheme, host, port if it is not the usual, and path), and
    checks hosts written as addresses, the old numeric forms (`2130706433`, `0x7f.1`) included. Both raise `Error` to refuse.
    """

    async def guard(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        host = request.url.host or ""
        ask(request.method, f"{request.url.origin()}{request.url.raw_path}")
        address = literal_address(host)
        if address is not None:
            policy.check(host, request.url.port, address)
        elif ":" in host or host.replace(".", "").isdigit():
            raise invalid(
                f"not an address: {host[:80]!r}"
            )  # what looks like one is connected to unresolved, so unchecked
        return await handler(request)

    return guard
