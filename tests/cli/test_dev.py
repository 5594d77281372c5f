from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import EVERMOON, Outcome, environment, evermoon, running
from tests.waiting import wait_until

WAITING = """
local workflow = require("workflow")

return function(input)
    local name = "unnamed"
    workflow.query("name", function() return name end)
    workflow.update("rename", function(to) name = to return true end)
    local value, _, canceled = process.listen("go"):receive()
    if canceled then
        return nil, canceled
    end
    return { input = input, got = value, name = name }
end
"""
COMPANION = """
import json, os, pathlib, sys
print(json.dumps({"env": {"GREETING": "from the companion"}}), flush=True)
sys.stdin.read()
pathlib.Path(sys.argv[1]).write_text("ended")
"""
MORE = """
  - {name: waiting, kind: workflow.lua, source: file://entries/waiting.lua, modules: [workflow],
     meta: {temporal: {workflow: {worker: worker}}}}
  - {name: strict, kind: workflow.lua, source: file://entries/waiting.lua, modules: [workflow],
     input_schema: {type: object, required: [n]}, meta: {temporal: {workflow: {worker: worker}}}}
  - {name: failing, kind: workflow.lua, source: file://entries/failing.lua, modules: [funcs],
     meta: {temporal: {workflow: {worker: worker}}}}
  - {name: astray, kind: workflow.lua, source: file://entries/astray.lua,
     meta: {temporal: {workflow: {worker: worker, on_error: retry_task}}}}
  - {name: fail, kind: function.lua, source: file://entries/fail.lua, meta: {temporal: {activity: {worker: worker}}}}
  - {name: declared, kind: workflow.lua, source: file://entries/declared.lua, modules: [workflow],
     meta: {temporal: {workflow: {worker: worker, signals: {approve: {}}}}}}
  - {name: unlucky, kind: workflow.lua, source: file://entries/unlucky.lua,
     meta: {temporal: {workflow: {worker: worker}}}}
  - {name: greeting, kind: function.lua, source: file://entries/greeting.lua, modules: [env]}
  - {name: GREETING, kind: env.variable, variable: GREETING, default: nobody}
  - {name: companion, kind: registry.entry, meta: {dev: {command: ["{python}", companion.py, "{state}/companion"]}}}
"""
FAILING = 'local funcs = require("funcs")\nreturn function() return funcs.call("app:fail") end\n'
GREETING = 'local env = require("env")\nreturn function() return (env.get("GREETING")) end\n'


def project(directory: Path) -> Path:
    """What `evermoon new` writes, and a bit more: on whatever port is free."""
    assert evermoon(directory, "new", ".", "--namespace", "app").status == 0
    registry = directory / "config" / "registry.yaml"
    registry.write_text(registry.read_text().replace("127.0.0.1:8080", "127.0.0.1:0") + MORE)
    (directory / "entries" / "waiting.lua").write_text(WAITING)
    (directory / "entries" / "declared.lua").write_text(WAITING)
    (directory / "entries" / "greeting.lua").write_text(GREETING)
    (directory / "entries" / "failing.lua").write_text(FAILING)
    (directory / "entries" / "unlucky.lua").write_text(
        'return function() error(errors.new("Unlucky", "no luck")) end\n'
    )
    (directory / "entries" / "fail.lua").write_text(
        'return function() return nil, errors.new("Unlucky", "never") end\n'
    )
    (directory / "entries" / "astray.lua").write_text('return function() error("lost") end\n')
    (directory / "companion.py").write_text(COMPANION)
    return directory


@dataclass
class Dev:
    directory: Path
    told: dict[str, Any]

    def __call__(self, *words: str) -> Outcome:
        return evermoon(self.directory, *words)

    def done(self, *words: str) -> Any:
        """The value of a command that must succeed."""
        outcome = self(*words, "--json")
        assert outcome.status == 0, outcome
        return outcome.json


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    directory = project(tmp_path_factory.mktemp("dev"))
    with running(directory, "dev", "--ephemeral") as (_, told):
        yield Dev(directory, told)


def test_it_says_where_everything_is_and_the_others_find_it(dev: Dev) -> None:
    state = json.loads((dev.directory / ".evermoon" / "dev.json").read_text())
    assert {key: state[key] for key in dev.told} == dev.told
    assert dev.told["ui"].startswith("http://127.0.0.1:")
    with urllib.request.urlopen(dev.told["http"]["app:http"] + "/readyz") as answer:
        assert answer.status == 200


