"""hash: digests, keyed digests, and FNV-1a numbers."""

from __future__ import annotations

import hashlib
import hmac

from runtime.errors import invalid
from runtime.modules.definition import DETERMINISTIC, ModuleDef

MAX_FNV = 16 * 1024 * 1024  # bytes; about a second
ALGORITHMS = frozenset({"md5", "sha1", "sha256", "sha512"})


def digest(algorithm: bytes, data: bytes, raw: bool = False) -> bytes | str:
    """In hexadecimal, or the bytes when `raw`."""
    hashed = hashlib.new(_known(algorithm), data, usedforsecurity=False)
    return hashed.digest() if raw else hashed.hexdigest()


def keyed(algorithm: bytes, data: bytes, secret: bytes, raw: bool = False) -> bytes | str:
    """HMAC; in hexadecimal, or the bytes when `raw`."""
    hashed = hmac.new(secret, data, _known(algorithm))
    return hashed.digest() if raw else hashed.hexdigest()


def fnv32(data: bytes) -> int:
    """FNV-1a, 32 bits, 0 to 2^32 - 1."""
    return _fnv(data, 0x811C9DC5, 0x01000193, 32)


def fnv64(data: bytes) -> int:
    """FNV-1a, 64 bits, as Lua's signed integer of the same bits."""
    value = _fnv(data, 0xCBF29CE484222325, 0x100000001B3, 64)
    return value - 2**64 if value >= 2**63 else value


def _fnv(data: bytes, basis: int, prime: int, bits: int) -> int:
    if len(data) > MAX_FNV:
        raise invalid(f"FNV is for short keys: {len(data)} bytes are more than {MAX_FNV}")
    mask = 2**bits - 1
    for byte in data:
        basis = ((basis ^ byte) * prime) & mask
    return basis


def _known(algorithm: bytes) -> str:
    name = algorithm.decode("ascii", "replace")
    if name not in ALGORITHMS:
        raise invalid(f"unknown hash {name!r}")
    return name


MODULE = ModuleDef(
    name="hash",
    classes=frozenset({DETERMINISTIC}),
    summary="digests, keyed digests and FNV-1a numbers",
    functions={"hash.digest": digest, "hash.keyed": keyed, "hash.fnv32": fnv32, "hash.fnv64": fnv64},
)
