"""A value on its way between a script, a host and Temporal: an encoding name and bytes, Temporal's own payload form.

JSON text is carried as text from end to end: the kernel's encoder writes it, Temporal stores it, and nothing in between
parses it, so integers, floats and empty objects arrive as they left.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from runtime.errors import invalid

JSON = "json/plain"
BINARY = "binary/plain"
NULL = "binary/null"


#: Made once: `json.dumps` would make another one for each value.
_TEXT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Payload:
    """`encoding` is Temporal's metadata name (`json/plain`, `binary/plain`, `binary/null`); `data` its bytes."""

    encoding: str
    data: bytes

    @classmethod
    def of(cls, value: Any) -> Payload:
        """A Python JSON value (or bytes) as a payload. Raises `Error` INVALID when it has no JSON form."""
        if isinstance(value, bytes):
            return cls(BINARY, value)
        try:
            return cls(JSON, _TEXT(value).encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise invalid(f"value has no JSON form: {error}") from error

    def value(self) -> Any:
        """The Python value: JSON decoded, bytes as they are, null as None. Raises `Error` INVALID on broken JSON."""
        if self.encoding == NULL:
            return None
        if self.encoding.startswith("json/"):
            try:
                return json.loads(self.data)
            except ValueError as error:
                raise invalid(f"payload is not JSON: {error}") from error
        return self.data


NOTHING = Payload(JSON, b"null")
