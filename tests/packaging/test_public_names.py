"""`evermoon` is the public API: these names, each of which means something, and nothing that its modules do not say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import evermoon

ROOT = Path(__file__).parents[2]

PUBLIC = [
    "BundleStore",
    "DirectoryStore",
    "Error",
    "HttpOptions",
    "LuaPlugin",
    "Programs",
    "Registry",
    "RegistryError",
    "RunDescription",
    "Runtime",
    "Started",
    "current",
    "errors",
    "replay",
    "stream",
    "testing",
]


def test_these_are_the_public_names() -> None:
    assert evermoon.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(evermoon))


@pytest.mark.parametrize("name", PUBLIC)
def test_each_means_something_and_is_explained(name: str) -> None:
    assert getattr(evermoon, name).__doc__
    assert f"`{name}" in (evermoon.__doc__ or "") or f"`evermoon.{name}`" in (evermoon.__doc__ or "")


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="'evermoon' has no attribute 'Runtim'"):
        _ = evermoon.Runtim


def test_the_modules_have_what_they_say() -> None:
    for module in (evermoon.errors, evermoon.testing):
        assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_importing_it_loads_none_of_what_it_gives() -> None:
    code = "import sys, evermoon; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"runtime.errors", "runtime.app", "temporalio", "asyncio"}.isdisjoint(done.stdout.split())


def test_nothing_that_it_is_made_of_imports_it() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "runtime").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "evermoon")
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "evermoon" for alias in node.names))
    ]
    assert found == []


def test_pages_and_examples_use_the_public_names() -> None:
    """What they import from `runtime` would have to stay as it is; architecture is about what is inside."""
    pages = [ROOT / "README.md", *(path for path in (ROOT / "docs").rglob("*.md"))]
    examples = [
        path for path in (ROOT / "entries").rglob("*.py") if path.parts[-2] != "demo" and path.name != "demo.py"
    ]
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in [*pages, *examples]
        for line in re.findall(r"^ *(?:from|import) runtime\b.*", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert found == []
