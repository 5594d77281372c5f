"""The connections to Temporal: one for each `temporal.client` entry, made when first needed, shared by everything on this host."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import RPCError, RPCStatusCode, TLSConfig

from runtime import errors
from runtime.errors import Error
from runtime.registry import Registry, TemporalClient, placeholders
from runtime.temporal.client import certificates, rpc
from runtime.temporal.client.interceptor import ClientInterceptor
from runtime.temporal.client.probe import Tls
from runtime.temporal.client.unreached import unreached
from runtime.temporal.converting import PLAIN
from runtime.temporal.payloads import Travel, travel
from runtime.temporal.search_attributes import INDEXED, Declared

Listener = Callable[[str, Client], None]

#: Stands for the client of a registry that has none.
_NO_ENTRY = ""

#: A host, an IPv6 one in brackets, and a port.
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/@\[\]]+):\d{1,5}")


_log = logging.getLogger(__name__)


class Clients:
    """The Temporal clients of a registry. `address` replaces that of every entry (the embedded server's); `namespace` is the one to use there when the registry
    has no client. `connected` is a client that somebody else made, as in a plugin, and serves for every entry.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        address: str | None = None,
        namespace: str | None = None,
        identity: str | None = None,
        connected: Client | None = None,
    ) -> None:
        self._registry = registry
        self._connected = connected
        self._address = address
        self._namespace = namespace
        self._identity = identity
        self._clients: dict[str, Client] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._listeners: list[Listener] = []
        self._travels: dict[str, Travel] = {}

    def use(self, registry: Registry) -> None:
        """From now on these entries. The connection of one that says something else than it did is made anew when it is next needed;
        whoever has the old one keeps it."""
        before, self._registry = self._registry, registry
        self._travels = {}
        for name in list(self._clients):
            if _said(before, name) != _said(registry, name):
                del self._clients[name]

    @property
    def default(self) -> str:
        """The client of calls that name no worker: the first in the registry. Raises `Error` INVALID when there is none."""
        entries = self._registry.of_kind(TemporalClient)
        if entries:
            return entries[0].id
        if self._address is not None and self._namespace is not None:
            return _NO_ENTRY
        raise errors.invalid("the registry has no temporal.client entry")

    def entry(self, client_id: str) -> TemporalClient:
        entry = self._registry.resolve(self._registry[client_id])
        if not isinstance(entry, TemporalClient):
            raise errors.invalid(f"{client_id} is no temporal.client")
        return entry

    async def get(self, client_id: str | None = None) -> Client:
        """The connected client. Raises `Error` UNAVAILABLE when the server does not answer, INVALID for an address that is none."""
        if self._connected is not None:
            return self._connected
        name = client_id or self.default
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name not in self._clients:
                client = self._clients[name] = await self._connect(name, self._options(name))
                for listener in list(self._listeners):
                    listener(name, client)
            return self._clients[name]

    def on_connect(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` for every client that is or will be connected here, until the answer is called."""
        for name, client in self._clients.items():
            listener(name, client)
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def assumed(self, client_id: str) -> str | None:
        """The server and the namespace of an entry, when nobody named them and the defaults of its variables count: as words. Else None."""
        entry = self._registry.get(client_id)
        if self._address is not None or self._connected is not None or not isinstance(entry, TemporalClient):
            return None
        unset = _unset(entry, self._registry.environ, "address", "namespace")
        if not unset:
            return None
        meant = self.entry(client_id)
        return f"{meant.address}, namespace {meant.temporal_namespace}, since {' and '.join(unset)} is not set"

    async def _connect(self, client_id: str, options: dict[str, Any]) -> Client:
        _check_address(options.get("target_host"))
        try:
            # The SDK's core waits three times as long for a server that takes the connection and then says nothing.
            async with asyncio.timeout(self._start_timeout(client_id)):
                client = await Client.connect(**options, interceptors=[ClientInterceptor()])
        except (RuntimeError, RPCError, OSError) as error:  # the timeout is an OSError
            raise await self._unreached(client_id, options, error) from None
        except ValueError as error:  # how the SDK refuses an address
            raise errors.invalid(f"{options['target_host']!r} is no address of a Temporal server: {error}") from None
        await rpc.check_namespace(client)
        return client

    def _start_timeout(self, client_id: str) -> float:
        """Seconds that a connection may take to be made."""
        lifecycle = self.entry(client_id).lifecycle if client_id != _NO_ENTRY else None
        own = lifecycle is not None and "start_timeout" in lifecycle.model_fields_set
        return (lifecycle.start_timeout if lifecycle is not None and own else rpc.TIMEOUT).total_seconds()

    async def _unreached(self, client_id: str, options: dict[str, Any], raised: Exception) -> Error:
        """Its details are for who knows more of where the address comes from."""
        given = self._address is not None
        entry = self._registry.get(client_id)
        client = self.entry(client_id) if entry is not None else None
        whence = _whence(client, self._registry.environ) if client is not None and not given else ""
        tls = options.get("tls")
        sent = (
            Tls(tls.server_root_ca_cert, tls.domain) if isinstance(tls, TLSConfig) else Tls(None, None) if tls else None
        )
        error = await unreached(client, options["target_host"], whence, sent, raised)
        error.details = {**(error.details or {}), "given": given}
        return error

    def _options(self, client_id: str) -> dict[str, Any]:
        if client_id == _NO_ENTRY:
            return {"target_host": self._address, "namespace": self._namespace, **_converting(Travel())}
        entry = self.entry(client_id)
        options = _profile(entry.profile) if entry.profile else {"target_host": entry.address}
        if entry.profile is None or "namespace" not in options:
            options["namespace"] = entry.temporal_namespace
        if self._identity:
            options["identity"] = self._identity
        options |= _converting(self.travel(client_id))
        if self._address is not None:  # the embedded server speaks plain text and knows nobody
            return {**options, "target_host": self._address, "tls": False, "api_key": None}
        return {**options, **_security(entry)} if entry.profile is None else options

    def travel(self, client_id: str | None = None) -> Travel:
        """How the values of a client travel. Raises `Error` INVALID for a key or a store that will not do."""
        if self._connected is not None:  # somebody else's, with a converter of its own
            return Travel()
        name = client_id or self.default
        known = self._travels.get(name)
        if known is None:
            known = self._travels[name] = travel(self._registry, name)
        return known

    async def prepare(self, client_id: str) -> None:
        """Registers the search attributes the entry declares; those that exist stay. Raises `Error`."""
        for name, kind in self.entry(client_id).search_attributes.items():
            await self._register(client_id, name, kind)

    async def registered(self, client_id: str, name: str, kind: str) -> str:
        """The type under which the server has a search attribute; one that it has not is registered as `kind`. Raises `Error`."""
        client = await self.get(client_id)
        with rpc.mapped():
            request = ListSearchAttributesRequest(namespace=client.namespace)
            known = (
                await client.operator_service.list_search_attributes(request, timeout=rpc.TIMEOUT)
            ).custom_attributes
        if name in known:
            return next(own for own, indexed in INDEXED.items() if indexed == known[name])
        await self._register(client_id, name, kind)
        _log.warning(
            'search attribute "%s" is registered as %s, the type of its value; elsewhere than in dev %s has to declare it: '
            "search_attributes: {%s: %s}",
            *(name, kind, client_id, name, kind),
        )
        return kind

    async def _register(self, client_id: str, name: str, kind: str) -> None:
        client = await self.get(client_id)
        request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes={name: INDEXED[kind]})
        with rpc.mapped():
            try:
                await client.operator_service.add_search_attributes(request, timeout=rpc.TIMEOUT)
            except RPCError as error:
                # a cluster may leave this to its operators; a missing attribute shows when it is used
                if error.status not in (RPCStatusCode.ALREADY_EXISTS, RPCStatusCode.PERMISSION_DENIED):
                    raise

    async def away(self) -> str | None:
        """Why the default server does not answer, as a sentence; None when it does."""
        try:
            client = await self.get()
            with rpc.mapped():
                healthy = await client.service_client.check_health(timeout=rpc.TIMEOUT)
        except Error as error:
            return error.message
        return None if healthy else "the Temporal server says that it is not healthy"


def _check_address(address: str | None) -> None:
    """The SDK takes a URL too, with a warning to whoever wrote the call, and without a port one that no Temporal server has."""
    if address is not None and not _ADDRESS.fullmatch(address):
        raise errors.invalid(
            f"{address!r} is no address of a Temporal server: write host:port, such as 127.0.0.1:7233, without a scheme"
        )


def _whence(entry: TemporalClient, environ: Mapping[str, str]) -> str:
    """Where an entry's address comes from, in words."""
    place = f"{entry.id} in {entry.file}:{entry.line}"
    if entry.profile is not None:
        return f"of Temporal's profile {entry.profile} ({place})"
    named = placeholders.variables(str(entry.definition.get("address", "")))
    if not named:
        return f"the address of {place}"
    unset = _unset(entry, environ, "address")
    if unset:
        return f"the default of {place}, since {' and '.join(unset)} is not set"
    return f"which {' and '.join(named)} says for {place}"


def _unset(entry: TemporalClient, environ: Mapping[str, str], *fields: str) -> list[str]:
    """The variables that these fields of an entry name and that nobody has set."""
    named = [name for field in fields for name in placeholders.variables(str(entry.definition.get(field, "")))]
    return [name for name in dict.fromkeys(named) if name not in environ]


def _said(registry: Registry, client_id: str) -> Any:
    entry = registry.get(client_id)
    return None if entry is None else entry.definition


def _converting(how: Travel) -> dict[str, Any]:
    if how.converter is None:
        return {"data_converter": PLAIN}
    headers = {"header_codec_behavior": HeaderCodecBehavior.CODEC} if how.encrypts else {}
    return {"data_converter": how.converter, **headers}


def _profile(name: str) -> dict[str, Any]:
    profile = ClientConfigProfile.load(profile=name)
    return dict(profile.to_client_connect_config())


def _security(entry: TemporalClient) -> dict[str, Any]:
    auth, tls = entry.auth, entry.tls
    api_key = _secret(entry, auth.api_key, auth.api_key_file)
    enabled = tls.enabled if tls is not None else auth.type in ("mtls", "api_key")
    if not enabled:
        return {"tls": False, "api_key": api_key.decode().strip() if api_key else None}
    config = TLSConfig(
        server_root_ca_cert=_secret(entry, None, tls.ca_file) if tls is not None else None,
        domain=tls.server_name if tls is not None else None,
        client_cert=_secret(entry, auth.cert_pem, auth.cert_file),
        client_private_key=_secret(entry, auth.key_pem, auth.key_file),
    )
    certificates.check(entry, config.server_root_ca_cert, config.client_cert, config.client_private_key)
    return {"tls": config, "api_key": api_key.decode().strip() if api_key else None}


def _secret(entry: TemporalClient, text: str | None, file: str | None) -> bytes | None:
    """A secret given as text or as a file relative to the entry's root. Raises `Error` INVALID for an unreadable file."""
    if text is not None:
        return text.encode()
    if file is None:
        return None
    try:
        return Path(entry.root, file).read_bytes()
    except OSError as error:
        raise errors.invalid(f"{entry.id}: cannot read {file}: {error.strerror}") from None


def declared(registry: Registry, client_id: str) -> Declared:
    """The search attributes a client declares."""
    entry = registry.get(client_id)
    return Declared(entry.search_attributes if isinstance(entry, TemporalClient) else {}, client_id)
