"""The check of a client's own certificates and keys, which is made before anything is sent: the SDK's words for these are a library's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.errors import invalid
from runtime.late import late
from runtime.registry import TemporalClient

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
else:
    x509, serialization = late("cryptography.x509"), late("cryptography.hazmat.primitives.serialization")


def check(entry: TemporalClient, authority: bytes | None, certificate: bytes | None, key: bytes | None) -> None:
    """Raises `Error` INVALID naming the field and the file that will not do. All are PEM."""
    if authority is not None and entry.tls is not None:
        _certificates(entry, "tls.ca_file", entry.tls.ca_file, authority)
    auth = entry.auth
    if certificate is None or key is None:
        return
    own = _certificates(entry, "auth.cert_file" if auth.cert_file else "auth.cert_pem", auth.cert_file, certificate)
    field = "auth.key_file" if auth.key_file else "auth.key_pem"
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except TypeError:
        raise _unusable(entry, field, auth.key_file, "is a key with a password: give one without") from None
    except ValueError:
        raise _unusable(entry, field, auth.key_file, "is no private key in PEM") from None
    if private.public_key() != own[0].public_key():
        raise _unusable(entry, field, auth.key_file, "is not the key of the certificate beside it")


def _certificates(entry: TemporalClient, field: str, file: str | None, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise _unusable(entry, field, file, "is no certificate in PEM") from None


def _unusable(entry: TemporalClient, field: str, file: str | None, why: str) -> Exception:
    return invalid(f"{entry.file}:{entry.line}: {entry.id}: {field}{f' {file}' if file else ''} {why}", id=entry.id)
