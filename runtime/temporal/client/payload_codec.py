"""The payloads of a server's namespace, as its clients would write and read them: for tools that show a history to people."""

from __future__ import annotations

import json
from collections.abc import Sequence

from google.protobuf import json_format
from temporalio.api.common.v1 import Payload as Proto
from temporalio.api.common.v1 import Payloads
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from runtime import errors
from runtime.registry import Registry, TemporalClient
from runtime.registry.problems import did_you_mean
from runtime.temporal.payloads import travel

#: Stored values up to this size are fetched; larger ones stay references, which name their size.
SHOWN = 8 * 1024 * 1024


class NamespaceCodec:
    """The codecs and stores of a registry's clients. A body is the JSON of `temporal.api.common.v1.Payloads`, as Temporal's codec servers have it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def client(self, namespace: str) -> str:
        """The id of the first client of a namespace, or of all for "". Raises `Error` NOT_FOUND."""
        clients = {
            entry.id: self._registry.resolve(entry).temporal_namespace
            for entry in self._registry.of_kind(TemporalClient)
        }
        found = next((id for id, own in clients.items() if namespace in ("", own)), None)
        if found is None:
            raise errors.not_found(
                "temporal.client of the namespace", namespace, did_you_mean(namespace, clients.values())
            )
        return found

    async def decode(self, client: str, body: bytes) -> bytes:
        """Raises `Error` INVALID for a body that is none, PERMISSION_DENIED for a payload of another key, UNAVAILABLE for a store that does not answer."""
        converter = travel(self._registry, client).converter or DataConverter()
        return _body(
            [payload if _is_long(payload) else await _decoded(converter, payload) for payload in _payloads(body)]
        )

    async def encode(self, client: str, body: bytes) -> bytes:
        """Raises `Error` as `decode`."""
        converter = travel(self._registry, client).converter or DataConverter()
        return _body(await converter.encode([RawValue(payload) for payload in _payloads(body)]))


def _payloads(body: bytes) -> Sequence[Proto]:
    try:
        said = json.loads(body)
        if isinstance(said, dict):
            return json_format.ParseDict(said, Payloads()).payloads
    except (json_format.ParseError, ValueError, RecursionError):
        pass
    raise errors.invalid('the body is no JSON of payloads: {"payloads": [{"metadata": {"encoding": …}, "data": …}]}')


def _body(payloads: Sequence[Proto]) -> bytes:
    return json_format.MessageToJson(Payloads(payloads=payloads), indent=None).encode()


def _is_long(payload: Proto) -> bool:
    return sum(stored.size_bytes for stored in payload.external_payloads) > SHOWN


async def _decoded(converter: DataConverter, payload: Proto) -> Proto:
    [clear] = await converter.decode([payload], [RawValue])
    read: Proto = clear.payload
    return read
