"""The middleware `token_auth`, which lets pass requests with a known or signed token and no others. The token says for whom the request is."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from aiohttp import web

from runtime.errors import invalid
from runtime.http.browsers import is_of_another_origin, refusal
from runtime.http.middleware.chain import Serve
from runtime.http.middleware.cors import CorsMiddleware
from runtime.http.middleware.options import TokenAuth, variable_id
from runtime.http.problem import refuse
from runtime.http.request import set_principal, take_parameter
from runtime.principal import Actor, Principal
from runtime.registry import EnvVariable, HttpRouter, Registry
from runtime.registry.kinds.security import scope_ids

#: A key shorter than the digest it makes can be found by trying (RFC 7518, 3.2).
_SHORTEST = {"HS256": 32, "HS384": 48, "HS512": 64}


@dataclass(frozen=True, slots=True)
class Known:
    """A known token, as its SHA-256 digest, and the principal it stands for."""

    digest: bytes
    principal: Principal


@dataclass(frozen=True, slots=True)
class Signer:
    """The verifier of signed tokens: `sub` is the actor, `meta` what is known of it, `scope` (a list, or text with spaces) its scope."""

    key: str
    algorithm: str
    issuer: str | None
    audience: str | None
    namespace: str
    scope: tuple[str, ...] | None

    def principal(self, token: str) -> Principal | None:
        """None for a token that was not signed so, or not for here, or not for now."""
        try:
            claims = jwt.decode(
                token,
                self.key,
                algorithms=[self.algorithm],
                issuer=self.issuer,
                audience=self.audience,
                options={"require": ["exp", "sub"], "verify_aud": self.audience is not None},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return self._of(claims)

    def _of(self, claims: Mapping[str, Any]) -> Principal | None:
        actor = Actor.read({"id": claims["sub"], "meta": claims.get("meta")})
        scope = claims.get("scope")
        if scope is None:
            return Principal(actor, self.scope) if actor is not None else None
        names = scope.split() if isinstance(scope, str) else scope
        if actor is None or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        return Principal(actor, scope_ids(names, self.namespace))


class TokenAuthMiddleware:
    """A middleware that answers 401 to a request without a known token. How long that takes says nothing about the tokens."""

    def __init__(
        self,
        options: TokenAuth,
        known: Iterable[Known],
        signer: Signer | None = None,
        cors: CorsMiddleware | None = None,
    ) -> None:
        self._options = options
        self._cors = cors
        self._known = list(known)
        self._signer = signer

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        principal = self.principal(request)
        if principal is None:
            raise refuse(401, "this needs a token", headers={"WWW-Authenticate": self._options.prefix or "Bearer"})
        set_principal(request, principal)
        return await serve(request)

    def principal(self, request: web.BaseRequest) -> Principal | None:
        """For whom a request is, None when its token says nobody, or it has none.

        A browser sends a cookie along whoever asks: answers 403 where another origin sends what may change something.
        """
        given = self._given(request)
        if given is None:
            return None
        digest = _digest(given)
        matches = [item for item in self._known if hmac.compare_digest(digest, item.digest)]  # all are looked at
        if matches:
            return matches[0].principal
        return self._signer.principal(given) if self._signer is not None else None

    def _given(self, request: web.BaseRequest) -> str | None:
        options = self._options
        given_in_query = take_parameter(request, options.query) if options.query else None
        text = request.headers.get(options.header)
        if text is not None:
            return _without(options.prefix, text)
        if options.cookie and options.cookie in request.cookies:
            if is_of_another_origin(request, self._cors, with_cookie=True):
                raise refusal(request)
            return request.cookies[options.cookie]
        return given_in_query


class AnyToken:
    """A guard that lets pass what any of several guards would."""

    def __init__(self, guards: Iterable[TokenAuthMiddleware]) -> None:
        self._guards = list(guards)

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        principal = next(filter(None, (guard.principal(request) for guard in self._guards)), None)
        if principal is None:
            raise refuse(401, "this needs a token", headers={"WWW-Authenticate": "Bearer"})
        set_principal(request, principal)
        return await serve(request)


def guard_of(
    router: HttpRouter, options: TokenAuth, registry: Registry, cors: CorsMiddleware | None
) -> TokenAuthMiddleware:
    """The guard of a (resolved) router. Raises `Error` INVALID when it knows no token: a door nobody can open is a mistake."""
    signer = _signer(router, options, registry)
    known = _known(router, options, registry)
    if not known and signer is None:
        raise invalid(f"{router.id}: token_auth knows no token")
    return TokenAuthMiddleware(options, known, signer, cors)


def _known(router: HttpRouter, options: TokenAuth, registry: Registry) -> list[Known]:
    scope = _scope(router, options)

    def known(digest: bytes, id: str) -> Known:
        return Known(digest, Principal(Actor(options.actor or id), scope))

    named = [
        known(_digest(_value(router, "token_auth.variables", name, registry)), variable_id(router, name))
        for name in options.variables
    ]
    hashed = [known(bytes.fromhex(text), router.id) for text in options.hashes]
    return [*named, *hashed, *(known(_digest(token), router.id) for token in options.tokens)]


def _signer(router: HttpRouter, options: TokenAuth, registry: Registry) -> Signer | None:
    key, algorithm = options.jwt_key, options.jwt_algorithm
    if options.jwt_variable is not None:
        key = _value(router, "token_auth.jwt.variable", options.jwt_variable, registry)
    if key is None:
        return None
    try:
        if len(key.encode()) < _SHORTEST.get(algorithm, 0):
            raise invalid(f"{router.id}: the key of token_auth.jwt is shorter than {_SHORTEST[algorithm]} bytes")
        jwt.get_algorithm_by_name(algorithm).prepare_key(key)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise invalid(f"{router.id}: the key of token_auth.jwt is none for {algorithm}") from None
    scope = _scope(router, options)
    return Signer(key, algorithm, options.jwt_issuer, options.jwt_audience, router.namespace, scope)


def _scope(router: HttpRouter, options: TokenAuth) -> tuple[str, ...] | None:
    return None if options.scope is None else scope_ids(options.scope, router.namespace)


def _value(router: HttpRouter, option: str, name: str, registry: Registry) -> str:
    entry = registry.get(variable_id(router, name))
    if not isinstance(entry, EnvVariable):
        raise invalid(f"{router.id}: {option}: {name} is no env.variable")
    resolved = registry.resolve(entry)
    value = registry.environ.get(resolved.variable, resolved.default or "").strip()
    if not value:
        raise invalid(f"{router.id}: {option}: {name} has no value")
    return value


def _without(prefix: str, text: str) -> str | None:
    scheme = prefix.strip()
    if not scheme:
        return text.strip()
    head, _, rest = text.strip().partition(" ")
    return rest.strip() if head.lower() == scheme.lower() and rest.strip() else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
