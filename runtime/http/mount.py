"""The routers of a service: each a prefix, and the middleware of what is under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.http.middleware import options
from runtime.http.middleware.chain import Middleware, MiddlewareChain
from runtime.http.middleware.compress import CompressMiddleware
from runtime.http.middleware.cors import CorsMiddleware
from runtime.http.middleware.metrics import Meters, MetricsMiddleware
from runtime.http.middleware.options import options_of
from runtime.http.middleware.ratelimit import RatelimitMiddleware
from runtime.http.middleware.real_ip import RealIpMiddleware
from runtime.http.middleware.token_auth import TokenAuthMiddleware, guard_of
from runtime.registry import HttpRouter, Registry


@dataclass(frozen=True, slots=True)
class Mount:
    """A router on a service. `outer` is the middleware that every request under the prefix passes; `limits` comes before the guard, so that
    guessing tokens is limited too, and `inner` after it."""

    router: str
    prefix: tuple[str, ...]
    outer: tuple[Middleware, ...] = ()
    limits: tuple[Middleware, ...] = ()
    inner: tuple[Middleware, ...] = ()
    guard: TokenAuthMiddleware | None = None
    cors: CorsMiddleware | None = None

    def covers(self, segments: Sequence[str]) -> bool:
        return tuple(segments[: len(self.prefix)]) == self.prefix

    def chain(self, guard: Middleware | None, *, light: bool = False) -> MiddlewareChain:
        """`light`: without limits and what comes after the guard, for what has to answer whoever asks."""
        if light:
            return MiddlewareChain([*self.outer, *([guard] if guard else [])])
        return MiddlewareChain([*self.outer, *self.limits, *([guard] if guard else []), *self.inner])


@dataclass(slots=True)
class Mounts:
    """The maker of mounts. Counts and buckets outlive a reload of the registry, as far as their options stay the same."""

    meters: Meters = field(default_factory=Meters)
    _limits: dict[str, RatelimitMiddleware] = field(default_factory=dict)

    def of(self, router: HttpRouter, registry: Registry) -> Mount:
        """A (resolved) router. Its middleware takes effect in one order, however it is listed. Raises `Error` INVALID."""
        listed = frozenset(router.middleware)
        outer: list[Middleware] = []
        if "metrics" in listed:
            outer.append(MetricsMiddleware(self.meters, router.id))
        if "real_ip" in listed:
            outer.append(RealIpMiddleware(options_of(router, "real_ip", options.RealIp)))
        cors = CorsMiddleware(options_of(router, "cors", options.Cors)) if "cors" in listed else None
        if cors is not None:
            outer.append(cors)
        limits = [self._limit(router)] if "ratelimit" in listed else []
        inner: list[Middleware] = []
        if "compress" in listed:
            inner.append(CompressMiddleware(options_of(router, "compress", options.Compress)))
        guard = None
        if "token_auth" in listed:
            wanted = options_of(router, "token_auth", options.TokenAuth)
            guard = guard_of(router, wanted, registry, cors)
        prefix = tuple(part for part in router.prefix.split("/") if part)
        return Mount(router.id, prefix, tuple(outer), tuple(limits), tuple(inner), guard, cors)

    def _limit(self, router: HttpRouter) -> RatelimitMiddleware:
        wanted = options_of(router, "ratelimit", options.Ratelimit)
        known = self._limits.get(router.id)
        if known is None or known.options != wanted:
            known = self._limits[router.id] = RatelimitMiddleware(wanted)
        return known
