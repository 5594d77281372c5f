"""The stacks of a run's coroutines in the two forms in which Temporal's own tools ask for them: text, and locations with their sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from temporalio.api.sdk.v1 import (
    EnhancedStackTrace,
    StackTrace,
    StackTraceFileLocation,
    StackTraceFileSlice,
    StackTraceSDKInfo,
)

from runtime.lua.program import Unit

_SUGGESTED = "the server suggests to continue as new: process.upgrade"
#: A frame as the kernel writes it. Files go by their names below the registry's root.
_FRAME = re.compile(r"(?P<file>.*):(?P<line>\d+) in (?P<name>.*)", re.DOTALL)


def text(stacks: Iterable[Mapping[str, Any]], *, suggested: bool = False) -> str:
    """As people read them. `suggested`: whether the server suggests that the run continues as new, which goes before all of them."""
    blocks = (
        "\n".join(
            [f"coroutine {stack['coroutine']}: {stack['waiting_for']}", *(f"    {line}" for line in stack["frames"])]
        )
        for stack in stacks
    )
    return "\n\n".join([_SUGGESTED, *blocks] if suggested else blocks)


def enhanced(stacks: Iterable[Mapping[str, Any]], units: Iterable[Unit], version: str) -> EnhancedStackTrace:
    """With the source of each file that is in one of them."""
    traces = [StackTrace(locations=_locations(stack["frames"])) for stack in stacks]
    files = {location.file_path for trace in traces for location in trace.locations}
    sources = {
        unit.name: StackTraceFileSlice(line_offset=0, content=unit.source) for unit in units if unit.name in files
    }
    return EnhancedStackTrace(sdk=StackTraceSDKInfo(name="evermoon", version=version), sources=sources, stacks=traces)


def _locations(frames: Iterable[str]) -> list[StackTraceFileLocation]:
    found = filter(None, map(_FRAME.fullmatch, frames))
    return [
        StackTraceFileLocation(file_path=frame["file"], line=int(frame["line"]), column=-1, function_name=frame["name"])
        for frame in found
    ]
