"""One set of files with a mistake of every sort: all are reported together, each where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.registry import Problem, Registry, RegistryError
from tests.registry.support import Files

BROKEN = """
version: "1.0"
namespace: app
include: more/*.yaml
entries:
  - name: temporal
    kind: temporal.client
    address: localhost:7233
    adress: localhost:7234
  - name: worker
    kind: temporal.worker
    client: temporl
    task_queue: orders
    worker_options:
      max_cached_workflow: 5
  - name: order
    kind: workflow.lua
    source: file://ordr.lua
    limits: {memory: lots}
    meta:
      temporal:
        workflow:
          worker: temporal
          on_error: retry
  - name: pay
    kind: function.lua
    source: file://../outside.lua
    timeout: soon
    timeout: 30s
  - name: pay
    kind: function.lua
    source: file://pay.lua
  - name: tick
    kind: stream.storage
  - name: odd
    kind: workflow.luaa
  - name: queue
    kind: temporal.worker
    client: temporal
  - kind: library.lua
    source: file://pay.lua
"""

MORE = """
namespace: more
entries:
  - name: route
    kind: http.endpoint
    router: app:api
    path: orders/{id}
    func: app:pay
"""


@pytest.fixture
def broken(files: Files) -> list[Problem]:
    path = files.write(
        {
            "in/registry.yaml": BROKEN,
            "in/more/http.yaml": MORE,
            "in/order.lua": "return 1",
            "in/pay.lua": "return 1",
            "outside.lua": "return 1",
        }
    )
    with pytest.raises(RegistryError) as raised:
        Registry.load(path, environ={})
    return list(raised.value.problems)


EXPECTED = [
    ("http.yaml", 5, "more:route", 'no entry "app:api"', None),
    ("http.yaml", 6, "more:route", "path: expects a path", None),
    ("registry.yaml", 8, "app:temporal", 'unknown field "adress"', 'did you mean "address"?'),
    ("registry.yaml", 11, "app:worker", 'client: no entry "app:temporl"', 'did you mean "app:temporal"?'),
    (
        "registry.yaml",
        14,
        "app:worker",
        'unknown field "worker_options.max_cached_workflow"',
        'did you mean "max_cached_workflows"?',
    ),
    ("registry.yaml", 17, "app:order", 'no file "ordr.lua" below the root', 'did you mean "order.lua"?'),
    ("registry.yaml", 18, "app:order", 'limits.memory: expects a size such as "64MiB"', None),
    (
        "registry.yaml",
        22,
        "app:order",
        '"app:temporal" is a temporal.client, not a temporal.worker',
        None,
    ),
    ("registry.yaml", 23, "app:order", "expects 'fail' or 'retry_task', not 'retry'", 'did you mean "retry_task"?'),
    ("registry.yaml", 26, "app:pay", '"../outside.lua" leaves the root', None),
    ("registry.yaml", 27, "app:pay", "timeout: expects a duration", None),
    ("registry.yaml", 28, None, '"timeout" is given twice', "the first is on line 27"),
    ("registry.yaml", 29, "app:pay", "app:pay is defined twice", None),
    ("registry.yaml", 33, "app:tick", 'unknown kind "stream.storage"', None),
    ("registry.yaml", 35, "app:odd", 'unknown kind "workflow.luaa"', 'did you mean "workflow.lua"?'),
    ("registry.yaml", 36, "app:queue", 'missing field "task_queue"', None),
    ("registry.yaml", 39, None, 'missing field "name"', None),
]


def test_every_mistake_is_reported_in_one_go_at_its_line(broken: list[Problem]) -> None:
    found = [(Path(problem.file).name, problem.line, problem.entry_id) for problem in broken]
    assert found == [(file, line, entry) for file, line, entry, _, _ in EXPECTED]


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: f"{expected[0]}:{expected[1]}")
def test_a_mistake_says_what_is_wrong_and_what_was_meant(
    broken: list[Problem], expected: tuple[str, int, str | None, str, str | None]
) -> None:
    file, line, _, message, hint = expected
    [problem] = [found for found in broken if (Path(found.file).name, found.line) == (file, line)]
    assert message in problem.message
    if hint:
        assert problem.hint == hint


def test_a_mistake_links_the_docs_of_its_kind(broken: list[Problem]) -> None:
    linked = {problem.entry_id: problem.docs for problem in broken}
    assert linked["app:worker"] == "evermoon docs kinds/temporal.worker"
    assert linked["app:odd"] == "evermoon docs registry"


def test_a_problem_prints_as_one_line_that_starts_with_file_and_line(broken: list[Problem]) -> None:
    problem = next(found for found in broken if found.line == 11)
    assert str(problem) == (
        f'{problem.file}:11: app:worker: client: no entry "app:temporl"; did you mean "app:temporal"? '
        "(see evermoon docs kinds/temporal.worker)"
    )


def test_a_problem_stays_one_line_whatever_the_file_holds() -> None:
    printed = str(Problem("a.yaml", 1, "app:a", "bad \x1b[31m\n" + "x" * 5000))
    assert printed.startswith("a.yaml:1: app:a: bad \\x1b[31m\\nxxx")
    assert len(printed) < 1100


def test_the_error_says_how_many_and_then_each(broken: list[Problem]) -> None:
    error = RegistryError(broken)
    lines = error.message.splitlines()
    assert lines[0] == f"the registry has {len(broken)} problems"
    assert lines[1:] == [str(problem) for problem in broken]
