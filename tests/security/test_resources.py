"""What hostile scripts leave behind in the host: nothing."""

from __future__ import annotations

import gc
import resource
import threading
from pathlib import Path

from runtime.errors import Error
from runtime.testing import VirtualHost, program_from_source
from tests.security.corpus import ALL, MODULES, Attack

_SPENDERS = [attack for attack in ALL if attack.how in ("memory", "limit") and attack.on is None]
_QUICK = [attack for attack in ALL if attack.how in ("error", "denied", "harmless") and attack.on is None]


def _attack(attack: Attack) -> None:
    program = program_from_source(
        attack.source, modules=MODULES, memory=min(attack.memory, 4 * 1024 * 1024), instructions=1_000_000
    )
    virtual = VirtualHost(program)
    try:
        virtual.run()
    except Error:
        pass
    finally:
        virtual.close()


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_and_threads_stay() -> None:
    for attack in [*_SPENDERS, *_QUICK]:
        _attack(attack)
    before, threads = _resident(), threading.active_count()
    for _ in range(2):
        for attack in [*_SPENDERS, *_QUICK]:
            _attack(attack)
    assert _resident() - before < 48 * 1024 * 1024
    assert threading.active_count() == threads
