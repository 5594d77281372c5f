"""base64: the standard alphabet with padding, as RFC 4648 §4."""

from __future__ import annotations

import base64
import re

from runtime.errors import Error, invalid
from runtime.modules.definition import DETERMINISTIC, ModuleDef

_ALPHABET = re.compile(rb"[A-Za-z0-9+/]*")


def encode(data: bytes) -> bytes:
    return base64.b64encode(data)


def decode(text: bytes) -> bytes:
    """Line ends are skipped. Raises `Error` INVALID naming the first byte that does not belong."""
    compact = text.replace(b"\r", b"").replace(b"\n", b"")
    match = _ALPHABET.match(compact)
    good = match.end() if match else 0
    padding = compact[good:]
    if padding != b"=" * (-good % 4) or good % 4 == 1:
        raise _illegal(good)
    return base64.b64decode(compact)


def _illegal(position: int) -> Error:
    return invalid(f"illegal base64 data at input byte {position}")


MODULE = ModuleDef(
    name="base64",
    classes=frozenset({DETERMINISTIC}),
    summary="base64 text",
    functions={"base64.encode": encode, "base64.decode": decode},
)
