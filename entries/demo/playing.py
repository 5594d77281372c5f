"""What every demo shares: how it speaks, and that it ends clean, however it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from entries.demo.shop import Unexpected
from evermoon import Error

console = Console(highlight=False, soft_wrap=True)

#: Shows everything with its state in a directory, and gives the report.
Show = Callable[[Path], Awaitable[dict[str, Any]]]


def title(text: str) -> None:
    console.print(f"\n[bold]{text}[/bold]")


def say(text: str) -> None:
    console.print(f"  {text}", markup=False)


async def play(show: Show) -> int:
    """The exit status. The report is the last line on standard output; a claim that does not hold is said on standard error."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with tempfile.TemporaryDirectory(prefix="evermoon-demo-") as directory:
        state = Path(directory)
        try:
            report = await show(state)
        except (Unexpected, Error, RuntimeError, TimeoutError, aiohttp.ClientError) as error:
            print(f"the demo failed: {error or type(error).__name__}", file=sys.stderr)
            print(_tail(state / "worker.log"), file=sys.stderr)
            return 1
        except asyncio.CancelledError:
            print("stopped; nothing is left running", file=sys.stderr)
            return 130
    print(json.dumps(report), flush=True)
    return 0


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""
