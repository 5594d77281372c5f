from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from runtime.temporal.history import long_histories
from tests.http.site import Site


@pytest.fixture
async def run(web: Site) -> AsyncIterator[str]:
    """The path of a run that waits for the message `go`."""
    path = f"/api/v1/runs/{await web.start('waiting')}"
    yield path
    await web.post(f"{path}/terminate")


async def test_a_run_is_shown_with_its_state_and_where_it_waits(web: Site, run: str) -> None:
    await web.post(f"{run}/queries/name")  # it has run its first step once it answers
    shown = (await web.get(run)).json
    assert (shown["entry"], shown["status"], shown["state"]) == ("web:waiting", "RUNNING", "in_progress")
    assert any("waiting.lua" in frame for coroutine in shown["stack"] for frame in coroutine["frames"])
    [coroutine] = [item for item in shown["stack"] if any("waiting.lua" in frame for frame in item["frames"])]
    assert {"name": "name", "value": '"unnamed"'} in coroutine["locals"][0]
    assert len(coroutine["locals"]) == len(coroutine["frames"])
    assert shown["started_at"]
    assert shown["closed_at"] is None
    assert shown["bundle"]
    assert shown["links"]["result"] == f"{run}/result"
    assert "memo" not in shown


async def test_a_run_with_a_long_history_is_asked_where_it_waits_on_demand(
    web: Site, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_histories, "EVENTS", 1)
    await web.post(f"{run}/queries/name")
    shown = (await web.get(run)).json
    assert (shown["stack"], len(shown["warnings"])) == ([], 2)
    asked = (await web.get(f"{run}?stack=true")).json
    assert len(asked["warnings"]) == 1
    assert any("waiting.lua" in frame for coroutine in asked["stack"] for frame in coroutine["frames"])
    unasked = (await web.get(f"{run}?stack=false")).json
    assert (unasked["stack"], len(unasked["warnings"])) == ([], 2)


async def test_a_message_lets_it_end_with_its_result(web: Site, run: str) -> None:
    waiting = await web.get(f"{run}/result")
    assert (waiting.status, waiting.headers["Location"]) == (202, run)
    sent = await web.post(f"{run}/signals/go", {"by": "ops"})
    assert sent.status == 202
    answer = await web.get(f"{run}/result?wait=20s")
    assert (answer.status, answer.json) == (200, {"got": {"by": "ops"}, "name": "unnamed"})
    assert (await web.get(f"{run}/result")).status == 200


async def test_a_query_answers_with_the_bare_value(web: Site, run: str) -> None:
    answer = await web.post(f"{run}/queries/name", 7)
    assert (answer.status, answer.json) == (200, {"name": "unnamed", "asked": 7})


async def test_an_update_answers_or_is_refused(web: Site, run: str) -> None:
    done = await web.post(f"{run}/updates/rename", "anna")
    assert (done.status, done.json) == (200, "renamed")
    refused = await web.post(f"{run}/updates/rename", "")
    assert (refused.status, refused.json["kind"], refused.json["detail"]) == (422, "Invalid", "a name is not empty")
    assert (await web.post(f"{run}/queries/name")).json["name"] == "anna"


async def test_a_canceled_run_says_who_canceled_it_and_why(web: Site, run: str) -> None:
    assert (await web.post(f"{run}/cancel", {"reason": "no longer wanted"})).status == 202
    answer = await web.get(f"{run}/result?wait=20")
    said = {"reason": "no longer wanted", "by": "HTTP client 127.0.0.1"}
    assert (answer.status, answer.json["kind"], answer.json["run"]["status"]) == (409, "Canceled", "CANCELED")
    assert answer.json["details"].items() >= said.items()
    assert answer.json["detail"] == "workflow canceled by HTTP client 127.0.0.1: no longer wanted"
    shown = (await web.get(run)).json
    assert (shown["status"], shown["state"]) == ("CANCELED", "failed")
    assert shown["cancel"].items() >= said.items()
    assert shown["failure"]["kind"] == "Canceled"


async def test_a_terminated_run_says_who_ended_it_and_why(web: Site, run: str) -> None:
    assert (await web.post(f"{run}/terminate", {"reason": "stuck"})).status == 202
    answer = await web.get(f"{run}/result?wait=20")
    assert (answer.status, answer.json["run"]["status"]) == (409, "TERMINATED")
    assert (answer.json["details"]["reason"], answer.json["details"]["by"]) == ("stuck", "HTTP client 127.0.0.1")
    assert (await web.get(run)).json["failure"]["kind"] == "Canceled"


async def test_what_has_ended_can_be_sent_nothing_and_says_that_it_has(web: Site) -> None:
    run = await web.start("refusing", "sku-1")
    assert (await web.get(f"/api/v1/runs/{run}/result?wait=20")).status == 409
    for act in ("cancel", "terminate", "signals/late", "updates/rename"):
        answer = await web.post(f"/api/v1/runs/{run}/{act}")
        assert (answer.status, answer.json["kind"]) == (404, "NotFound")
        assert f"{run}; it has ended at " in answer.json["detail"]
        assert answer.json["details"]["ended"] == "FAILED"


