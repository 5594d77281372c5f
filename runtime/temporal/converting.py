"""How values become payloads where no codec and no store has a part in it, which is most clients.

The SDK asks its converter several times for each value, each time on behalf of somebody: a run, an activity. What it has for that costs as
much as a short activity does, and nobody here makes a difference by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload as Proto
from temporalio.common import RawValue
from temporalio.converter import DataConverter, SerializationContext

from runtime.payload import BINARY, JSON, NULL

#: Of payloads that are no reference to a store, which the SDK refuses where there is none.
_PLAIN = frozenset(encoding.encode() for encoding in (JSON, BINARY, NULL))


class Plain(DataConverter):
    """The SDK's own converter; raw values are the payloads they hold."""

    def with_context(self, context: SerializationContext) -> Plain:
        return self

    async def encode(self, values: Sequence[Any]) -> list[Proto]:
        if all(type(value) is RawValue for value in values):
            return [value.payload for value in values]
        return await super().encode(values)

    async def decode(self, payloads: Sequence[Proto], type_hints: list[type] | None = None) -> list[Any]:
        wanted = type_hints or ()
        if len(wanted) == len(payloads) and all(hint is RawValue for hint in wanted) and all(map(_is_plain, payloads)):
            return [RawValue(payload) for payload in payloads]
        return await super().decode(payloads, type_hints)


def _is_plain(payload: Proto) -> bool:
    return len(payload.metadata) == 1 and payload.metadata.get("encoding") in _PLAIN


PLAIN = Plain()
