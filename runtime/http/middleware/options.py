"""The options of middleware: a model for each, read from a router's dotted names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from runtime.errors import invalid
from runtime.registry import HttpRouter
from runtime.registry.placeholders import is_in
from runtime.registry.problems import did_you_mean
from runtime.registry.units import Duration

M = TypeVar("M", bound=BaseModel)

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\*\.)?[a-z0-9.\-\[\]:]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _split(value: object) -> object:
    """A list may be written as text with commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _token(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise PydanticCustomError("token", "expects names such as X-Order")
    return value


def _method(value: str) -> str:
    if value.upper() not in _METHODS:
        raise PydanticCustomError("method", "expects methods such as GET,POST")
    return value.upper()


def _origin(value: str) -> str:
    lower = value.lower().rstrip("/")
    if lower not in ("*", "localhost") and not _ORIGIN.fullmatch(lower):
        raise PydanticCustomError(
            "origin", "expects *, localhost, or origins such as https://shop.example or https://*.shop.example"
        )
    return lower


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value.lower()):
        raise PydanticCustomError("sha256", "expects SHA-256 digests of tokens, in 64 hexadecimal digits")
    return value.lower()


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value).strip())
    except ValueError:
        raise PydanticCustomError("network", "expects networks such as 10.0.0.0/8 or addresses") from None


def _interval(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise PydanticCustomError("interval", "expects a duration above zero")
    return value


def _client_key(value: str) -> str:
    kind, _, name = value.partition(":")
    if value != "ip" and not (kind in ("header", "query") and _TOKEN.fullmatch(name)):
        raise PydanticCustomError("key", "expects ip, header:NAME or query:NAME")
    return value


Texts = Annotated[tuple[str, ...], BeforeValidator(_split)]
Names = Annotated[tuple[Annotated[str, AfterValidator(_token)], ...], BeforeValidator(_split)]
Methods = Annotated[tuple[Annotated[str, AfterValidator(_method)], ...], BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_split)]
Networks = Annotated[
    tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...], BeforeValidator(_split)
]
Hashes = Annotated[tuple[Annotated[str, AfterValidator(_sha256)], ...], BeforeValidator(_split)]
Algorithm = Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"]
Interval = Annotated[Duration, AfterValidator(_interval)]
Name = Annotated[str, AfterValidator(_token)]


