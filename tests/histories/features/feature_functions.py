"""A Python function that the recorded workflows call."""

from __future__ import annotations


def greet(name: str, times: int = 1) -> dict[str, object]:
    return {"greeting": f"hello {name}", "times": times, "half": times / 2}
