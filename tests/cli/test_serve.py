from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from runtime.temporal.dev_server import DevServer
from tests.cli.shell import evermoon, running
from tests.waiting import wait_until


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assert evermoon(tmp_path, "new", ".", "--namespace", "app").status == 0
    registry = tmp_path / "config" / "registry.yaml"
    text = registry.read_text().replace("127.0.0.1:8080", "127.0.0.1:0").replace("task_queue: app", "task_queue: SERVE")
    registry.write_text(text.replace("SERVE", f"serve-{tmp_path.name}"))
    return tmp_path


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


async def test_it_works_for_the_server_the_environment_names(project: Path, temporal_server: DevServer) -> None:
    env = {"TEMPORAL_ADDRESS": temporal_server.address}
    with running(project, "serve", env=env) as (_, told):
        assert told["temporal"] == temporal_server.address
        assert told["workers"] == ["app:worker"]
        done = evermoon(project, "start", "app:hello", '{"name": "Ada"}', "--wait", "--json", env=env)
        assert done.json == {"greeting": "Hello, Ada!"}
        wait_until(lambda: status(told["http"]["app:http"] + "/readyz") == 200)


def test_it_waits_for_a_server_that_is_not_there(project: Path) -> None:
    with running(project, "serve", env={"TEMPORAL_ADDRESS": "127.0.0.1:9"}) as (_, told):
        url = told["http"]["app:http"]
        assert (status(url + "/healthz"), status(url + "/readyz")) == (200, 503)
        request = urllib.request.Request(url + "/api/v1/workflows/app:hello", method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        with refused.value as error:
            assert error.code == 503
            assert json.load(error)["kind"] == "Unavailable"


async def test_several_processes_share_the_queue_and_end_together(project: Path, temporal_server: DevServer) -> None:
    env = {"TEMPORAL_ADDRESS": temporal_server.address}
    with running(project, "serve", "--processes", "2", env=env) as (process, told):
        assert len(told["processes"]) == 2
        done = evermoon(project, "start", "app:hello", "--wait", "--json", env=env)
        assert done.json == {"greeting": "Hello, world!"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not any(alive(child) for child in told["processes"])


async def test_children_do_not_outlive_a_parent_that_was_killed(project: Path, temporal_server: DevServer) -> None:
    env = {"TEMPORAL_ADDRESS": temporal_server.address}
    with running(project, "serve", "--processes", "2", env=env) as (process, told):
        process.kill()
        process.wait()
        process.returncode = 0  # this end was meant
    wait_until(lambda: not any(alive(child) for child in told["processes"]))


SERVICES = """
  - {name: processes, kind: process.host}
  - {name: keeper, kind: process.lua, source: file://entries/keeper.lua}
  - {name: once, kind: process.service, process: keeper, host: processes, input: once}
  - {name: each, kind: process.service, process: keeper, host: processes, input: each, everywhere: true}
"""
KEEPER = """
return function(name)
    process.registry.register(name)
    print("keeping " .. name)
    process.events():receive()
end
"""


@pytest.mark.timeout(600)
async def test_a_process_that_dies_is_replaced_and_its_services_are(project: Path, temporal_server: DevServer) -> None:
    env = {"TEMPORAL_ADDRESS": temporal_server.address}
    registry = project / "config" / "registry.yaml"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    registry.write_text(registry.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}") + SERVICES)
    (project / "entries" / "keeper.lua").write_text(KEEPER)

    def kept() -> list[str]:
        return re.findall(r"keeping (\w+)", (project / "stderr.log").read_text())

    def names() -> list[str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/processes") as answer:
                return sorted(name for item in json.load(answer)["processes"] for name in item["names"])
        except OSError:
            return []

    with running(project, "serve", "--processes", "3", env=env) as (process, told):
        first, *others = told["processes"]
        assert told["http"] == {"app:http": f"http://127.0.0.1:{port}"}
        assert names() == ["each", "once"]
        wait_until(lambda: sorted(kept()) == ["each", "each", "each", "once"])
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: sorted(kept()) == ["each"] * 4 + ["once"] * 2)
        wait_until(lambda: names() == ["each", "once"])
        os.kill(others[0], signal.SIGTERM)
        wait_until(lambda: sorted(kept()) == ["each"] * 5 + ["once"] * 2)
        assert all(map(alive, others[1:])), "the others go on"
        done = evermoon(project, "start", "app:hello", "--wait", "--json", env=env)
        assert done.json == {"greeting": "Hello, world!"}
        children = children_of(process.pid)
        assert len(children) == 3
    assert not any(map(alive, children))


GPU = """
  - {name: gpu, kind: temporal.worker, client: temporal, task_queue: GPU, meta: {group: heavy}}
  - name: infer
    kind: function.py
    source: py://steps:infer
    meta:
      temporal: {activity: {worker: gpu}}
      options: {activity.start_to_close_timeout: 2s, activity.retry_policy: {initial_interval: 100ms}}
  - {name: job, kind: workflow.lua, source: file://entries/job.lua, modules: [funcs], meta: {temporal: {workflow: {worker: worker}}}}
"""
INFER = """
import os
import pathlib
import time


def infer(prompt: str) -> int:
    seen = pathlib.Path("began")
    if not seen.exists():
        seen.write_text(str(os.getpid()))
        time.sleep(60)
    return os.getpid()
"""


@pytest.mark.timeout(600)
async def test_a_step_waits_for_the_processes_that_serve_its_worker(project: Path, temporal_server: DevServer) -> None:
    """One registry, two processes. The one for the GPU is killed in the middle of a step, which waits for its successor."""
    env = {"TEMPORAL_ADDRESS": temporal_server.address}
    registry = project / "config" / "registry.yaml"
    registry.write_text(registry.read_text() + GPU.replace("GPU", f"gpu-{project.name}"))
    (project / "steps.py").write_text(INFER)
    (project / "entries" / "job.lua").write_text('return function() return funcs.call("app:infer", "hi") end')
    with running(project, "serve", "--except", "heavy", env=env) as (_, told):
        assert told["workers"] == ["app:worker"]
        with running(project, "serve", "--only", "app:gpu", env=env, log="gpu.log") as (gpu, told):
            assert (told["workers"], told["http"]) == (["app:gpu"], {})
            run = evermoon(project, "start", "app:job", "--json", env=env).json["id"]
            wait_until((project / "began").exists)
            assert (project / "began").read_text() == str(gpu.pid)
            gpu.kill()
            gpu.wait()
            gpu.returncode = 0  # this end was meant
        with running(project, "serve", "--only", "heavy", env=env, log="gpu.log") as (gpu, _):
            assert evermoon(project, "result", run, "--json", env=env).json == gpu.pid


def test_a_part_that_is_not_there_is_refused(project: Path) -> None:
    outcome = evermoon(project, "serve", "--only", "app:workr")
    assert (outcome.status, "Traceback" in outcome.err) == (1, False)
    assert 'no service has the id or the meta.group "app:workr"; did you mean "app:worker"?' in outcome.err


async def test_a_process_that_never_gets_ready_ends_all(project: Path, temporal_server: DevServer) -> None:
    env = {"TEMPORAL_ADDRESS": temporal_server.address}
    (project / "entries" / "hello.lua").write_text("return function(")
    outcome = evermoon(project, "serve", "--processes", "2", env=env)
    assert outcome.status == 1
    assert "hello.lua" in outcome.err
    assert "before it was ready" in outcome.err


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """A killed child of a killed parent may stay a zombie until init looks: that is not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_server_that_does_not_answer_is_told(project: Path) -> None:
    outcome = evermoon(project, "ps", env={"TEMPORAL_ADDRESS": "127.0.0.1:9"})
    assert outcome.status == 1
    assert "127.0.0.1:9" in outcome.err
    assert outcome.err.count("\n") == 1


def test_other_addresses_than_loopback_need_a_word(project: Path) -> None:
    outcome = evermoon(project, "serve", "-o", "app:http:addr=0.0.0.0:0", env={"TEMPORAL_ADDRESS": "127.0.0.1:9"})
    assert outcome.status == 1
    assert "--insecure" in outcome.err
