"""crypto: authenticated encryption, signed tokens, derived keys. Randomness is given by the Lua half, so a replay repeats it.

A ciphertext is ``nonce || ciphertext || tag``, nonces of 12 bytes. Tokens are JWTs in compact form; their claims cross as
JSON text and are signed as they are, and their times are judged by the run's own clock.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from runtime.errors import Error, internal, invalid, permission_denied
from runtime.late import late
from runtime.modules.definition import WORKFLOW, ModuleDef

if TYPE_CHECKING:
    import jwt
    from cryptography import exceptions
    from cryptography.hazmat.primitives.ciphers import aead
    from jwt import algorithms
else:
    jwt, algorithms = late("jwt"), late("jwt.algorithms")
    exceptions, aead = late("cryptography.exceptions"), late("cryptography.hazmat.primitives.ciphers.aead")

NONCE = 12
_TAG = 16
MAX_ITERATIONS = 1_000_000  # about half a second; counted for every block of output
MAX_LENGTH = 1024
_KEY_SIZES: Mapping[str, tuple[int, ...]] = {"aes": (16, 24, 32), "chacha20": (32,)}
_HASHES = frozenset({"sha1", "sha256", "sha384", "sha512"})


def hmac_hex(algorithm: bytes, key: bytes, data: bytes) -> str:
    if not key:
        raise invalid("the key is empty")
    return hmac.new(key, data, algorithm.decode()).hexdigest()


def encrypt(cipher: bytes, data: bytes, key: bytes, nonce: bytes, aad: bytes | None = None) -> bytes:
    return nonce + _cipher(cipher, key).encrypt(nonce, data, aad)


def decrypt(cipher: bytes, data: bytes, key: bytes, aad: bytes | None = None) -> bytes:
    """Raises `Error`: INVALID for a wrong size, INTERNAL when the text was not made with this key and `aad`."""
    opened = _cipher(cipher, key)
    if len(data) < NONCE + _TAG:
        raise invalid("the ciphertext is too short")
    try:
        return opened.decrypt(data[:NONCE], data[NONCE:], aad)
    except exceptions.InvalidTag:
        raise internal("decryption failed: wrong key, or the text was changed") from None


def _cipher(cipher: bytes, key: bytes) -> aead.AESGCM | aead.ChaCha20Poly1305:
    name = cipher.decode()
    sizes = _KEY_SIZES[name]
    if len(key) not in sizes:
        raise invalid(f"the key has {len(key)} bytes, not {' or '.join(map(str, sizes))}")
    return aead.AESGCM(key) if name == "aes" else aead.ChaCha20Poly1305(key)


def jwt_encode(claims: bytes, header: bytes, key: bytes, algorithm: bytes) -> str:
    """`claims` and further `header` fields as JSON objects. Raises `Error` INVALID for a key or algorithm that will not do."""
    signer = _algorithm(algorithm)
    fields = {"typ": "JWT", **_object(header), "alg": algorithm.decode()}
    signed = _segment(json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()) + b"." + _segment(claims)
    try:
        return (signed + b"." + _segment(signer.sign(signed, signer.prepare_key(key)))).decode()
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise invalid(f"the key is none for {algorithm.decode()}") from error


def jwt_verify(token: bytes, key: bytes, algorithm: bytes, require_exp: bool, now: int) -> bytes:
    """The claims as JSON; `now` in nanoseconds. Raises `Error`: INVALID for what is no token, PERMISSION_DENIED for one
    that was not signed with this key and algorithm, or not for now."""
    verifier = _algorithm(algorithm)
    parts = token.split(b".")
    if len(parts) != 3:
        raise _no_token()
    header, claims, signature = (_bytes(part) for part in parts)
    fields = _object(claims)
    if _object(header).get("alg") != algorithm.decode():
        raise _refused("it is signed with another algorithm")
    try:
        genuine = verifier.verify(parts[0] + b"." + parts[1], verifier.prepare_key(key), signature)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise invalid(f"the key is none for {algorithm.decode()}") from error
    if not genuine:
        raise _refused("the signature does not match")
    _check_times(fields, require_exp, now / 1e9)
    return claims


def _check_times(claims: Mapping[str, Any], require_exp: bool, now: float) -> None:
    for name in ("exp", "nbf"):
        value = claims.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise _refused(f"its {name} is no time")
    if claims.get("exp") is None and require_exp:
        raise _refused("it has no exp")
    if claims.get("exp") is not None and now >= claims["exp"]:
        raise _refused("it has expired")
    if claims.get("nbf") is not None and now < claims["nbf"]:
        raise _refused("it is not valid yet")


@cache
def _algorithms() -> Mapping[str, algorithms.Algorithm]:
    known = algorithms.get_default_algorithms()
    return {name: algorithm for name, algorithm in known.items() if name != "none"}


def _algorithm(name: bytes) -> algorithms.Algorithm:
    found = _algorithms().get(name.decode("utf-8", "replace"))
    if found is None:
        raise invalid(f"unknown token algorithm {name.decode('utf-8', 'replace')!r}")
    return found


def _segment(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _bytes(segment: bytes) -> bytes:
    try:
        return base64.b64decode(segment + b"=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise _no_token() from None


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _no_token()
    return value


def _no_token() -> Error:
    return invalid("not a JSON web token")


def _refused(reason: str) -> Error:
    return permission_denied(f"the token is refused: {reason}")


def pbkdf2(password: bytes, salt: bytes, iterations: int, length: int, algorithm: bytes) -> bytes:
    name = algorithm.decode("utf-8", "replace")
    if name not in _HASHES:
        raise invalid(f"unknown hash {name!r}")
    if not password or not salt:
        raise invalid("the password is empty" if not password else "the salt is empty")
    if not 1 <= length <= MAX_LENGTH:
        raise invalid(f"length {length} is not from 1 to {MAX_LENGTH}")
    blocks = -(-length // hashlib.new(name).digest_size)
    if not 1 <= iterations * blocks <= MAX_ITERATIONS:
        raise invalid(f"{iterations} iterations for {length} bytes are not from 1 to {MAX_ITERATIONS // blocks}")
    return hashlib.pbkdf2_hmac(name, password, salt, iterations, length)


def constant_time_compare(a: bytes, b: bytes) -> bool:
    return hmac.compare_digest(a, b)


MODULE = ModuleDef(
    name="crypto",
    classes=frozenset({WORKFLOW}),
    summary="random values, authenticated encryption, signed tokens, derived keys",
    functions={
        "crypto.hmac": hmac_hex,
        "crypto.encrypt": encrypt,
        "crypto.decrypt": decrypt,
        "crypto.jwt_encode": jwt_encode,
        "crypto.jwt_verify": jwt_verify,
        "crypto.pbkdf2": pbkdf2,
        "crypto.compare": constant_time_compare,
    },
)
