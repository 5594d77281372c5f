"""The look at an address after a connection failed: what the SDK says of it is the debug text of a library, and often that it timed out.

So the connection is tried again with plain sockets, up to where it fails. Nothing is sent but the greeting of HTTP/2.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runtime.late import late

if TYPE_CHECKING:
    from cryptography import x509
else:
    x509 = late("cryptography.x509")

#: Seconds that each step of the look may take.
_PATIENCE = 3.0
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
#: What of an answer is read: the head of a frame of HTTP/2, which has its type after the length; of a TLS record that is an alert; of HTTP/1.
_REACH, _FRAME_TYPE, _SETTINGS, _ALERT, _OLD_HTTP = 9, 3, b"\x04", b"\x15\x03", b"HTTP/1"

Target = tuple[str, int]

Cause = Literal[
    "name", "refused", "no route", "slow", "silent", "stranger",
    "speaks tls", "speaks plain", "authority", "expired", "early", "other name", "certificate", "wants client", "unclear",
]  # fmt: skip


#: What OpenSSL's numbers for a refused certificate mean.
_VERDICTS: Mapping[int, Cause] = {
    **dict.fromkeys((2, 18, 19, 20, 21), "authority"),
    9: "early",
    10: "expired",
    **dict.fromkeys((62, 64), "other name"),
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why there is no connection. `detail` is the moment, or the names, of a certificate."""

    cause: Cause
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tls:
    """What of a client's TLS a server is judged by. `authority` is PEM; None: the authorities that this machine knows."""

    authority: bytes | None
    name: str | None


async def look(address: str, tls: Tls | None) -> Diagnosis:
    """Never raises. `tls` is None where plain text is spoken."""
    host, _, port = address.rpartition(":")
    target = (host.removeprefix("[").removesuffix("]"), int(port))
    try:
        return await (_plain(target) if tls is None else _secured(target, tls))
    except socket.gaierror:
        return Diagnosis("name")
    except ConnectionRefusedError:
        return Diagnosis("refused")
    except TimeoutError:
        return Diagnosis("slow")
    except OSError:
        return Diagnosis("no route")


async def _plain(target: Target) -> Diagnosis:
    answer = await _greeted(target)
    if (answer or b"").startswith(_ALERT) or (not _is_http(answer) and await _certificate(target)):
        return Diagnosis("speaks tls")
    return _heard(answer)


async def _secured(target: Target, tls: Tls) -> Diagnosis:
    context = ssl.create_default_context(cadata=tls.authority.decode() if tls.authority is not None else None)
    context.set_alpn_protocols(["h2"])
    try:
        answer = await _greeted(target, context, tls.name)
        # A certificate of the client is looked at when the server has already said its part.
        return Diagnosis("wants client") if answer == b"" else _heard(answer)
    except ssl.SSLCertVerificationError as error:
        return await _judged(target, error)
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):  # it speaks TLS, and does not like what it heard
            return Diagnosis("wants client")
    except (ConnectionResetError, BrokenPipeError, TimeoutError):
        pass
    answer = await _greeted(target)
    return Diagnosis("speaks plain") if _is_http(answer) else _heard(answer)


def _heard(answer: bytes | None) -> Diagnosis:
    if not answer:
        return Diagnosis("silent")
    return Diagnosis("stranger" if answer.startswith(_OLD_HTTP) else "unclear")


def _is_http(answer: bytes | None) -> bool:
    if answer is None:
        return False
    return answer.startswith(_OLD_HTTP) or answer[_FRAME_TYPE : _FRAME_TYPE + 1] == _SETTINGS


async def _judged(target: Target, error: ssl.SSLCertVerificationError) -> Diagnosis:
    """What a certificate was refused for, by OpenSSL's number, with what it says itself."""
    cause = _VERDICTS.get(error.verify_code, "certificate")
    der = await _certificate(target)
    shown = x509.load_der_x509_certificate(der) if der else None
    if shown is None:
        return Diagnosis(cause)
    if cause == "other name":
        return Diagnosis(cause, ", ".join(_names(shown)))
    moments = {"expired": shown.not_valid_after_utc, "early": shown.not_valid_before_utc}
    return Diagnosis(cause, f"{moments[cause]:%Y-%m-%d %H:%M} UTC" if cause in moments else "")


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


async def _certificate(target: Target) -> bytes | None:
    """The certificate that is shown there, whatever it is worth; None where no TLS is spoken."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with _connected(target, context) as (_, writer):
            session: ssl.SSLObject = writer.get_extra_info("ssl_object")
            return session.getpeercert(binary_form=True)
    except OSError:  # also what TLS and time raise
        return None


async def _greeted(target: Target, context: ssl.SSLContext | None = None, name: str | None = None) -> bytes | None:
    """The first bytes of the answer, empty when the connection is ended instead; None when nothing comes. Raises `OSError` for a connection
    that cannot be made, and for what TLS says against it."""
    async with _connected(target, context, name) as (reader, writer):
        writer.write(_GREETING)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await reader.read(_REACH)
        except TimeoutError:
            return None
        except ConnectionError:
            return b""


@asynccontextmanager
async def _connected(
    target: Target, context: ssl.SSLContext | None, name: str | None = None
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = target
    async with asyncio.timeout(_PATIENCE):
        server = (name or host) if context is not None else None
        reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=server)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