async def test_a_list_and_the_run_itself_agree_on_how_it_is_doing(web: Site, run: str) -> None:
    id = run.rpartition("/")[2]
    await web.post(f"{run}/queries/name")
    listed: list[dict[str, object]] = []
    while not listed:  # visibility is written a moment after the run
        listed = (await web.get("/api/v1/runs", params={"query": f"WorkflowId='{id}'"})).json["runs"]
    assert listed[0]["state"] == (await web.get(run)).json["state"] == "in_progress"


async def test_a_reason_must_be_text(web: Site, run: str) -> None:
    assert (await web.post(f"{run}/cancel", {"reason": 1})).status == 400
    assert (await web.post(f"{run}/terminate", ["x"])).status == 400


async def test_a_returned_error_is_a_problem_by_its_kind(web: Site) -> None:
    run = await web.start("refusing", "sku-1")
    answer = await web.get(f"/api/v1/runs/{run}/result?wait=20")
    problem = answer.json
    assert (answer.status, problem["status"], problem["kind"]) == (409, 409, "Conflict")
    assert (problem["type"], problem["title"]) == ("/docs/errors#run-failed", "Run failed")
    assert (problem["run"]["id"], problem["run"]["status"], problem["message"]) == (run, "FAILED", "out of stock")
    assert (problem["detail"], problem["retryable"]) == ("out of stock", False)
    assert problem["details"]["sku"] == "sku-1"
    assert problem["instance"] == f"/api/v1/runs/{run}/result"


async def test_a_raise_is_a_problem_that_points_at_the_lua_line(web: Site) -> None:
    run = await web.start("raising")
    answer = await web.get(f"/api/v1/runs/{run}/result?wait=20")
    assert (answer.status, answer.json["type"], answer.json["retryable"]) == (409, "/docs/errors#run-failed", False)
    assert answer.json["lua"] == {"file": "raising.lua", "line": 3}
    assert "boom" in answer.json["detail"]
    assert ".py" not in answer.text


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("GET", "/result"),
        ("GET", "/history"),
        ("POST", "/signals/go"),
        ("POST", "/queries/name"),
        ("POST", "/updates/rename"),
        ("POST", "/cancel"),
        ("POST", "/terminate"),
    ],
)
async def test_a_run_nobody_started_is_404(web: Site, method: str, tail: str) -> None:
    answer = await web.ask(method, f"/api/v1/runs/nobody{tail}")
    assert (answer.status, answer.json["kind"]) == (404, "NotFound")


async def test_the_history_begins_with_the_start(web: Site, run: str) -> None:
    history = (await web.get(f"{run}/history")).json
    assert history["events"][0]["eventType"] == "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"


async def test_runs_are_listed_in_pages(web: Site) -> None:
    ids = {await web.start("echo", number) for number in range(3)}
    query = " OR ".join(f"WorkflowId='{run}'" for run in ids)
    found: set[str] = set()
    while found != ids:  # visibility is written a moment after the runs
        found, pages, path = set(), 0, ""
        answer = (await web.get("/api/v1/runs", params={"query": query, "limit": "2"})).json
        while True:
            pages += 1
            found |= {run["id"] for run in answer["runs"]}
            path = answer.get("links", {}).get("next")
            if not path:
                break
            answer = (await web.get(path)).json
    assert (pages, answer["count"], len(answer["runs"])) == (2, 3, 1)


async def test_a_query_that_is_none_is_400(web: Site) -> None:
    assert (await web.get("/api/v1/runs", params={"query": "not a query"})).status == 400
    assert (await web.get("/api/v1/runs", params={"page": "0"})).status == 400


async def test_a_page_far_away_is_reached_by_tokens_only(web: Site) -> None:
    for params in ({"page": "1000", "limit": "1000"}, {"page": "11", "limit": "1000"}):
        answer = await web.get("/api/v1/runs", params=params)
        assert (answer.status, "page_token" in answer.json["detail"]) == (400, True)
    assert (await web.get("/api/v1/runs", params={"page": "10", "limit": "1000"})).status == 200
    for token in ("x", "eyJ9", "W10=", "WyJ4IiwgIngiXQ=="):
        assert (await web.get("/api/v1/runs", params={"page_token": token})).status == 400, token


async def test_entries_can_be_found_and_read(web: Site) -> None:
    entries = (await web.get("/api/v1/entries")).json["entries"]
    assert {entry["id"] for entry in entries} >= {"web:echo", "web:strict"}
    answer = await web.get("/api/v1/entries/web:strict")
    assert answer.json["input_schema"]["required"] == ["amount"]
    assert answer.json["source"]["name"] == "echo.lua"
    assert "return function" in answer.json["source"]["text"]
    assert (await web.get("/api/v1/entries/web:temporal")).status == 404
