"""The HTTP server: every `http.service` of the registry, each with the runs API and the endpoints of its routers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.contracts import Workflows
from runtime.errors import invalid, permission_denied
from runtime.http.backend import Backend
from runtime.http.codec import CODEC, CodecRoutes, mount_of
from runtime.http.dispatch import Dispatch
from runtime.http.docs.serving import Docs
from runtime.http.endpoints import Times, endpoint_routes
from runtime.http.entries import Entries
from runtime.http.events import RunEvents
from runtime.http.health import Health
from runtime.http.host_metrics import HibernationCollector, PublishingCollector
from runtime.http.listener import Address, Listener, tls_context
from runtime.http.middleware.metrics import Meters
from runtime.http.mount import Mounts
from runtime.http.operations import Operations
from runtime.http.page.serving import WatchPage, without_taken
from runtime.http.processes import ProcessRoutes
from runtime.http.routes import Route, Routes
from runtime.http.run_routes import RunRoutes
from runtime.http.schedules import ScheduleRoutes
from runtime.http.starting import Starting
from runtime.http.static import static_routes
from runtime.registry import HttpEndpoint, HttpRouter, HttpService, Registry
from runtime.registry.kinds import HttpStatic
from runtime.registry.models import Place

#: The service that is served when a registry names none and one is wanted.
DEFAULT_ID = "evermoon:http"


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """The options of the server. `move_ports`: take the next free port when the wanted one is taken. `insecure`: other addresses than loopback are
    allowed without authentication. `default_service`: serve 127.0.0.1:8080 when the registry has no `http.service`.
    `port`: that of the first service, whatever its entry says. `ui`: the URL of a Temporal UI on this machine, whose pages may use the codec.
    `grace`: seconds that requests under way get when the server stops.
    """

    move_ports: bool = False
    insecure: bool = False
    default_service: bool = False
    port: int | None = None
    grace: float = 10.0
    ui: str | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """A service that keeps listening where it does, with what it is to answer from."""

    entry: HttpService
    service: Listener
    answer: Dispatch

    def take_effect(self) -> None:
        entry, service = self.entry, self.service
        service.id, service.answer = entry.id, self.answer
        timeouts = entry.timeouts
        service.adjust(max_body=entry.max_body, read=timeouts.read.total_seconds(), idle=timeouts.idle.total_seconds())
        if (
            service.tls is not None and entry.tls is not None
        ):  # a new certificate, for connections that are made from now on
            service.tls.load_cert_chain(entry.root / entry.tls.cert, entry.root / entry.tls.key)


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a reload: services that go on, those that listen already and those that are to stop."""

    kept: list[Renewal] = field(default_factory=list)
    fresh: list[Listener] = field(default_factory=list)
    gone: list[Listener] = field(default_factory=list)


Holds = Callable[[Registry, str], bool]