class MiddlewareOptions(BaseModel):
    """The base of a middleware's options. Field names are the dotted names; a number or a boolean may be written as text."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Cors(MiddlewareOptions):
    origins: Origins = Field(default=("*",), alias="cors.allow.origins")
    methods: Methods = Field(default=("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"), alias="cors.allow.methods")
    headers: Names = Field(
        default=(
            "Origin", "Content-Type", "Accept", "Authorization", "X-Requested-With", "Idempotency-Key", "Last-Event-ID",
        ),
        alias="cors.allow.headers",
    )  # fmt: skip
    expose: Names = Field(default=(), alias="cors.expose.headers")
    credentials: bool = Field(default=False, alias="cors.allow.credentials")
    max_age: int = Field(default=86400, ge=0, alias="cors.max.age")
    private_network: bool = Field(default=False, alias="cors.allow.private.network")

    @model_validator(mode="after")
    def _no_credentials_for_everyone(self) -> Cors:
        if self.credentials and "*" in self.origins:
            raise PydanticCustomError("credentials", "cors.allow.credentials needs cors.allow.origins to name them")
        return self


class Ratelimit(MiddlewareOptions):
    requests: int = Field(default=100, ge=1, alias="ratelimit.requests")
    interval: Interval = Field(default=timedelta(minutes=1), alias="ratelimit.interval")
    burst: int | None = Field(default=None, ge=1, alias="ratelimit.burst")
    key: Annotated[str, AfterValidator(_client_key)] = Field(default="ip", alias="ratelimit.key")
    max_entries: int = Field(default=100_000, ge=1, alias="ratelimit.max_entries")


class Compress(MiddlewareOptions):
    level: Literal["fastest", "default", "best"] = Field(default="default", alias="compress.level")
    min_length: int = Field(default=1024, ge=1, alias="compress.min.length")


class RealIp(MiddlewareOptions):
    trusted: Networks = Field(
        default=(ip_network("127.0.0.0/8"), ip_network("::1/128")), alias="real_ip.trusted.subnets"
    )


class TokenAuth(MiddlewareOptions):
    tokens: Texts = Field(default=(), alias="token_auth.tokens", repr=False)
    variables: Texts = Field(default=(), alias="token_auth.variables")
    hashes: Hashes = Field(default=(), alias="token_auth.hashes")
    jwt_key: str | None = Field(default=None, min_length=1, alias="token_auth.jwt.key", repr=False)
    jwt_variable: str | None = Field(default=None, min_length=1, alias="token_auth.jwt.variable")
    jwt_algorithm: Algorithm = Field(default="HS256", alias="token_auth.jwt.algorithm")
    jwt_issuer: str | None = Field(default=None, min_length=1, alias="token_auth.jwt.issuer")
    jwt_audience: str | None = Field(default=None, min_length=1, alias="token_auth.jwt.audience")
    actor: str | None = Field(default=None, min_length=1, alias="token_auth.actor")
    scope: Texts | None = Field(default=None, alias="token_auth.scope")
    header: Name = Field(default="Authorization", alias="token_auth.header.name")
    prefix: str = Field(default="Bearer", alias="token_auth.header.prefix")
    query: Name | None = Field(default=None, alias="token_auth.query.param")
    cookie: Name | None = Field(default=None, alias="token_auth.cookie.name")


#: Of these options token_auth needs one.
KEYS = frozenset(
    {
        "token_auth.tokens",
        "token_auth.variables",
        "token_auth.hashes",
        "token_auth.jwt.key",
        "token_auth.jwt.variable",
    }
)


class Metrics(MiddlewareOptions):
    """The options of `metrics`, which has none."""


MODELS: Mapping[str, type[MiddlewareOptions]] = {
    "metrics": Metrics,
    "real_ip": RealIp,
    "cors": Cors,
    "ratelimit": Ratelimit,
    "token_auth": TokenAuth,
    "compress": Compress,
}


def dotted(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """`{a: {b: 1}}` as `{"a.b": 1}`: options may be nested."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat |= dotted(value, f"{above}{name}.")
        else:
            flat[f"{above}{name}"] = value
    return flat


def options_of(router: HttpRouter, name: str, model: type[M]) -> M:
    """The options of one middleware of a (resolved) router. Raises `Error` INVALID naming router and option, never a value."""
    try:
        return model.model_validate(_own(router, name))
    except ValidationError as error:
        raise invalid(f"{router.id}: {'; '.join(map(_told, error.errors(include_input=False)))}") from None


def variable_id(router: HttpRouter, name: str) -> str:
    """A bare name is of the router's own namespace."""
    return name if ":" in name else f"{router.namespace}:{name}"


@dataclass(frozen=True, slots=True)
class Faults:
    """A fault in the options of a router. A `note` is harmless, but hardly what was meant."""

    message: str
    hint: str | None = None
    note: bool = False


def faults(router: HttpRouter) -> Iterator[Faults]:
    """What is wrong with a router's options, as they are written: what holds a placeholder is judged at start."""
    given = dotted(router.options)
    known = {field.alias or "": name for name, model in MODELS.items() for field in model.model_fields.values()}
    for option in given:
        if option not in known:
            yield Faults(f"options: there is no {option}", did_you_mean(option, known))
        elif known[option] not in router.middleware:
            yield Faults(f"options: {option} does nothing: middleware does not list {known[option]}", note=True)
    for name in router.middleware:
        if name in MODELS:
            yield from _misfits(router, name)
    if "token_auth" in router.middleware and not given.keys() & KEYS:
        yield Faults(f"options: token_auth needs {' or '.join(sorted(KEYS, reverse=True))}")


def _misfits(router: HttpRouter, name: str) -> Iterator[Faults]:
    model = MODELS[name]
    known = {field.alias for field in model.model_fields.values()}
    written = {key: value for key, value in _own(router, name).items() if key in known and not is_in(value)}
    try:
        model.model_validate(written)
    except ValidationError as error:
        for item in error.errors(include_input=False):
            yield Faults(f"options: {_told(item)}")


def _own(router: HttpRouter, name: str) -> dict[str, Any]:
    return {key: value for key, value in dotted(router.options).items() if key.startswith(f"{name}.")}


def _told(item: Any) -> str:
    option = str(item["loc"][0]) if item["loc"] else ""
    return f"{option}: {item['msg']}" if option else str(item["msg"])
