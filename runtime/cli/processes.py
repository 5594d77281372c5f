"""The processes of a running host, asked for over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runtime.cli.common import Cli
from runtime.cli.dev_state import DevState
from runtime.errors import NOT_FOUND, Error, unavailable
from runtime.late import late

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = late("aiohttp")

#: Seconds that a host gets for its answer.
_PATIENCE = 10.0
_PATH = "/api/v1/processes"


def host_url(cli: Cli, url: str | None) -> str | None:
    """The base URL to ask: `url`, else that of the running dev server; None when there is neither."""
    if url is not None:
        return url.rstrip("/")
    dev = DevState.read(cli.settings.state)
    return next(iter(dev.http.values()), "").rstrip("/") or None if dev else None


async def listed(base: str) -> list[dict[str, Any]]:
    """Raises `Error` UNAVAILABLE when nobody answers there."""
    processes: list[dict[str, Any]] = (await _get(base, _PATH))["processes"]
    return processes


async def shown(base: str | None, pid: str) -> dict[str, Any]:
    """One process with its stack. Raises `Error`: NOT_FOUND for one that does not run, UNAVAILABLE without a host to ask."""
    if base is None:
        raise unavailable(f"{pid} is a process of a host: start evermoon dev, or name the host with --url")
    return await _get(base, f"{_PATH}/{quote(pid, safe='')}")


async def _get(base: str, path: str) -> dict[str, Any]:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as http,
            http.get(base + path) as response,
        ):
            document: dict[str, Any] = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise unavailable(f"{base} does not answer") from error
    if response.status == 404:
        raise Error(NOT_FOUND, str(document.get("detail") or "not found"), retryable=False)
    if response.status != 200:
        raise unavailable(f"{base} answers {response.status}: {document.get('detail')}")
    return document