class HttpServer:
    """The HTTP server of a host, made with what it serves. Nothing listens before `start`, nothing is left listening after `stop`."""

    def __init__(self, backend: Backend, options: HttpOptions | None = None, holds: Holds | None = None) -> None:
        """`holds`: whether a service is not to begin to listen yet."""
        self._backend = backend
        self._holds = holds or (lambda registry, id: False)
        self._options = options or HttpOptions()
        self._services: list[Listener] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._mounts = Mounts(
            Meters(HibernationCollector(backend.hibernation), PublishingCollector(backend.publishing))
        )

    @property
    def urls(self) -> Mapping[str, str]:
        """The base URL of each service by entry id, with the port it really has."""
        return {service.id: service.url for service in self._services}

    async def start(self) -> None:
        """Listens on every service, or on none: raises `Error` (INVALID, PERMISSION_DENIED, UNAVAILABLE) and stops what began."""
        registry = self._backend.registry
        services = [self._service(entry, registry) for entry in self._wanted(registry)]
        try:
            for service in services:
                await service.start(move=self._options.move_ports)
                self._services.append(service)
        except BaseException:
            await self.stop()
            raise

    async def reload(self, registry: Registry, workflows: Workflows) -> None:
        """Answers from another registry from now on; raises as `prepare`."""
        change = await self.prepare(registry)
        self.commit(change, registry, workflows)

    async def prepare(self, registry: Registry) -> Change:
        """What another registry makes different, ready for `commit`: new addresses listen already.

        Raises `Error` and changes nothing: INVALID when the new routes do not fit together, PERMISSION_DENIED when a
        service that others can reach would lose its guard, UNAVAILABLE when a new address is taken.
        """
        entries = self._wanted(registry)
        kept = _kept(entries, self._services)
        change = Change(gone=[service for service in self._services if service not in kept.values()])
        for entry in entries:
            service = kept.get(entry.id)
            if service is not None:
                change.kept.append(self._renewal(entry, service, registry))
        try:
            for entry in entries:
                if entry.id not in kept:
                    fresh = self._service(entry, registry)
                    await fresh.start(move=self._options.move_ports)
                    change.fresh.append(fresh)
        except BaseException:
            await self.abandon(change)
            raise
        return change

    def commit(self, change: Change, registry: Registry, workflows: Workflows) -> None:
        """Requests that have found their handler keep it. What listens no more lets those under way end, as `stop` does."""
        self._backend.registry, self._backend.workflows = registry, workflows
        for renewal in change.kept:
            renewal.take_effect()
        self._services = [*(renewal.service for renewal in change.kept), *change.fresh]
        for service in change.gone:
            leaving = asyncio.create_task(service.stop())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def abandon(self, change: Change) -> None:
        """Instead of `commit`."""
        for service in change.fresh:
            await service.stop()

    async def stop(self) -> None:
        """Takes no new requests, lets those under way end within the grace, then closes all connections."""
        self._backend.stopping.set()
        services, self._services = self._services, []
        for service in services:
            await service.stop()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def _renewal(self, entry: HttpService, service: Listener, registry: Registry) -> Renewal:
        self._refuse_exposure(entry, service.address, registry)
        if (entry.tls is None) != (service.tls is None):
            raise invalid(f"{entry.id}: tls is switched on or off at a restart only, or at another address")
        if entry.tls is not None:
            tls_context(entry.id, entry.root / entry.tls.cert, entry.root / entry.tls.key)
        return Renewal(entry, service, self._dispatch(entry, service.address, registry))

    def _service(self, entry: HttpService, registry: Registry) -> Listener:
        wanted = Address.parse(entry.addr)
        self._refuse_exposure(entry, wanted, registry)
        tls = entry.tls
        return Listener(
            entry.id,
            wanted,
            self._dispatch(entry, wanted, registry),
            max_body=entry.max_body,
            tls=tls_context(entry.id, entry.root / tls.cert, entry.root / tls.key) if tls else None,
            read=entry.timeouts.read.total_seconds(),
            idle=entry.timeouts.idle.total_seconds(),
            grace=self._grace(entry),
        )

    def _grace(self, entry: HttpService) -> float:
        own = "stop_timeout" in entry.lifecycle.model_fields_set
        return entry.lifecycle.stop_timeout.total_seconds() if own else self._options.grace

    def _wanted(self, registry: Registry) -> list[HttpService]:
        """The services that are to listen now."""
        listening = self.urls
        return [
            entry
            for entry in _services(registry, self._options)
            if entry.id in listening or not self._holds(registry, entry.id)
        ]

    def _dispatch(self, entry: HttpService, address: Address, registry: Registry) -> Dispatch:
        routers = [registry.resolve(router) for router in _routers(entry, registry)]
        mounts = [self._mounts.of(router, registry) for router in routers]
        if self._options.ui is not None:
            mounts.append(mount_of(self._options.ui))
        return Dispatch(
            self._routes(entry, registry, routers), mounts, exposed=not address.is_loopback, hosts=entry.hosts
        )

    def _routes(self, entry: HttpService, registry: Registry, routers: list[HttpRouter]) -> Routes:
        read = entry.timeouts.read.total_seconds()
        write = entry.timeouts.write.total_seconds() if entry.timeouts.write else None
        times = Times(read, write, entry.timeouts.idle.total_seconds())
        endpoints = [registry.resolve(endpoint) for endpoint in registry.of_kind(HttpEndpoint)]
        files = [registry.resolve(static) for static in registry.of_kind(HttpStatic) if static.server == entry.id]
        served: list[Route] = []
        own = own_routes(self._backend, self._mounts.meters, times, served)
        others = [*endpoint_routes(self._backend, registry, routers, endpoints, times), *static_routes(files)]
        routes = Routes([*without_taken(own, others), *others])
        served.extend(routes)
        return routes

    def _refuse_exposure(self, entry: HttpService, wanted: Address, registry: Registry) -> None:
        guarded = any("token_auth" in router.middleware for router in _routers(entry, registry))
        if wanted.is_loopback or guarded or self._options.insecure:
            return
        raise permission_denied(
            f"{entry.id}: {wanted.host}:{wanted.port} can be reached from other machines and nothing asks who is calling; "
            "bind 127.0.0.1, give a router token_auth, or say --insecure"
        )


