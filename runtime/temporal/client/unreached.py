"""The words for a connection that cannot be made: what is in the way, and how it is mended."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runtime import errors
from runtime.errors import Error
from runtime.registry import TemporalClient
from runtime.temporal.client.probe import Cause, Diagnosis, Tls, look

#: What is in the way at an address. `{at}` is the address and where it comes from, `{entry}` the client.
_WORDS: Mapping[Cause, str] = {
    "name": "the name in {at} is not known to DNS: correct it, or look at the network of this machine",
    "refused": "the Temporal server does not answer at {at}: nobody listens there, so start it, or name another address",
    "no route": "no way leads to {at}: look at the network and at firewalls",
    "slow": "connecting to {at} timed out: the address is wrong, or a firewall drops what is sent there",
    "silent": "whoever listens at {at} takes the connection and does not answer: name the port where the server speaks gRPC",
    "stranger": "not a Temporal server but another one answers at {at}: name the port where it speaks gRPC, as a rule 7233",
    "speaks tls": "the server at {at} speaks TLS, and {entry} does not: give it `tls: {{enabled: true}}`, with `ca_file` for an authority of your own",
    "speaks plain": "the server at {at} speaks no TLS, and {entry} asks for it: set `tls: {{enabled: false}}`, or name the port that has it",
    "authority": "the certificate of the server at {at} is of an authority that is not trusted: {trust}",
    "expired": "the certificate of the server at {at} has expired on {detail}: whoever runs the server has to renew it",
    "early": "the certificate of the server at {at} is valid only from {detail} on: compare the clocks of both machines",
    "other name": "the certificate of the server at {at} is for {detail}: set `tls.server_name` of {entry} to a name that it has",
    "certificate": "the certificate of the server at {at} does not pass: {trust}",
    "wants client": "the server at {at} wants a client certificate: {client}",
    "unclear": "the Temporal server does not answer at {at}: its log may say why",
}

#: What a server that answers says against whoever asks, by the status of gRPC.
_REFUSALS = {
    "Unauthenticated": "the server at {at} does not know the credentials of {entry}: renew the key of its `auth`",
    "PermissionDenied": "the server at {at} does not let {entry} in: its `auth` needs a key for this namespace",
    "Unimplemented": _WORDS["stranger"],
}
_STATUS = re.compile(r"Status \{ code: (\w+)")

#: Where a server of one's own may be what is missing.
ABSENT = frozenset({"name", "refused", "no route", "slow", "silent"})


async def unreached(
    entry: TemporalClient | None, address: str, whence: str, tls: Tls | None, raised: Exception
) -> Error:
    """The error for a connection to `address` on which the SDK `raised`; `whence` says where the address comes from.

    Its details are for who knows more of that: the `cause` is one of `probe.Cause`, or a status of gRPC.
    """
    status = _STATUS.search(str(raised))
    cause = status[1] if status and status[1] in _REFUSALS else None
    found = Diagnosis("unclear") if cause else await look(address, tls)
    words = _REFUSALS[cause] if cause else _WORDS[found.cause]
    told = words.format(
        at=f"{address}, {whence}," if whence else address,
        entry=entry.id if entry is not None else "the client",
        detail=found.detail or "others",
        trust=_trust(entry),
        client=_client(entry),
    )
    return errors.unavailable(told.replace(",:", ":"), address=address, cause=cause or found.cause)


def _trust(entry: TemporalClient | None) -> str:
    file = entry.tls.ca_file if entry is not None and entry.tls is not None else None
    if file is None:
        return "name that authority's certificate as `tls.ca_file`"
    return f"{file}, the `tls.ca_file` of {entry.id if entry else ''}, must hold that of the authority that issued it"


def _client(entry: TemporalClient | None) -> str:
    if entry is None or entry.auth.type != "mtls":
        return "give the client `auth: {type: mtls, cert_file: …, key_file: …}`"
    return (
        f"that of {entry.id} is not taken; it must be issued by an authority that the server trusts, and be valid now"
    )