def test_large_values_are_kept_beside_the_database(tmp_path: Path) -> None:
    """More than Temporal takes, as argument of a child and as result; the other commands read it too."""
    directory = project(tmp_path)
    (directory / "entries" / "hello.lua").write_text(
        'return function(text) return text or process.exec("app:hello", "app:worker", ("x"):rep(3 * 1024 * 1024)) end\n'
    )
    registry = directory / "config" / "registry.yaml"
    registry.write_text(registry.read_text().replace("[funcs, time]", "[funcs, time, process]"))
    with running(directory, "dev"):
        run = evermoon(directory, "start", "app:hello", "--json").json["id"]
        assert evermoon(directory, "result", run, "--json").json == "x" * 3 * 1024 * 1024
    assert any(path.is_file() for path in (directory / ".evermoon" / "payloads").rglob("*"))
    assert "reloaded" not in (directory / "stderr.log").read_text(), "what it keeps there is nobody's save"


def test_a_page_of_elsewhere_reaches_nothing(dev: Dev) -> None:
    base = dev.told["http"]["app:http"]
    page = {"Origin": "https://pages.example", "Sec-Fetch-Site": "cross-site"}
    for path, data, headers in (
        ("/api/v1/entries", None, {"Host": "pages.example"}),
        ("/docs", None, {"Host": "pages.example"}),
        ("/api/v1/workflows/app:waiting", b"", page),
        ("/api/v1/workflows/app:waiting", b"[1]", {**page, "Content-Type": "text/plain"}),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(base + path, data, headers))
        with refused.value as answer:
            assert answer.status == 403, path


def test_start_and_wait(dev: Dev) -> None:
    assert dev.done("start", "app:hello", '{"name": "Ada"}', "--wait") == {"greeting": "Hello, Ada!"}


def test_a_run_from_start_to_end(dev: Dev) -> None:
    started = dev.done("start", "app:waiting", '{"n": 1}', "--id", "w-1")
    assert (started["id"], started["pid"]) == ("w-1", "{app:worker|w-1}")
    assert dev.done("query", "w-1", "name") == "unnamed"
    assert dev.done("update", "w-1", "rename", '"anna"') is True
    shown = dev.done("show", "w-1")
    assert (shown["status"], shown["entry"]) == ("RUNNING", "app:waiting")
    assert len(shown["bundle"]) == 64
    assert any("waiting.lua" in frame for coroutine in shown["stack"] for frame in coroutine["frames"])
    for_people = dev("show", "w-1").out
    assert shown["bundle"] in for_people
    assert "RUNNING" in for_people
    assert "waiting.lua:" in for_people
    dev.done("send", "w-1", "go", '{"by": "ops"}')
    assert dev.done("result", "w-1") == {"input": {"n": 1}, "got": {"by": "ops"}, "name": "anna"}
    wait_until(lambda: "w-1" in dev("ps").out)
    assert [run["status"] for run in dev.done("ps", "--query", "WorkflowId='w-1'")] == ["COMPLETED"]


