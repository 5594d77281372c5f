from __future__ import annotations

import asyncio
import uuid

import pytest

from runtime.errors import Error
from tests.http.site import Site

ECHO = "/api/v1/workflows/web:echo"
REPLAYED = "Idempotency-Replayed"


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


async def result(web: Site, run: str) -> object:
    answer = await web.get(f"/api/v1/runs/{run}/result?wait=20")
    assert answer.status == 200, answer.text
    return answer.json


async def test_a_start_is_accepted_at_once_and_says_where_to_look(web: Site) -> None:
    answer = await web.post(ECHO, {"a": 1})
    assert answer.status == 202
    run = answer.json["id"]
    assert answer.headers["Location"] == f"/api/v1/runs/{run}" == answer.json["links"]["self"]
    assert answer.headers["Retry-After"]
    assert answer.json["status"] == "RUNNING"
    assert answer.json["pid"] == f"{{web:worker|{run}}}"
    assert answer.json["run_id"]
    assert await result(web, run) == {"a": 1}


async def test_the_input_reaches_the_script_as_it_was_written(web: Site) -> None:
    text = b'{"float":1.0,"big":12345678901234567,"empty":{},"none":[],"text":"\xc3\xa9"}'
    run = await web.start("echo", text)
    answer = await web.get(f"/api/v1/runs/{run}/result?wait=20")
    assert sorted(answer.text.strip("{}")) == sorted(text.decode().strip("{}"))


async def test_no_body_is_no_argument(web: Site) -> None:
    assert await result(web, await web.start("echo")) is None


async def test_parameters_name_the_run_and_its_worker(web: Site) -> None:
    run = f"mine|{uuid.uuid4().hex}/x y"
    answer = await web.post(ECHO, 1, params={"id": run, "worker": "web:worker", "timeout": "1m"})
    assert answer.json["id"] == run
    shown = await web.get(answer.headers["Location"])
    assert shown.json["id"] == run


async def test_an_id_that_is_in_use_is_refused_with_the_run_that_has_it(web: Site) -> None:
    run = await web.start("waiting")
    answer = await web.post("/api/v1/workflows/web:waiting", params={"id": run})
    assert (answer.status, answer.json["kind"]) == (409, "AlreadyExists")
    assert answer.json["details"]["workflow_id"] == run
    await web.post(f"/api/v1/runs/{run}/terminate")


async def test_a_run_past_its_time_budget_is_failed(web: Site) -> None:
    run = await web.start("waiting", params={"timeout": "1s"})
    answer = await web.get(f"/api/v1/runs/{run}/result?wait=30")
    assert (answer.status, answer.json["kind"], answer.json["run"]["status"]) == (409, "Timeout", "TIMED_OUT")
    assert answer.json["detail"] == "time budget spent: 1s"
    shown = (await web.get(f"/api/v1/runs/{run}")).json
    assert (shown["status"], shown["state"], shown["failure"]["kind"]) == ("TIMED_OUT", "failed", "Timeout")
    assert shown["cancel"]["reason"] == "time budget spent"


@pytest.mark.parametrize(
    "query",
    ["?timeout=soon", "?timeout=-1s", "?grace=x", "?start_delay=x", "?id=", "?timeout=0", "?timeout=0s", "?grace=2s"],
)
async def test_a_parameter_that_cannot_be_meant_is_400_and_starts_nothing(web: Site, query: str) -> None:
    assert (await web.post(ECHO + query, 1)).status == 400


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("POST", f"{ECHO}?timout=2s", 'unknown parameter ?timout=; did you mean "timeout"?'),
        ("POST", f"{ECHO}?wiat=3", 'unknown parameter ?wiat=; did you mean "wait"?'),
        ("POST", "/api/v1/operations/web:echo?timout=2s", 'did you mean "timeout"?'),
        ("GET", "/api/v1/runs?limti=3", 'did you mean "limit"?'),
        ("GET", "/api/v1/processes?limti=3", 'did you mean "limit"?'),
        ("GET", "/api/v1/processes/x?stak=0", 'did you mean "stack"?'),
        ("GET", "/api/v1/operations/op-1?stak=0", "unknown parameter ?stak="),
        ("GET", "/api/v1/schedules?limit=3", "unknown parameter ?limit="),
        ("GET", "/api/v1/entries?limit=3", "unknown parameter ?limit="),
        ("GET", "/api/v1/entries/web:echo?stack=3", "unknown parameter ?stack="),
        ("GET", "/api/v1/runs/nobody/result?wiat=3", 'did you mean "wait"?'),
        ("POST", "/api/v1/runs/nobody/cancel?reason=x", "none is known here"),
    ],
)
async def test_an_unknown_parameter_is_refused_with_what_may_be_meant(
    web: Site, method: str, path: str, words: str
) -> None:
    answer = await web.ask(method, path)
    assert (answer.status, answer.json["kind"]) == (400, "Invalid")
    assert words in answer.json["detail"]


