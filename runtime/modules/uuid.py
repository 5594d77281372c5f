"""uuid: RFC 9562 identifiers. Randomness and time are given by the Lua half, so a workflow's replay makes the same ones."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Any

from runtime.errors import Error, invalid
from runtime.modules.definition import WORKFLOW, ModuleDef

_GREGORIAN = 0x01B21DD213814000  # 100 ns intervals from 1582-10-15 to 1970-01-01
_HEX = rb"[0-9a-fA-F]"
_STANDARD = b"-".join(_HEX + b"{%d}" % size for size in (8, 4, 4, 4, 12))
_FORMS = re.compile(rb"(?:urn:uuid:)?" + _STANDARD + rb"|\{" + _STANDARD + rb"\}|" + _HEX + rb"{32}")
_VARIANTS = {uuid.RFC_4122: "RFC4122", uuid.RESERVED_NCS: "NCS", uuid.RESERVED_MICROSOFT: "Microsoft"}


def v1(now: int, random: bytes) -> str:
    """`now` in nanoseconds since 1970; the node is random, marked as no hardware address (RFC 9562 §6.10)."""
    ticks = now // 100 + _GREGORIAN
    clock, node = int.from_bytes(random[:2], "big"), int.from_bytes(random[2:8], "big") | 1 << 40
    fields = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF, clock >> 8 & 0x3F, clock & 0xFF, node)
    return str(uuid.UUID(fields=fields, version=1))


def v3(namespace: bytes, name: bytes) -> str:
    return _named(hashlib.md5, namespace, name, 3)


def v4(random: bytes) -> str:
    return str(uuid.UUID(bytes=random[:16], version=4))


def v5(namespace: bytes, name: bytes) -> str:
    return _named(hashlib.sha1, namespace, name, 5)


def v7(milliseconds: int, counter: int, random: bytes) -> str:
    """48 bits of milliseconds since 1970, 12 of `counter` (so those of one millisecond sort as made), 62 of `random`."""
    number = (
        (milliseconds & 0xFFFFFFFFFFFF) << 80
        | 7 << 76
        | (counter & 0xFFF) << 64
        | 2 << 62
        | int.from_bytes(random[:8], "big") >> 2
    )
    return str(uuid.UUID(int=number))


def validate(text: bytes) -> bool:
    return _FORMS.fullmatch(text) is not None


def version(text: bytes) -> int:
    return _version(_parsed(text))


def variant(text: bytes) -> str:
    return _VARIANTS.get(_parsed(text).variant, "Future")


def parse(text: bytes) -> tuple[int, str, int | None, str | None]:
    """version, variant, seconds since 1970 (v1 and v7), node in hexadecimal (v1)."""
    parsed = _parsed(text)
    number = _version(parsed)
    timestamp = {1: (parsed.time - _GREGORIAN) // 10_000_000, 7: (parsed.int >> 80) // 1000}.get(number)
    return number, variant(text), timestamp, f"{parsed.node:012x}" if number == 1 else None


def format(text: bytes, form: bytes) -> str:
    parsed = _parsed(text)
    forms = {b"standard": str(parsed), b"simple": parsed.hex, b"urn": parsed.urn}
    if form not in forms:
        raise invalid(f"unknown UUID format {form.decode('utf-8', 'replace')!r}: standard, simple or urn")
    return forms[form]


def _named(digest: Any, namespace: bytes, name: bytes, version: int) -> str:
    """Names are bytes: Python's own `uuid3` and `uuid5` take text only."""
    hashed = digest(_parsed(namespace).bytes + name, usedforsecurity=False).digest()
    return str(uuid.UUID(bytes=hashed[:16], version=version))


def _parsed(text: bytes) -> uuid.UUID:
    if not validate(text):
        raise _not_a_uuid(text)
    return uuid.UUID(text.decode())


def _not_a_uuid(text: bytes) -> Error:
    return invalid(f"not a UUID: {text[:60].decode('utf-8', 'replace')!r}")


def _version(parsed: uuid.UUID) -> int:
    """The four version bits, whatever the variant: Python answers only for RFC 4122's."""
    return parsed.int >> 76 & 0xF


MODULE = ModuleDef(
    name="uuid",
    classes=frozenset({WORKFLOW}),
    summary="unique identifiers, versions 1, 3, 4, 5 and 7",
    functions={
        "uuid.v1": v1,
        "uuid.v3": v3,
        "uuid.v4": v4,
        "uuid.v5": v5,
        "uuid.v7": v7,
        "uuid.validate": validate,
        "uuid.version": version,
        "uuid.variant": variant,
        "uuid.parse": parse,
        "uuid.format": format,
    },
)
