"""Python functions that fail in the ways Python functions do."""

from __future__ import annotations

from runtime.errors import CONFLICT, Error


def raises() -> None:
    raise ValueError("a bad amount")


async def refuses(sku: str) -> None:
    raise Error(CONFLICT, "out of stock", retryable=False, details={"sku": sku})


def takes_whole(n: int) -> int:
    return n


def returns_object() -> object:
    return object()
