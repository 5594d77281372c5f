"""Moments as the runs API and the command line tell them."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def moment(value: datetime | Timestamp | None) -> str | None:
    """RFC 3339 text, UTC."""
    if value is None:
        return None
    moment = value if isinstance(value, datetime) else value.ToDatetime(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
