"""The data converter of a `temporal.client`: values travel encrypted when it has a codec, and large ones by reference when it has a store.

A value is encrypted first, so a store holds no clear text either. What a history holds is read with `opened`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload as Proto
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    ExternalStorage,
    PayloadCodec,
    PayloadConverter,
)

from runtime import errors
from runtime.errors import PERMISSION_DENIED, Error, invalid
from runtime.late import late
from runtime.registry import Registry, TemporalClient
from runtime.temporal import payload_store, wire

if TYPE_CHECKING:
    from cryptography import exceptions
    from cryptography.hazmat.primitives.ciphers import aead
else:
    exceptions, aead = late("cryptography.exceptions"), late("cryptography.hazmat.primitives.ciphers.aead")

_ENCODING, _CIPHER, _KEY_ID = "encoding", "encryption-cipher", "encryption-key-id"
_ENCRYPTED = b"binary/encrypted"
_NONCE = 12
_KEY_SIZES = (16, 24, 32)

M = TypeVar("M", bound=Message)


class AesGcm(PayloadCodec):
    """The codec that encrypts the whole payload, its metadata included, as ``nonce || ciphertext || tag``. It reads as it is what is not encrypted.

    What one of the `former` keys has encrypted is read too. A payload names its key by the beginning of the key's hash.
    """

    def __init__(self, key: bytes, former: Sequence[bytes] = ()) -> None:
        self._key_id = _id_of(key)
        self._ciphers = {_id_of(known): aead.AESGCM(known) for known in (key, *former)}

    async def encode(self, payloads: Sequence[Proto]) -> list[Proto]:
        return [payload if wire.CLEAR in payload.metadata else self._sealed(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Proto]) -> list[Proto]:
        return [
            self._open(payload) if payload.metadata.get(_ENCODING) == _ENCRYPTED else payload for payload in payloads
        ]

    def _sealed(self, payload: Proto) -> Proto:
        nonce = secrets.token_bytes(_NONCE)
        data = nonce + self._ciphers[self._key_id].encrypt(nonce, payload.SerializeToString(), None)
        return Proto(metadata={_ENCODING: _ENCRYPTED, _CIPHER: b"AES-GCM", _KEY_ID: self._key_id}, data=data)

    def _open(self, payload: Proto) -> Proto:
        cipher = self._ciphers.get(payload.metadata.get(_KEY_ID, self._key_id))
        if cipher is None:
            raise errors.permission_denied("a payload is encrypted with another key")
        try:
            clear = cipher.decrypt(payload.data[:_NONCE], payload.data[_NONCE:], None)
        except (exceptions.InvalidTag, ValueError):  # the latter for what is shorter than a nonce
            raise errors.permission_denied("a payload was changed after it was encrypted") from None
        return Proto.FromString(clear)


def _id_of(key: bytes) -> bytes:
    return hashlib.sha256(key).hexdigest()[:16].encode()


class Failures(DefaultFailureConverterWithEncodedAttributes):
    """The failure converter that treats messages and stack traces as values, those of causes included."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        cause = failure
        while cause.HasField("cause"):
            cause = cause.cause
            if not cause.HasField("encoded_attributes"):
                said = {"message": cause.message, "stack_trace": cause.stack_trace}
                cause.encoded_attributes.CopyFrom(payload_converter.to_payloads([said])[0])
                cause.message, cause.stack_trace = "Encoded failure", ""


@dataclass(frozen=True, slots=True)
class Travel:
    """The way that a client's values travel. `converter` is None for the SDK's own. Payloads larger than `threshold` bytes are stored; it is None where nothing is stored."""

    converter: DataConverter | None = None
    threshold: int | None = None
    encrypts: bool = False


def travel(registry: Registry, client_id: str) -> Travel:
    """What a client entry says. Raises `Error` INVALID for a key or a store that will not do."""
    entry = registry.get(client_id)
    if not isinstance(entry, TemporalClient):
        return Travel()
    resolved = registry.resolve(entry)
    assert isinstance(resolved, TemporalClient)
    storage, codec = _storage(resolved, registry.payload_store(entry)), _codec(resolved)
    if storage is None and codec is None:
        return Travel()
    failures = DefaultFailureConverter if codec is None else Failures
    converter = DataConverter(payload_codec=codec, external_storage=storage, failure_converter_class=failures)
    return Travel(converter, registry.stored_from(entry), codec is not None)


def _codec(entry: TemporalClient) -> AesGcm | None:
    codec = entry.codec
    if codec.type == "none":
        return None
    former = [_key(entry, f"codec.former_keys.{at}", text) for at, text in enumerate(codec.former_keys)]
    return AesGcm(_key(entry, "codec.key", codec.key or ""), former)


def _key(entry: TemporalClient, field: str, text: str) -> bytes:
    """Raises `Error` INVALID, which does not show it."""
    for read in (bytes.fromhex, lambda text: base64.b64decode(text, validate=True)):
        try:
            key = read(text.strip())
        except (ValueError, binascii.Error):
            continue
        if len(key) in _KEY_SIZES:
            return key
    raise invalid(f"{entry.id}: {field} is not 16, 24 or 32 bytes in hexadecimal or Base64")


def _storage(entry: TemporalClient, url: str | None) -> ExternalStorage | None:
    if url is None:
        return None
    driver = payload_store.opened(entry, url)
    return ExternalStorage([driver], payload_size_threshold=entry.payloads.threshold)


async def opened(message: M, converter: DataConverter, *, whole: bool = True) -> M:
    """A copy of what the server has of a run, with every payload in it as it was before it travelled.

    What cannot be read, since it is of another key, stays as it is unless the `whole` is needed: then it raises `Error` PERMISSION_DENIED.
    """
    if converter.payload_codec is None and converter.external_storage is None:
        return message
    copy = type(message)()
    copy.CopyFrom(message)
    found = list(_messages(copy))
    for payload in found:
        if isinstance(payload, Proto):
            try:
                [clear] = await converter.decode([payload], [RawValue])
            except Error as error:
                if whole or error.kind != PERMISSION_DENIED:
                    raise
            else:
                payload.CopyFrom(clear.payload)
    for failure in found:
        if isinstance(failure, Failure) and failure.HasField("encoded_attributes"):
            _tell(failure)
    return copy


def _tell(failure: Failure) -> None:
    """Puts a failure's message and stack trace back where `Failures` took them from."""
    try:
        said = json.loads(failure.encoded_attributes.data)
        failure.message, failure.stack_trace = str(said.get("message", "")), str(said.get("stack_trace", ""))
    except (ValueError, AttributeError):
        return  # of somebody else's making
    failure.ClearField("encoded_attributes")


def _messages(message: Message) -> Iterator[Message]:
    """The payloads and failures in a message, at any depth."""
    if isinstance(message, Failure):
        yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            items = value.values() if field.message_type.fields_by_name["value"].message_type is not None else ()
        else:
            items = value if field.is_repeated else (value,)
        for item in items:
            if isinstance(item, Proto):
                yield item
            else:
                yield from _messages(item)
