"""The determinism corpus: legal but nasty programs, run to their end on the virtual host."""

from __future__ import annotations

import hashlib
from pathlib import Path

from runtime.errors import Error
from runtime.testing import VirtualHost, program_from_source

FOLDER = Path(__file__).parent / "programs"
PROGRAMS = sorted(FOLDER.glob("*.lua"))
MODULES = ("base64", "crypto", "ctx", "funcs", "hash", "json", "logger", "outcome", "saga", "time", "uuid", "workflow")


def run(path: Path, *, replays: int = 0) -> VirtualHost:
    """The program run in an interpreter of its own, and replayed in `replays` further ones. Closed."""
    program = program_from_source(path.read_text(), modules=MODULES)
    virtual = VirtualHost(program, functions={"app:act": lambda *args: len(args)}, seed=42)
    try:
        virtual.run()
    except Error:
        assert virtual.final is not None, "the program waits for what never comes"
    for _ in range(replays):
        virtual.replay()
    virtual.close()
    return virtual


def fingerprint(path: Path) -> str:
    """All that the kernel answered, in a hash."""
    digest = hashlib.sha256()
    for step in run(path).steps:
        digest.update(step.batch.frame)
    return digest.hexdigest()
