from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runtime.errors import INTERNAL, INVALID, PERMISSION_DENIED
from tests.modules.host_script import run

KEY = "0123456789abcdef0123456789abcdef"


async def ask(directory: Path, body: str, *args: Any) -> Any:
    prelude = f'local key = "{KEY}" local function kind(v, err) return v == nil and err:kind() or v end '
    return await run(directory, prelude + body, *args, modules=["crypto", "base64"])


async def test_random_values_have_the_asked_length_and_alphabet(tmp_path: Path) -> None:
    body = """
        return {
          #crypto.random.bytes(16), crypto.random.string(40, "ab"), #crypto.random.string(9), crypto.random.uuid(),
          kind(crypto.random.bytes(0)), kind(crypto.random.string(3, "")), kind(crypto.random.bytes(1 << 40)),
        }
    """
    size, text, plain, identifier, *kinds = await ask(tmp_path, body)
    assert (size, len(text), set(text), plain, len(identifier)) == (16, 40, {"a", "b"}, 9, 36)
    assert kinds == [INVALID] * 3


async def test_hmac_is_that_of_the_standard(tmp_path: Path) -> None:
    body = (
        'return { crypto.hmac.sha256("k", "data"), crypto.hmac.sha512("k", "data"), kind(crypto.hmac.sha256("", "d")) }'
    )
    expected = [hmac.new(b"k", b"data", name).hexdigest() for name in ("sha256", "sha512")]
    assert await ask(tmp_path, body) == [*expected, INVALID]


@pytest.mark.parametrize("cipher", ["aes", "chacha20"])
async def test_what_is_encrypted_decrypts_with_the_same_key_and_context_only(tmp_path: Path, cipher: str) -> None:
    body = f"""
        local box = crypto.encrypt.{cipher}("secret\\0", key, "order")
        return {{
          crypto.decrypt.{cipher}(box, key, "order") == "secret\\0", box ~= crypto.encrypt.{cipher}("secret\\0", key, "order"),
          kind(crypto.decrypt.{cipher}(box, key)), kind(crypto.decrypt.{cipher}(box, key:reverse(), "order")),
          kind(crypto.decrypt.{cipher}(box:sub(1, -2), key, "order")), kind(crypto.decrypt.{cipher}("short", key)),
          kind(crypto.encrypt.{cipher}("x", "short")), kind(crypto.encrypt.{cipher}("x", "")),
        }}
    """
    assert await ask(tmp_path, body) == [True, True, INTERNAL, INTERNAL, INTERNAL, INVALID, INVALID, INVALID]


async def test_a_ciphertext_is_nonce_then_text_and_tag(tmp_path: Path) -> None:

    box = base64.b64decode(await ask(tmp_path, 'return base64.encode(crypto.encrypt.aes("hello", key))'))
    assert AESGCM(KEY.encode()).decrypt(box[:12], box[12:], None) == b"hello"


async def test_tokens_are_those_of_other_implementations(tmp_path: Path) -> None:
    body = """
        local token = crypto.jwt.encode({ sub = "u1", exp = 4102444800, n = 1.5, _header = { kid = "k1" } }, key)
        return { token, crypto.jwt.verify(..., key) }
    """
    theirs = jwt.encode({"sub": "u2", "exp": 4102444800}, KEY, "HS256")
    ours, claims = await ask(tmp_path, f"return (function(...) {body} end)(...)", theirs)
    assert jwt.decode(ours, KEY, ["HS256"]) == {"sub": "u1", "exp": 4102444800, "n": 1.5}
    assert jwt.get_unverified_header(ours) == {"alg": "HS256", "typ": "JWT", "kid": "k1"}
    assert claims == {"sub": "u2", "exp": 4102444800}


async def test_tokens_are_refused_for_a_reason(tmp_path: Path) -> None:
    body = """
        local function token(claims, alg) return crypto.jwt.encode(claims, key, alg) end
        local good = token({ exp = 4102444800 })
        return {
          kind(crypto.jwt.verify(good, "other")), kind(crypto.jwt.verify(good, key, "HS512")), kind(crypto.jwt.verify("a.b", key)),
          kind(crypto.jwt.verify(token({ exp = 1 }), key)), kind(crypto.jwt.verify(token({}), key)),
          crypto.jwt.verify(token({ a = 1 }), key, "HS256", false).a, kind(crypto.jwt.verify(token({ nbf = 4102444800 }), key, "HS256", false)),
          kind(crypto.jwt.verify(good, "")), kind(crypto.jwt.encode({}, "")), kind(crypto.jwt.encode({}, key, "none")),
          kind(crypto.jwt.encode({}, key, "RS256")), kind(crypto.jwt.verify(good:gsub("^[^.]+", "eyJhbGciOiJub25lIn0"), key)),
        }
    """
    refused = PERMISSION_DENIED
    body = body.replace('good:gsub("^[^.]+", "eyJhbGciOiJub25lIn0")', '(good:gsub("^[^.]+", "eyJhbGciOiJub25lIn0"))')
    assert await ask(tmp_path, body) == [
        refused, refused, INVALID, refused, refused, 1, refused, INVALID, INVALID, INVALID, INVALID, refused
    ]  # fmt: skip


async def test_tokens_may_be_signed_with_a_key_pair(tmp_path: Path) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    body = """
        local private, public = ...
        local token = crypto.jwt.encode({ a = 1 }, private, "RS256")
        local forged = crypto.jwt.encode({ a = 2 }, "x", "HS256")
        return { crypto.jwt.verify(token, public, "RS256", false).a, kind(crypto.jwt.verify(forged, public, "RS256", false)),
          kind(crypto.jwt.encode({}, public, "HS256")) }
    """
    assert await ask(tmp_path, body, pem, public) == [1, PERMISSION_DENIED, INVALID]


async def test_derived_keys_are_those_of_the_standard_and_bounded(tmp_path: Path) -> None:
    body = """
        return {
          base64.encode(crypto.pbkdf2("pw", "salt", 1000, 40)), #crypto.pbkdf2("pw", "salt", 1, 16, "sha512"),
          kind(crypto.pbkdf2("", "s", 1, 1)), kind(crypto.pbkdf2("p", "", 1, 1)), kind(crypto.pbkdf2("p", "s", 0, 1)),
          kind(crypto.pbkdf2("p", "s", 1, 0)), kind(crypto.pbkdf2("p", "s", 1 << 40, 1)), kind(crypto.pbkdf2("p", "s", 1000000, 1024)),
          kind(crypto.pbkdf2("p", "s", 1, 1, "md4")),
        }
    """

    derived, size, *kinds = await ask(tmp_path, body)
    assert base64.b64decode(derived) == hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 1000, 40)
    assert size == 16
    assert kinds == [INVALID] * 7


async def test_comparison_tells_equal_from_unequal(tmp_path: Path) -> None:
    body = 'return { crypto.constant_time_compare("a", "a"), crypto.constant_time_compare("a", "b"), crypto.constant_time_compare("a", "ab") }'
    assert await ask(tmp_path, body) == [True, False, False]
