"""Prints the fingerprint of every program; for processes of their own. Run as a module."""

from __future__ import annotations

from tests.determinism.programs import PROGRAMS, fingerprint

if __name__ == "__main__":
    for program in PROGRAMS:
        print(program.stem, fingerprint(program))