def test_events_are_told_as_they_come_and_once_more(dev: Dev) -> None:
    dev.done("start", "app:waiting", "--id", "e-1")
    words = [*EVERMOON, "events", "e-1", "--follow", "--json"]
    with subprocess.Popen(words, cwd=dev.directory, env=environment(), stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        first = json.loads(following.stdout.readline())
        assert (first["id"], first["event"], first["data"]["type"]) == ("1.0", "started", "app:waiting")
        dev.done("send", "e-1", "go", "7")
        events = [first, *map(json.loads, following.stdout)]
        assert following.wait(60) == 0
    assert [event["event"] for event in events] == ["started", "signal", "completed"]
    assert events[-1]["data"]["result"]["got"] == 7
    told = dev("events", "e-1", "--json", "--after", "1.0").out.splitlines()
    assert [json.loads(line) for line in told] == events[1:]
    for_people = dev("events", "e-1")
    assert (for_people.status, [line.split()[2] for line in for_people.out.splitlines()]) == (
        0,
        ["started", "signal", "completed"],
    )
    assert dev("events", "nobody").status == 1
    assert dev("events", "e-1", "--after", "yesterday").status == 2


def test_an_id_in_use_is_refused(dev: Dev) -> None:
    dev.done("start", "app:waiting", "--id", "taken")
    again = dev("start", "app:waiting", "--id", "taken")
    assert again.status == 1
    assert "taken" in again.err
    dev.done("terminate", "taken", "--reason", "test")
    assert dev("result", "taken").status == 1


def test_cancel_fails_the_result(dev: Dev) -> None:
    dev.done("start", "app:waiting", "--id", "unwanted")
    dev.done("cancel", "unwanted")
    outcome = dev("result", "unwanted", "--json")
    assert (outcome.status, outcome.json["error"]["kind"]) == (1, "Canceled")


def test_what_nobody_started_is_one_clear_line(dev: Dev) -> None:
    outcome = dev("result", "nobody")
    assert outcome.status == 1
    assert outcome.err.count("\n") == 1
    assert "nobody" in outcome.err


def test_an_unknown_run_is_told_with_the_one_that_may_be_meant(dev: Dev) -> None:
    dev.done("start", "app:waiting", "--id", "order-4711")
    wait_until(lambda: "order-4711" in dev("ps").out)
    for words in (("show", "order-471"), ("send", "ordr-4711", "go"), ("result", "order4711")):
        outcome = dev(*words)
        assert (outcome.status, outcome.out) == (1, "")
        assert f'workflow not found: {words[1]}; did you mean "order-4711"?' in outcome.err
    dev.done("terminate", "order-4711")


def test_a_topic_that_is_nearly_a_declared_one_is_pointed_out(dev: Dev) -> None:
    dev.done("start", "app:declared", "--id", "declared")
    sent = dev("send", "declared", "aprove")
    assert (sent.status, sent.out) == (0, "")
    assert sent.err == 'app:declared declares no signal "aprove"; did you mean "approve"?\n'
    assert dev("send", "declared", "approve").err == ""


def test_what_is_no_workflow_is_told_as_what_it_is(dev: Dev) -> None:
    assert "workflow not found: app:greet; that is a function.lua" in dev("start", "app:greet").err


def test_a_run_that_fails_leaves_a_line_in_the_log(dev: Dev) -> None:
    assert dev("start", "app:unlucky", "--id", "unlucky", "--wait").status == 1
    log = dev.directory / "stderr.log"
    wait_until(lambda: "run unlucky failed: no luck [Unlucky] (entries/unlucky.lua:1" in log.read_text())


def test_an_unknown_entry_is_named(dev: Dev) -> None:
    outcome = dev("start", "app:helo")
    assert outcome.status == 1
    assert "app:helo" in outcome.err


def test_input_is_held_to_its_schema_before_anything_starts(dev: Dev) -> None:
    refused = dev("start", "app:strict", '{"m": 1}', "--id", "strict")
    assert (refused.status, refused.out) == (2, "")
    assert "input of app:strict:" in refused.err
    dev.done("start", "app:strict", '{"n": 1}', "--id", "strict")


def test_call_runs_a_function_with_what_companions_announced(dev: Dev) -> None:
    assert dev.done("call", "app:greet", '"Bob"') == "Hello, Bob!"
    assert dev.done("call", "app:greeting") == "from the companion"


def test_a_history_replays_and_a_tampered_one_does_not(dev: Dev) -> None:
    dev.done("start", "app:hello", "--id", "recorded", "--wait")
    with urllib.request.urlopen(dev.told["http"]["app:http"] + "/api/v1/runs/recorded/history") as answer:
        history = json.load(answer)
    path = dev.directory / "history.json"
    path.write_text(json.dumps(history))
    assert dev("replay", str(path)).status == 0
    path.write_text(json.dumps(history).replace("app:greet", "app:other"))
    diverged = dev("replay", str(path))
    assert diverged.status == 1
    assert "DIVERGED" in diverged.out
    assert re.search(
        r"hello.lua:\d+: funcs.call app:greet — history has at event \d+: funcs.call app:other", diverged.err
    )
    [told] = json.loads(dev("replay", "--json", str(path)).out)
    assert told["ok"] is False
    assert told["divergence"]["event"] > 4
    assert told["divergence"]["command"] == "funcs.call app:greet"
    assert dev("replay", "recorded").status == 0
    assert dev("replay", "nobody").status == 1
    assert dev("replay", "missing.json").status == 2
    path.write_text("{}")
    assert dev("replay", str(path)).status == 1


def test_it_listens_where_it_is_told_to_and_nowhere_else(tmp_path: Path) -> None:
    project(tmp_path)
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = [str(sock.getsockname()[1]) for sock in sockets]
        taken = evermoon(tmp_path, "dev", "--ephemeral", "--port", ports[0])
        assert (taken.status, f"port {ports[0]} of 127.0.0.1 is taken" in taken.err) == (1, True)
    words = ("--port", ports[0], "--ui-port", ports[1], "--http-port", ports[2])
    with running(tmp_path, "dev", "--ephemeral", *words) as (_, told):
        assert told["address"] == f"127.0.0.1:{ports[0]}"
        assert told["ui"] == f"http://127.0.0.1:{ports[1]}"
        assert told["http"] == {"app:http": f"http://127.0.0.1:{ports[2]}"}


def test_a_second_dev_for_the_same_state_is_refused(dev: Dev) -> None:
    outcome = dev("dev")
    assert outcome.status == 1
    assert str(dev.told["pid"]) in outcome.err


def test_a_save_is_taken_up_and_a_broken_one_is_not(dev: Dev) -> None:
    greet = dev.directory / "entries" / "greet.lua"
    log = dev.directory / "stderr.log"

    def greeting() -> str:
        url = dev.told["http"]["app:http"] + "/api/v1/workflows/app:hello"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
            run = json.load(answer)["links"]["result"]
        with urllib.request.urlopen(f"{dev.told['http']['app:http']}{run}?wait=20") as answer:
            return str(json.load(answer)["greeting"])

    greet.write_text('return function(name) return "Hi, " .. name end\n')
    wait_until(lambda: greeting() == "Hi, world")
    greet.write_text("return {\n")
    wait_until(lambda: "greet.lua:2" in log.read_text())
    assert greeting() == "Hi, world"
    assert dev("ps").status == 0  # a broken script is no reason not to look at runs
    assert dev("start", "app:hello").status == 1  # but one to start none
    greet.write_text('return function(name) return "Hello, " .. name .. "!" end\n')
    wait_until(lambda: greeting() == "Hello, world!")


def test_runs_are_spoken_to_while_the_registry_is_broken(dev: Dev) -> None:
    registry = dev.directory / "config" / "registry.yaml"
    good = registry.read_text()
    dev.done("start", "app:waiting", "--id", "meanwhile")
    try:
        for broken in (f"{good}\n  - {{name: bad, kind: function.lua, sauce: x}}\n", f"{good}\n  - {{name: [\n"):
            registry.write_text(broken)
            asked = dev("query", "meanwhile", "name")
            assert (asked.status, json.loads(asked.out)) == (0, "unnamed"), asked.err
            assert "problem" in asked.err
            assert "evermoon check" in asked.err
        assert dev("start", "app:waiting").status == 1  # nothing is started from files that are broken
    finally:
        registry.write_text(good)


def test_a_run_that_no_worker_serves_is_started_only_when_that_is_meant(dev: Dev) -> None:
    words = ("start", "app:waiting", "--id", "alone", "--worker", "nobody-here")
    refused = dev(*words)
    assert (refused.status, refused.out) == (1, "")
    assert "no worker polls its task queue nobody-here" in refused.err
    started = dev(*words, "--unserved")
    assert (started.status, started.out) == (0, "alone\n")
    assert "no worker polls its task queue nobody-here" in started.err
    assert "none polls the task queue nobody-here" in dev("show", "alone").out
    assert dev("start", "app:waiting", "--id", "served").err == ""


def test_ps_marks_what_keeps_failing(dev: Dev) -> None:
    dev.done("start", "app:failing", "--id", "failing")
    dev.done("start", "app:astray", "--id", "astray")

    def status(run: str) -> str:
        [line] = [line for line in dev("ps").out.splitlines() if line.startswith(f"{run} ")]
        return line

    wait_until(lambda: "RUNNING (app:fail fails, attempt " in status("failing"))
    wait_until(lambda: "RUNNING (wedged)" in status("astray"))
    [listed] = [run for run in dev.done("ps") if run["id"] == "astray"]
    assert listed["state"] == "wedged"
    for run in ("failing", "astray"):
        dev.done("terminate", run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_clean_and_its_runs_survive(tmp_path: Path, number: signal.Signals) -> None:
    project(tmp_path)
    with running(tmp_path, "dev") as (process, _):
        assert evermoon(tmp_path, "start", "app:waiting", "--id", "long").status == 0
        process.send_signal(number)
        assert process.wait(30) == 0
    assert not (tmp_path / ".evermoon" / "dev.json").exists()
    assert (tmp_path / ".evermoon" / "companion").read_text() == "ended"
    with running(tmp_path, "dev"):
        assert evermoon(tmp_path, "send", "long", "go", "1").status == 0
        assert evermoon(tmp_path, "result", "long", "--json").json["got"] == 1


def test_the_next_start_works_after_a_kill(tmp_path: Path) -> None:
    project(tmp_path)
    with running(tmp_path, "dev") as (process, told):
        assert evermoon(tmp_path, "start", "app:waiting", "--id", "long").status == 0
        process.kill()
        process.wait()
        process.returncode = 0  # this end was meant
    with running(tmp_path, "dev") as (_, told_again):
        assert told_again["pid"] != told["pid"]
        assert evermoon(tmp_path, "send", "long", "go", "1").status == 0
        assert evermoon(tmp_path, "result", "long", "--json").json["got"] == 1
    wait_until(lambda: (tmp_path / ".evermoon" / "companion").exists())


def test_a_companion_that_does_not_start_stops_everything(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "companion.py").write_text("raise SystemExit(3)")
    outcome = evermoon(tmp_path, "dev")
    assert outcome.status == 1
    assert "app:companion" in outcome.err
