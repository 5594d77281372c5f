"""Where an entry's `http_client` may connect: the public internet, and what the entry's `meta.http_client` adds.

Checked on addresses, not on names: a name is resolved once, every address it has is checked, and only those addresses
are connected to. So a redirect, a name that points inwards, or one that changes between two look-ups gains nothing.
An address written in a URL never reaches a resolver; the middleware, which sees every hop, checks it (`http_hops`).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from runtime.errors import permission_denied

if TYPE_CHECKING:
    from runtime.registry.kinds.lua import HttpClientMeta

_NAT64 = IPv6Network("64:ff9b::/96")
#: Not for the public, though Python's table, which is older than some of them, says otherwise.
_RESERVED = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("3fff::/20"),
    IPv6Network("fec0::/10"),
)
#: Where clouds keep the credentials of their machines, beside the link-local addresses.
_METADATA = frozenset(map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")))
#: The interface part of an ISATAP address, before an IPv4 address.
_ISATAP = (0x00005EFE, 0x02005EFE)


@dataclass(frozen=True, slots=True)
class Policy:
    """`hosts`: names or addresses, with or without a port, that may be private. `allow_private` without `hosts` means any
    private address except those where cloud machines keep their credentials, which need naming. Not `public`: the `hosts`, whatever their
    address, and with `allow_private` and no `hosts` the private addresses."""

    allow_private: bool = False
    hosts: frozenset[str] = frozenset()
    public: bool = True

    @classmethod
    def of(cls, meta: HttpClientMeta | None) -> Policy:
        """What a (resolved) entry says; nothing said: the public internet."""
        if meta is None:
            return cls()
        return cls(meta.allow_private, frozenset(host.lower().strip("[]") for host in meta.hosts), meta.public)

    def check(self, host: str, port: int | None, address: str) -> None:
        """Raises `Error` PERMISSION_DENIED when a connection to `address`, found under `host`, is not allowed."""
        numeric = _unwrap(ip_address(address.partition("%")[0]))
        if host.lower() in self.hosts or f"{host.lower()}:{port}" in self.hosts:
            return
        keeps_credentials = numeric.is_link_local or numeric in _METADATA
        is_public = _is_public(numeric) and not keeps_credentials
        if is_public and self.public:
            return
        if not is_public and not keeps_credentials and self.allow_private and not self.hosts:
            return
        why = "not one of the entry's hosts" if is_public else "not on the public internet"
        raise permission_denied(f"{host} is {why}; the entry's meta.http_client must allow it")


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, where it is one in disguise."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    listed = any(address.version == network.version and address in network for network in _RESERVED)
    return address.is_global and not (address.is_multicast or address.is_reserved or listed)


def literal_address(host: str) -> str | None:
    """The address that a host is, in any notation a resolver would take; None for a name."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host)) if host else None
    except (OSError, UnicodeEncodeError):
        return None
