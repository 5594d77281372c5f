"""Small pieces that the API's answers share: JSON bodies, links, and parameters of the query string."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from aiohttp import web

from runtime import durations
from runtime.errors import Error
from runtime.http.paths import API
from runtime.http.problem import refuse
from runtime.payload import BINARY, JSON, NULL, Payload


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    text = json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def payload_response(payload: Payload, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A value as the body, its JSON text untouched; bytes as `application/octet-stream`."""
    if payload.encoding == NULL:
        payload = Payload(JSON, b"null")
    kind = "application/octet-stream" if payload.encoding == BINARY else "application/json"
    return web.Response(status=status, body=payload.data, content_type=kind, headers=headers)


def run_path(run: str) -> str:
    return f"{API}/runs/{quote(run, safe='')}"


def run_links(run: str) -> dict[str, str]:
    base = run_path(run)
    names = ("result", "events", "history", "cancel", "terminate")
    return {"self": base, **{name: f"{base}/{name}" for name in names}}


def seconds(request: web.BaseRequest, name: str, default: float, most: float) -> float:
    """A query parameter in seconds (`30`, `1.5`) or as a Go duration (`30s`), at most `most`. Answers 400."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = duration(name, text).total_seconds()
    if not 0 <= value < float("inf"):
        raise refuse(400, f"?{name}={text[:40]} is not a number of seconds or a duration", parameter=name)
    return min(value, most)


def duration(name: str, text: str) -> timedelta:
    """A positive Go duration. Answers 400 naming the parameter."""
    try:
        value = durations.parse(text)
    except Error as error:
        raise refuse(400, f"?{name}=: {error}", parameter=name) from None
    if value < timedelta(0):
        raise refuse(400, f"?{name}={text[:40]} is negative", parameter=name)
    return value


def whole_number(request: web.BaseRequest, name: str, default: int, most: int) -> int:
    """A query parameter that is an integer of 1 or more, at most `most`. Answers 400."""
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text[:12]) < 1:
        raise refuse(400, f"?{name}={text[:40]} is not a whole number from 1", parameter=name)
    return min(int(text[:12]), most)
