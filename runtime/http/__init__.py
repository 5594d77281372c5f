"""HTTP: endpoints whose handlers are functions of the registry, and the runs API. This is the only package that imports `aiohttp.web`."""

from runtime.http.backend import Backend, Functions, Readiness
from runtime.http.checks import http_checks
from runtime.http.server import HttpOptions, HttpServer

__all__ = ["Backend", "Functions", "HttpOptions", "HttpServer", "Readiness", "http_checks"]