async def test_a_misspelt_reason_is_refused(web: Site) -> None:
    for how in ("cancel", "terminate"):
        answer = await web.post(f"/api/v1/runs/nobody/{how}", {"raeson": "no longer wanted"})
        assert answer.status == 400, answer.text


async def test_python_refuses_a_start_that_cannot_be_meant(web: Site) -> None:
    for options in ({"timeout": 0}, {"budget": "0s"}, {"budget_grace": "2s"}, {"id": ""}):
        with pytest.raises(Error) as raised:
            await web.runtime.start("web:echo", 1, **options)
        assert raised.value.kind == "Invalid"
    with pytest.raises(Error, match='unknown argument "timeot"; did you mean "timeout"'):
        await web.runtime.start("web:echo", 1, timeot=3)


@pytest.mark.parametrize("entry", ["web:nothing", "web:worker", "web:whole", "nonsense"])
async def test_what_is_no_workflow_is_404(web: Site, entry: str) -> None:
    answer = await web.post(f"/api/v1/workflows/{entry}", 1)
    assert (answer.status, answer.json["kind"]) == (404, "NotFound")


@pytest.mark.parametrize("body", [b"{", b"NaN", b'"\xff"', b"[1e999]"])
async def test_what_is_no_json_starts_nothing(web: Site, body: bytes) -> None:
    answer = await web.post(ECHO, body)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json; charset=utf-8")


async def test_another_content_type_is_415(web: Site) -> None:
    answer = await web.post(ECHO, b"a=1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 415


async def test_a_body_over_the_limit_is_413(web: Site) -> None:
    answer = await web.post(ECHO, "x" * 70_000)
    assert (answer.status, answer.json["kind"]) == (413, "LimitExceeded")


@pytest.mark.parametrize("body", [None, {}, {"amount": 0}, {"amount": "1"}, []])
async def test_input_that_does_not_fit_the_schema_is_400(web: Site, body: object) -> None:
    answer = await web.post("/api/v1/workflows/web:strict", body)
    assert (answer.status, answer.json["kind"]) == (400, "Invalid")
    assert answer.json["details"]["rule"] in ("type", "required", "minimum")


async def test_input_that_fits_is_started(web: Site) -> None:
    assert await result(web, await web.start("strict", {"amount": 5})) == {"amount": 5}


async def test_the_same_key_and_value_is_the_same_run_whatever_its_state(web: Site) -> None:
    headers = key()
    first = await web.post(ECHO, {"a": 1, "b": 2}, headers=headers)
    assert REPLAYED not in first.headers
    again = await web.post(ECHO, b' {"b": 2.0, "a": 1}', headers=headers)
    await result(web, first.json["id"])
    after = await web.post(ECHO, {"a": 1, "b": 2}, headers=headers)
    for answer in (again, after):
        assert (answer.status, answer.headers[REPLAYED]) == (202, "true")
        assert (answer.json["id"], answer.json["run_id"]) == (first.json["id"], first.json["run_id"])
    assert after.json["status"] == "COMPLETED"


async def test_the_same_key_with_another_value_is_422(web: Site) -> None:
    headers = key()
    await web.post(ECHO, {"a": 1}, headers=headers)
    answer = await web.post(ECHO, {"a": 2}, headers=headers)
    assert (answer.status, answer.json["kind"]) == (422, "Invalid")


async def test_a_key_belongs_to_one_entry(web: Site) -> None:
    headers = key()
    one = await web.post(ECHO, {"amount": 1}, headers=headers)
    other = await web.post("/api/v1/workflows/web:strict", {"amount": 1}, headers=headers)
    assert other.status == 202
    assert one.json["id"] != other.json["id"]


async def test_of_twenty_first_posts_at_once_exactly_one_starts_the_run(web: Site) -> None:
    headers = key()
    answers = await asyncio.gather(*(web.post(ECHO, {"n": 1}, headers=headers) for _ in range(20)))
    assert {answer.status for answer in answers} == {202}
    assert len({(answer.json["id"], answer.json["run_id"]) for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1


async def test_an_empty_key_is_400(web: Site) -> None:
    assert (await web.post(ECHO, 1, headers={"Idempotency-Key": ""})).status == 400


async def test_a_missing_input_is_null_and_a_mistyped_entry_is_told_what_may_be_meant(web: Site) -> None:
    refused = await web.post("/api/v1/workflows/web:strict")
    assert "null is not of type 'object'" in refused.json["detail"]
    unknown = await web.get("/api/v1/entries/web:stric")
    assert (unknown.status, 'did you mean "web:strict"?' in unknown.json["detail"]) == (404, True)
