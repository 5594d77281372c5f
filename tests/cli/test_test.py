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


PRINTS = """
import logging
def prints(word):
    print("python says", word)
    logging.getLogger("evermoon.function").warning("and logs %s", word)
    raise SystemError("it broke")
"""
PRINTING = """\
  - {name: temporal, kind: temporal.client, address: "127.0.0.1:1"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: q}
  - name: prints
    kind: function.py
    source: py://prints:prints
    meta: {temporal: {activity: {worker: worker}}, options: {activity.retry_policy: {maximum_attempts: 1}}}
"""
LOUD = """
-- modules: logger
local test, logger = require("test"), require("logger")
return test.describe("loud", function()
  test.it("is heard", function()
    print("lua says so")
    logger:warn("careful", { n = 2 })
    test.equal(test.start({ entry = "app:prints", args = { "hello" } }):result(), 1)
  end)
  test.it("Is Quiet", function() end)
end)
"""


@pytest.fixture
def loud(project: Path) -> Path:
    with (project / "registry.yaml").open("a") as file:
        file.write(PRINTING)
    (project / "prints.py").write_text(PRINTS)
    write(project, "loud_test.lua", LOUD.lstrip())
    return project


def test_what_a_test_prints_is_shown_with_it(loud: Path) -> None:
    done = evermoon(loud, "test", "--registry", "registry.yaml")
    assert done.status == 1
    assert done.out == "1 passed, 1 failed\n"
    lines = [line.strip() for line in done.err.splitlines()]
    assert lines[:4] == [
        "FAILED  tests.loud: loud / is heard",
        "| tests/loud_test.lua:5: lua says so",
        "| tests/loud_test.lua:6: WARN careful n=2",
        "| python says hello",
    ]
    assert "and logs hello" in lines[4]
    assert (
        "app:prints failed: app:prints failed: SystemError: it broke (prints.py:6, in prints) [Internal]\n" in done.err
    )
    assert lines[-1] == "ok      tests.loud: loud / Is Quiet"


def test_json_is_nothing_but_json(loud: Path) -> None:
    done = evermoon(loud, "test", "--registry", "registry.yaml", "--json")
    assert (done.status, done.err) == (1, "")
    heard, quiet = done.json["tests"]
    assert "python says hello" in heard["printed"]
    assert (quiet["ok"], quiet["printed"]) == (True, [])


def test_names_are_looked_for_in_any_case_and_may_be_listed(loud: Path) -> None:
    done = evermoon(loud, "test", "tests", "--registry", "registry.yaml", "-k", "is quiet", "--list")
    assert (done.status, done.out) == (0, "loud: loud / Is Quiet\n")


def test_a_file_may_be_named_twice_and_is_run_once_up_to_the_first_failure(loud: Path) -> None:
    words = ["tests/loud_test.lua", "tests", "-x"]
    done = evermoon(loud, "test", *words, "--registry", "registry.yaml")
    assert (done.status, done.out) == (1, "0 passed, 1 failed, 1 not run\n")


def test_a_file_that_fails_does_not_keep_others_from_being_run(project: Path) -> None:
    write(
        project,
        "bad_test.lua",
        'local test = require("test")\nreturn test.describe("bad", function()\n  error("no way")\nend)\n',
    )
    write(project, "page_test.lua", SNIPPETS[0])
    done = evermoon(project, "test", "tests", "--registry", "registry.yaml")
    assert (done.status, done.out) == (1, "1 passed, 1 failed\n")
    assert "FAILED  tests/bad_test.lua\n        bad_test.lua:3: no way" in done.err


def test_a_file_that_is_no_lua_is_told_of_with_its_line(project: Path) -> None:
    write(project, "bad_test.lua", "return function( end")
    done = evermoon(project, "test", "tests", "--registry", "registry.yaml")
    assert done.status == 1
    assert "bad_test.lua:1" in done.err
