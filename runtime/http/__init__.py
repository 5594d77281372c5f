"""HTTP: endpoints whose handlers are functions of the registry, and the runs API. This is the only package that imports `aiohttp.web`.

Its names are imported when first used (PEP 562): a registry is checked without what a server needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.http.backend import Backend, Functions, Readiness
    from runtime.http.checks import http_checks
    from runtime.http.server import HttpOptions, HttpServer, codec_url

__all__ = ["Backend", "Functions", "HttpOptions", "HttpServer", "Readiness", "codec_url", "http_checks"]

_HOMES = {
    "Backend": "backend",
    "Functions": "backend",
    "HttpOptions": "server",
    "HttpServer": "server",
    "Readiness": "backend",
    "codec_url": "server",
    "http_checks": "checks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
