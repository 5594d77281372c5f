"""The middleware `metrics`, which counts and times the requests under a router for `/metrics`."""

from __future__ import annotations

import time

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from runtime.errors import Error
from runtime.http.middleware.chain import Serve
from runtime.http.problem import ProblemResponse
from runtime.http.request import route_of
from runtime.http.routes import Params, Route

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Meters:
    """The meters of a server, over all its services, and those that others add."""

    def __init__(self, *others: Collector) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        for other in others:
            self._registry.register(other)
        labels = ("router", "method", "route")
        self.requests = Counter(
            "evermoon_http_requests_total", "Requests answered", (*labels, "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "evermoon_http_request_duration_seconds",
            "From request to the end of its answer",
            labels,
            registry=self._registry,
        )
        self.under_way = Gauge(
            "evermoon_http_requests_in_progress", "Requests under way", ("router",), registry=self._registry
        )

    def routes(self) -> list[Route]:
        return [Route("GET", "/metrics", self.show)]

    async def show(self, request: web.BaseRequest, params: Params) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class MetricsMiddleware:
    """A middleware that counts and times. Its labels are the route as it was defined, never the path of a request, since those are without end."""

    def __init__(self, meters: Meters, router: str) -> None:
        self._meters = meters
        self._router = router

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        begun, status = time.perf_counter(), 499
        under_way = self._meters.under_way.labels(self._router)
        under_way.inc()
        try:
            response = await serve(request)
            status = response.status
            return response
        except ProblemResponse as problem:
            status = problem.status
            raise
        except Error as error:
            status = error.http_status
            raise
        except Exception:
            status = 500
            raise
        finally:
            under_way.dec()
            self._count(request, status, time.perf_counter() - begun)

    def _count(self, request: web.BaseRequest, status: int, seconds: float) -> None:
        method = request.method if request.method in _METHODS else "other"
        labels = (self._router, method, route_of(request))
        self._meters.requests.labels(*labels, str(status)).inc()
        self._meters.seconds.labels(*labels).observe(seconds)
