"""Packages that the module of a Python function needs and that are not there are found without importing anything."""

from __future__ import annotations

from pathlib import Path

from runtime.registry import Registry
from runtime.registry.python_imports import import_problems

REGISTRY = """\
namespace: app
entries:
  - {name: charge, kind: function.py, source: "py://payments:charge"}
  - {name: refund, kind: function.py, source: "py://payments:refund"}
"""
MODULE = """\
from __future__ import annotations
import json, os.path
from typing import TYPE_CHECKING
import nothing_called_so.sub, lib.money
import pydantic
from . import neighbour
if TYPE_CHECKING:
    import only_for_types
try:
    import faster
except ImportError:
    faster = None
raise SystemExit("imported")
def charge(): import when_called
def refund(): pass
"""


def test_missing_packages_are_named_once_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    (tmp_path / "payments.py").write_text(MODULE)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "money.py").write_text("from decimals_called_so import D\nimport payments\n")
    (tmp_path / "lib" / "__init__.py").write_text("")
    registry = Registry.load(tmp_path / "registry.yaml", environ={}, checks=[import_problems])
    assert [(Path(note.file).name, note.line, note.severity) for note in registry.notes] == [
        ("money.py", 1, "problem"),
        ("payments.py", 4, "problem"),
    ]
    assert registry.notes[1].message.startswith("no package 'nothing_called_so' is installed for this Python")
