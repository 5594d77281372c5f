"""HTTP servers, the routers on them, the endpoints functions answer, and files."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from runtime.registry.models import Entry, Lift, Model, Reference, ServiceEntry
from runtime.registry.units import Address, Duration, Frozen, FrozenDict, Size

_SEGMENT = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}|[^{}/?#\s]*")
_REST = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\.\.\.\}")
_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"
_FORM = 'expects a path such as "/orders/{id}" or "/files/{rest...}"'


def _path(value: str) -> str:
    head, _, last = value.rpartition("/")
    segments = [*head.split("/"), last]
    if not value.startswith("/") or not all(
        _SEGMENT.fullmatch(part) or (part is last and _REST.fullmatch(part)) for part in segments
    ):
        raise PydanticCustomError("path", _FORM)
    names = re.findall(r"\{([A-Za-z0-9_]+)", value)
    if len(names) != len(set(names)):
        raise PydanticCustomError("path", "names one parameter twice")
    return value


def _prefix(value: str) -> str:
    if value and not value.startswith("/"):
        raise PydanticCustomError("prefix", 'expects a prefix such as "/api"')
    return value.rstrip("/")


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
Middleware = Literal["cors", "ratelimit", "compress", "real_ip", "token_auth", "metrics"]
Method = Annotated[
    Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"],
    BeforeValidator(_upper),
    WithJsonSchema({"enum": [*_METHODS, *map(str.lower, _METHODS)]}),
]


class Timeouts(Model):
    """Limits of time. `read`: the whole request; `write`: the whole answer (None: no limit, as streams need); `idle`: a kept-alive connection."""

    read: Duration = timedelta(seconds=30)
    write: Duration | None = None
    idle: Duration = timedelta(seconds=75)


class ServerTls(Model):
    cert: str
    key: str


class HttpService(ServiceEntry):
    """A listening server. `hosts`: names it answers to, besides those of its machine, where no token is asked for."""

    KIND = "http.service"
    LIFECYCLE = ServiceEntry.LIFECYCLE | {"stop_timeout"}
    IS_STARTED = True

    kind: Literal["http.service"]
    addr: Address = "127.0.0.1:8080"
    timeouts: Timeouts = Timeouts.model_construct()
    tls: ServerTls | None = None
    max_body: Size = 1024**2
    hosts: tuple[Annotated[str, Field(pattern=_HOST)], ...] = ()

    @property
    def host(self) -> str:
        """The host to bind; empty for every interface. Call on a resolved entry."""
        return self.addr.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to bind; 0 for any free one. Call on a resolved entry."""
        return int(self.addr.rpartition(":")[2])


class HttpRouter(Entry):
    """A prefix on a server, with the middleware its endpoints share. `prefix` has no slash at its end."""

    KIND = "http.router"
    REFERENCES = (Reference(("server",), ("http.service",)), Reference(("meta", "server"), ("http.service",)))
    LIFTS = (Lift("server", ("meta", "server"), direct=True),)

    kind: Literal["http.router"]
    server: str
    prefix: Annotated[str, AfterValidator(_prefix)] = ""
    middleware: tuple[Middleware, ...] = ()
    options: Frozen = Field(default_factory=FrozenDict)


class HttpEndpoint(Entry):
    """A method and path under a router, answered by a function."""

    KIND = "http.endpoint"
    REFERENCES = (
        Reference(("router",), ("http.router",)),
        Reference(("meta", "router"), ("http.router",)),
        Reference(("func",), ("function.lua", "function.py")),
    )
    LIFTS = (Lift("router", ("meta", "router"), direct=True),)

    kind: Literal["http.endpoint"]
    router: str
    method: Method = "GET"
    path: Annotated[str, AfterValidator(_path)]
    func: str


class HttpStatic(Entry):
    """Files of a directory, under a path. `spa`: a path that names no file is answered with the directory's `index.html`."""

    KIND = "http.static"
    REFERENCES = (Reference(("server",), ("http.service",)), Reference(("meta", "server"), ("http.service",)))
    LIFTS = (Lift("server", ("meta", "server"), direct=True),)

    kind: Literal["http.static"]
    server: str
    path: Annotated[str, AfterValidator(_prefix)] = "/"
    directory: str = Field(min_length=1)
    spa: bool = False
