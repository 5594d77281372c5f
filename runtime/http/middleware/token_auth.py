"""token_auth: requests that bring one of the known tokens, and no others."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from aiohttp import web

from runtime.errors import invalid
from runtime.http.middleware.chain import Serve
from runtime.http.middleware.options import TokenAuth
from runtime.http.problem import refuse
from runtime.registry import EnvVariable, HttpRouter, Registry


class TokenAuthMiddleware:
    """Answers 401 to a request without a known token. How long that takes says nothing about the tokens."""

    def __init__(self, options: TokenAuth, tokens: Iterable[str]) -> None:
        self._options = options
        self._digests = [_digest(token) for token in tokens]

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        if not self.accepts(request):
            raise refuse(401, "this needs a token", headers={"WWW-Authenticate": self._options.prefix or "Bearer"})
        return await serve(request)

    def accepts(self, request: web.BaseRequest) -> bool:
        given = self._given(request)
        if given is None:
            return False
        digest = _digest(given)
        matches = [hmac.compare_digest(digest, known) for known in self._digests]  # all of them, whichever matches
        return any(matches)

    def _given(self, request: web.BaseRequest) -> str | None:
        options = self._options
        text = request.headers.get(options.header)
        if text is not None:
            return _without(options.prefix, text)
        if options.cookie and options.cookie in request.cookies:
            return request.cookies[options.cookie]
        return request.query.get(options.query) if options.query else None


class AnyToken:
    """Lets pass what any of several guards would."""

    def __init__(self, guards: Iterable[TokenAuthMiddleware]) -> None:
        self._guards = list(guards)

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        if not any(guard.accepts(request) for guard in self._guards):
            raise refuse(401, "this needs a token", headers={"WWW-Authenticate": "Bearer"})
        return await serve(request)


def tokens_of(router: HttpRouter, options: TokenAuth, registry: Registry) -> list[str]:
    """The tokens a (resolved) router knows. Raises `Error` INVALID when there is none: a door nobody can open is a mistake."""
    tokens = [*options.tokens, *(_value(router, name, registry) for name in options.variables)]
    if not tokens:
        raise invalid(f"{router.id}: token_auth knows no token")
    return tokens


def variable_id(router: HttpRouter, name: str) -> str:
    """A bare name is of the router's own namespace."""
    return name if ":" in name else f"{router.namespace}:{name}"


def _value(router: HttpRouter, name: str, registry: Registry) -> str:
    entry = registry.get(variable_id(router, name))
    if not isinstance(entry, EnvVariable):
        raise invalid(f"{router.id}: token_auth.variables: {name} is no env.variable")
    resolved = registry.resolve(entry)
    value = registry.environ.get(resolved.variable, resolved.default or "").strip()
    if not value:
        raise invalid(f"{router.id}: token_auth.variables: {name} has no value")
    return value


def _without(prefix: str, text: str) -> str | None:
    scheme = prefix.strip()
    if not scheme:
        return text.strip()
    head, _, rest = text.strip().partition(" ")
    return rest.strip() if head.lower() == scheme.lower() and rest.strip() else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
