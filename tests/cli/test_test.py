from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.shell import evermoon

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
SNIPPETS = re.findall(r"```lua\n(.*?)```", PAGE.read_text(), re.DOTALL)
REGISTRY = """
namespace: app
entries:
  - {name: order, kind: workflow.lua, source: file://order.lua, modules: [funcs, time]}
"""
ORDER = """
return function(order)
  local approved, ok = process.listen("approve"):receive("24h")
  if not ok then return nil, errors.new(errors.TIMEOUT, "nobody approved") end
  local receipt = assert(funcs.call("app:charge", order))
  funcs.call("app:notify", order, approved)
  return receipt
end
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    (tmp_path / "order.lua").write_text(ORDER)
    (tmp_path / "tests").mkdir()
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    (project / "tests" / name).write_text(text)


def test_what_the_page_shows_passes(project: Path) -> None:
    for number, snippet in enumerate(SNIPPETS):
        write(project, f"page{number}_test.lua", snippet)
    done = evermoon(project, "test", "--registry", "registry.yaml", "--json")
    assert done.status == 0, done.out
    assert [item["name"] for item in done.json["tests"]] == [
        "prices / add up",
        "an order / is charged once it is approved",
    ]


def test_a_failure_names_the_line_of_the_expectation(project: Path) -> None:
    write(
        project,
        "sum_test.lua",
        'return test.describe("sum", function()\n  test.it("is two", function()\n    test.equal(1, 2)\n  end)\nend)',
    )
    done = evermoon(project, "test", "tests", "--registry", "registry.yaml")
    assert done.status == 1
    assert "sum_test.lua:3: expected 2, got 1" in done.err
    assert "0 passed, 1 failed" in done.out


def test_only_some(project: Path) -> None:
    write(project, "page_test.lua", SNIPPETS[0])
    done = evermoon(project, "test", "--registry", "registry.yaml", "-k", "no such name")
    assert done.status == 2
    assert "no test's name holds 'no such name'" in done.err


def test_no_tests_at_all(project: Path) -> None:
    done = evermoon(project, "test", "--registry", "registry.yaml")
    assert (done.status, "_test.lua" in done.err) == (2, True)
