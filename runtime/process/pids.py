"""PIDs: printable addresses of runs and processes.

``{<worker entry id or queue>|<workflow id>}`` is a workflow run, ``{<entry id>@<node>|<n>}`` a process or running function.
Split at the first ``|``: workflow ids may hold one.
"""

from __future__ import annotations

import re
import secrets
import socket
from dataclasses import dataclass

from runtime.errors import Error, not_found

#: What may stand in a node's name: it is a part of PIDs and of a queue's name.
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_PROCESS = re.compile(r"[^:@]+:[^:@]+@(?P<node>[^@]+)")


@dataclass(frozen=True, slots=True)
class Pid:
    place: str
    id: str

    def __str__(self) -> str:
        return f"{{{self.place}|{self.id}}}"

    @property
    def node(self) -> str | None:
        """The node of a process or running function; None for a workflow run."""
        found = _PROCESS.fullmatch(self.place) if self.id.isdecimal() else None
        return found["node"] if found else None

    @classmethod
    def parse(cls, text: str) -> Pid | None:
        """None when the text is no PID."""
        if not (text.startswith("{") and text.endswith("}")):
            return None
        place, bar, name = text[1:-1].partition("|")
        return cls(place, name) if bar and place and name else None


def new_node() -> str:
    """A node name that no other host has, or had before: PIDs from before a restart name nobody of today."""
    host = _UNSAFE.sub("-", socket.gethostname())[:100] or "host"
    return f"{host}-{secrets.token_hex(4)}"


def no_process(destination: str, *, here: str = "") -> Error:
    """NOT_FOUND of what a message, a cancellation or a watch was for. `here`: this host's node, where some are on another one."""
    pid, hint, details = Pid.parse(destination), None, {"destination": destination}
    if here and pid is not None and pid.node is not None and pid.node != here:
        hint = f"it is of the host {pid.node}, and processes reach those of their own host, and workflows"
        details["node"] = pid.node
    return not_found("process", destination, hint, **details)