def own_routes(backend: Backend, meters: Meters, times: Times, served: Sequence[Route] = ()) -> list[Route]:
    """What every service answers by itself. `served`: all that it answers, for its pages."""
    return [
        *Health(backend).routes(),
        *meters.routes(),
        *Docs(backend, served).routes(),
        *Entries(backend).routes(),
        *Starting(backend, times.read).routes(),
        *Operations(backend, times.read).routes(),
        *RunRoutes(backend, times.read).routes(),
        *RunEvents(backend, times.idle).routes(),
        *ProcessRoutes(backend).routes(),
        *ScheduleRoutes(backend).routes(),
        *WatchPage().routes(),
        *CodecRoutes(backend, times.read).routes(),
    ]


def _kept(entries: Sequence[HttpService], services: Sequence[Listener]) -> dict[str, Listener]:
    """The services that stay where they listen, by the id they will have: an entry may be renamed."""
    found: dict[str, Listener] = {}
    for entry in sorted(entries, key=lambda entry: all(service.id != entry.id for service in services)):
        wanted = Address.parse(entry.addr)
        free = [service for service in services if service.wanted == wanted and service not in found.values()]
        same = [service for service in free if service.id == entry.id]
        if wanted.port or same:
            for service in (same or free)[:1]:
                found[entry.id] = service
    return found


def _routers(entry: HttpService, registry: Registry) -> list[HttpRouter]:
    return [router for router in registry.of_kind(HttpRouter) if router.server == entry.id]


def _services(registry: Registry, options: HttpOptions) -> Sequence[HttpService]:
    """Those that are started: one even where the registry names none, if the options say so. The port that these name is the first one's."""
    named = registry.of_kind(HttpService)
    found = [registry.resolve(entry) for entry in named if entry.id in registry.services.started]
    if not named and options.default_service:
        found = [default_service()]
    if found and options.port is not None:
        host = Address.parse(found[0].addr).host
        found[0] = found[0].model_copy(update={"addr": f"{f'[{host}]' if ':' in host else host}:{options.port}"})
    return found


def codec_url(registry: Registry, options: HttpOptions) -> str | None:
    """Where the codec of a registry's first service will be; None where that is known only when it listens."""
    for entry in _services(registry, options)[:1]:
        address = Address.parse(entry.addr)
        if address.port:
            return address.url("https" if entry.tls else "http") + CODEC
    return None


def default_service() -> HttpService:
    namespace, _, name = DEFAULT_ID.partition(":")
    place = Place(file=Path(), line=0, namespace=namespace, root=Path())
    return HttpService(name=name, kind="http.service", place=place)
