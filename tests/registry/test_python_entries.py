"""`function.py`: found without being imported, imported from the root of its file when it is called for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import INVALID, Error
from runtime.registry import FunctionPy, Registry
from tests.registry.support import Files


@pytest.fixture(autouse=True)
def _imports() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        del sys.modules[name]


def definition(source: str) -> str:
    return f'namespace: app\nentries:\n  - name: f\n    kind: function.py\n    source: "{source}"\n'


def function(registry: Registry) -> FunctionPy:
    entry = registry["app:f"]
    assert isinstance(entry, FunctionPy)
    return entry


def test_a_callable_is_imported_from_the_root(files: Files) -> None:
    code = {
        "shopkit/pay.py": "class Gate:\n    @staticmethod\n    def charge(x):\n        return x * 2\n",
        "shopkit/__init__.py": "",
    }
    entry = function(files.load(definition("py://shopkit.pay:Gate.charge"), code))
    assert (entry.source.module, entry.source.callable) == ("shopkit.pay", "Gate.charge")
    assert entry.load()(4) == 8


def test_a_load_imports_nothing(files: Files) -> None:
    code = "raise RuntimeError('imported')\ndef f(): ...\n"
    entry = function(files.load(definition("py://loud_module:f"), {"loud_module.py": code}))
    with pytest.raises(Error, match="app:f: importing loud_module: RuntimeError: imported") as raised:
        entry.load()
    assert raised.value.kind == INVALID


def test_modules_of_one_name_in_two_roots_do_not_mix(tmp_path: Path) -> None:
    answers = []
    for name in ("one", "two"):
        files = Files(tmp_path / name)
        registry = files.load(definition("py://twinmod.acts:f"), {"twinmod/acts.py": f"def f(): return '{name}'\n"})
        answers.append(function(registry).load()())
    assert answers == ["one", "two"]


def test_an_installed_module_will_do(files: Files) -> None:
    assert function(files.load(definition("py://json:dumps"))).load()([1]) == "[1]"


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("acts:f", "is not a Python callable", 'write "py://package.module:callable"'),
        ("py://acts", "is not a Python callable", None),
        ("py://pack.act:f", 'no Python module "pack.act" below the root', 'did you mean "pack.acts"?'),
        ("py://no_such_module:f", 'no Python module "no_such_module"', None),
        ("py://pack.acts:chrge", 'acts.py has no callable "chrge"', 'did you mean "charge"?'),
        ("py://pack.bad:f", "bad.py:2 is not Python", None),
    ],
)
def test_a_callable_that_is_not_there_is_a_problem(files: Files, source: str, message: str, hint: str | None) -> None:
    code = {"pack/acts.py": "async def charge(): ...\n", "pack/bad.py": "x = 1\ndef (:\n"}
    problem = files.problem(definition(source), code)
    assert message in problem.message
    assert problem.line == 5
    if hint:
        assert problem.hint == hint


def test_a_module_that_makes_its_names_is_asked_only_when_imported(files: Files) -> None:
    entry = function(files.load(definition("py://maker:f"), {"maker.py": "globals()['f'] = lambda: 1\n"}))
    assert entry.load()() == 1


def test_what_is_not_callable_is_an_error(files: Files) -> None:
    entry = function(files.load(definition("py://plainvalue:f"), {"plainvalue.py": "f = 5\n"}))
    with pytest.raises(Error, match="app:f: plainvalue has no callable f"):
        entry.load()
