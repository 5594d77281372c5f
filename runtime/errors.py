"""The one error: kind, message, retryable, details, cause. Every boundary maps this and nothing else.

The wire form (`to_wire`/`from_wire`) is a JSON object ``{kind, message, retryable?, details?, context?, stack?, cause?}``;
it is what the kernel and its hosts exchange, and what travels in the details of a Temporal ApplicationError.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

NOT_FOUND = "NotFound"
ALREADY_EXISTS = "AlreadyExists"
INVALID = "Invalid"
PERMISSION_DENIED = "PermissionDenied"
UNAVAILABLE = "Unavailable"
INTERNAL = "Internal"
CANCELED = "Canceled"
CONFLICT = "Conflict"
TIMEOUT = "Timeout"
RATE_LIMITED = "RateLimited"
LIMIT_EXCEEDED = "LimitExceeded"
UNKNOWN = ""

KINDS = frozenset(
    {
        NOT_FOUND,
        ALREADY_EXISTS,
        INVALID,
        PERMISSION_DENIED,
        UNAVAILABLE,
        INTERNAL,
        CANCELED,
        CONFLICT,
        TIMEOUT,
        RATE_LIMITED,
        LIMIT_EXCEEDED,
        UNKNOWN,
    }
)

#: Kinds that a retry cannot mend; everything else is retried when an error does not say.
NOT_RETRIED = frozenset({INVALID, NOT_FOUND, PERMISSION_DENIED, ALREADY_EXISTS, CONFLICT, LIMIT_EXCEEDED})

HTTP_STATUS: Mapping[str, int] = {
    INVALID: 400,
    PERMISSION_DENIED: 403,
    NOT_FOUND: 404,
    ALREADY_EXISTS: 409,
    CONFLICT: 409,
    RATE_LIMITED: 429,
    CANCELED: 499,
    UNAVAILABLE: 503,
    TIMEOUT: 504,
}


#: What the kinds mean, to whoever meets one.
MEANINGS: Mapping[str, str] = {
    NOT_FOUND: "What was asked for is not there.",
    ALREADY_EXISTS: "What was to be made is there already.",
    INVALID: "What was asked cannot be meant: a wrong value, an unknown option, a state that does not allow it.",
    PERMISSION_DENIED: "Whoever asks may not do that.",
    CONFLICT: "What is there has changed meanwhile, or does not go together with what was asked.",
    LIMIT_EXCEEDED: "A limit of the entry, or of the host, is spent.",
    UNAVAILABLE: "What is needed does not answer now.",
    TIMEOUT: "It took longer than it may.",
    RATE_LIMITED: "Too much at once; later it may do.",
    INTERNAL: "A script or the host failed.",
    CANCELED: "It was asked to end before it was done, or was ended.",
    UNKNOWN: "A failure that says no more than its message.",
}


class Error(Exception):
    """A failure as scripts, clients and hosts see it.

    `kind` is one of the constants above or any other string; `retryable` is True, False or None (unspecified);
    `details` is a JSON object or None; `context` is the text `errors.wrap` put before the message; `stack` is the Lua
    traceback, innermost frame first, one frame a line; `cause` is the wrapped error.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        retryable: bool | None = None,
        details: Mapping[str, Any] | None = None,
        stack: str | None = None,
        context: str | None = None,
        cause: Error | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retryable = retryable
        self.details = dict(details) if details else None
        self.stack = stack
        self.context = context
        self.cause = cause

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle` and `copy`: an exception is made again from `args` alone otherwise."""
        more = {name: getattr(self, name) for name in ("retryable", "details", "stack", "context", "cause")}
        return (partial(Error, **more), (self.kind, self.message))

    def __str__(self) -> str:
        text = f"{self.context}: {self.message}" if self.context else self.message
        return text or self.kind or "unknown error"

    def __repr__(self) -> str:
        return f"Error(kind={self.kind!r}, message={self.message!r}, retryable={self.retryable!r})"

    @property
    def is_retried(self) -> bool:
        """Whether a retry policy applies: what the error says, else what its kind implies."""
        return self.kind not in NOT_RETRIED if self.retryable is None else self.retryable

    @property
    def http_status(self) -> int:
        return HTTP_STATUS.get(self.kind, 500)

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"kind": self.kind, "message": self.message}
        for name in ("retryable", "details", "stack", "context"):
            value = getattr(self, name)
            if value is not None:
                wire[name] = value
        if self.cause is not None:
            wire["cause"] = self.cause.to_wire()
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Error:
        cause = wire.get("cause")
        details = wire.get("details")
        return cls(
            str(wire.get("kind") or ""),
            str(wire.get("message") or ""),
            retryable=wire.get("retryable"),
            details=details if isinstance(details, Mapping) else None,
            stack=wire.get("stack"),
            context=wire.get("context"),
            cause=cls.from_wire(cause) if isinstance(cause, Mapping) else None,
        )


# Each kind is made by its function, so that a kind has one `retryable` and, where it is about one thing, one wording.
# `retryable` is said only where a failure is not like others of its kind.


def invalid(message: str, *, retryable: bool = False, **details: Any) -> Error:
    return Error(INVALID, message, retryable=retryable, details=details)


def internal(message: str, *, retryable: bool | None = False, **details: Any) -> Error:
    """Of a fault of the host, which another attempt meets again."""
    return Error(INTERNAL, message, retryable=retryable, details=details)


def not_found(what: str, id: object, hint: str | None = None, **details: Any) -> Error:
    """`what` names the kind of thing, `id` the one that is missing; `details` are `{"id": id}` unless given."""
    text = f"{what} not found: {id}"
    return Error(NOT_FOUND, f"{text}; {hint}" if hint else text, retryable=False, details=details or {"id": id})


def not_deployed(what: str, id: object, hint: str | None = None, **details: Any) -> Error:
    """As `not_found`, of what a deploy brings: another attempt may find it, or meet a host that has it."""
    error = not_found(what, id, hint, **details)
    error.retryable = True
    return error


def already_exists(message: str, **details: Any) -> Error:
    return Error(ALREADY_EXISTS, message, retryable=False, details=details)


def conflict(message: str, *, retryable: bool = False, **details: Any) -> Error:
    return Error(CONFLICT, message, retryable=retryable, details=details)


def permission_denied(message: str, **details: Any) -> Error:
    return Error(PERMISSION_DENIED, message, retryable=False, details=details)


def limit_exceeded(message: str, **details: Any) -> Error:
    return Error(LIMIT_EXCEEDED, message, retryable=False, details=details)


def rate_limited(message: str, *, retryable: bool = True, **details: Any) -> Error:
    return Error(RATE_LIMITED, message, retryable=retryable, details=details)


def unavailable(message: str, *, retryable: bool = True, **details: Any) -> Error:
    return Error(UNAVAILABLE, message, retryable=retryable, details=details)


def timed_out(message: str, **details: Any) -> Error:
    return Error(TIMEOUT, message, retryable=True, details=details)


def canceled(message: str = "canceled", **details: Any) -> Error:
    return Error(CANCELED, message, retryable=False, details=details)
