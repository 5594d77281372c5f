"""The inference pipeline: its model, and its endpoint asked by OpenAI's own client while processes are killed."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from openai import APIConnectionError, APIError, BadRequestError

from entries.inference import model
from entries.inference.engine import FAILS_AFTER, Job, runs_out
from runtime.temporal.dev_server import DevServer
from tests.entries.inference import Cluster, Event, Process, ask, events, every, get, openai, post, until
from tests.entries.shop import names_in
from tests.entries.test_demo import linux, marked, start
from tests.waiting import eventually

LONG = 600  # tokens: seconds of work, so that what is killed is killed in the middle of it


def good(text: str, *attempts: int) -> str:
    """A prompt about `text` none of whose attempts run out of memory but these."""
    return next(
        prompt
        for prompt in (f"{text} {n}" for n in range(10_000))
        if [attempt for attempt in range(1, 6) if runs_out(prompt, attempt)] == list(attempts)
    )


@pytest.fixture(scope="module")
async def cluster(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    directory = tmp_path_factory.mktemp("inference")
    environ = {
        "TEMPORAL_ADDRESS": temporal_server.address,
        "INFERENCE_DB": str(directory / "streams.db"),
        "INFERENCE_COLD_START": "0.1",
        "INFERENCE_TOKEN": "0.01",
        "EVERMOON_BUNDLES": str(directory / "bundles"),
        "PORT": "0",
    }
    return Cluster(directory, environ)


@pytest.fixture(scope="module")
def host(cluster: Cluster) -> Iterator[Process]:
    """Everything but the models."""
    with cluster.serve("--except", "gpu") as process:
        yield process


@pytest.fixture
def gpu(cluster: Cluster) -> Iterator[Process]:
    with cluster.serve("--only", "gpu") as process:
        yield process


def test_a_text_goes_on_from_any_token_as_it_would_have() -> None:
    beginning = model.opening("What does the lighthouse do?")
    whole: list[str] = []
    while len(whole) < LONG:
        whole.append(model.token("7", beginning, whole))
    assert beginning == ["The", "lighthouse"]
    for stopped in range(LONG):
        assert model.token("7", beginning, whole[:stopped]) == whole[stopped]
    assert "".join(whole).split() == [token.strip() for token in whole]


def test_a_text_ends_with_a_sentence_or_where_it_must() -> None:
    job = Job("", "7", ["The", "tide"], 8, [" and"] * 7)
    assert not job.is_over
    assert Job("", "7", [], 8, [*job.tokens[:5], " end."]).is_over
    assert Job("", "7", [], 8, [" and"] * 8).is_over


async def test_an_answer_is_the_same_whole_and_in_parts(host: Process, gpu: Process) -> None:
    async with openai(host.url) as client:
        whole = await client.chat.completions.create(**ask("Tell me about the river"))
        streamed = await client.chat.completions.create(**ask("Tell me about the river", stream=True))
        chunks = [chunk async for chunk in streamed]
        assert [item.id async for item in client.models.list()] == [whole.model]
    choice = whole.choices[0]
    assert choice.message.role == chunks[0].choices[0].delta.role == "assistant"
    assert choice.finish_reason == chunks[-1].choices[0].finish_reason
    assert choice.finish_reason in ("stop", "length")
    assert deltas(chunks) == parts(choice.message.content)
    assert whole.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 5,
        "completion_tokens": len(chunks) - 1,
        "total_tokens": len(chunks) + 4,
    }
    assert {chunk.id for chunk in chunks} == {chunks[0].id} != {whole.id}


@pytest.mark.timeout(300)
async def test_an_answer_survives_the_death_of_its_gpu_process_and_no_cpu_process_takes_the_step(
    cluster: Cluster, host: Process
) -> None:
    prompt = good("The storm")
    async with openai(host.url) as client:
        with cluster.serve("--only", "gpu") as dying:
            answer = aiter(await client.chat.completions.create(**ask(prompt, stream=True, max_tokens=LONG)))
            heard = [await anext(answer) for _ in range(20)]
            dying.kill()
        run = heard[0].id
        await eventually(lambda: get(f"{host.url}/api/v1/runs/{run}"), retried, every=0.2)
        with cluster.serve("--only", "gpu") as living:
            heard += [chunk async for chunk in answer]
            *told, end = await every(host.url, run, names="engine", only="stream")
    assert at_work(told) == [(1, dying.pid), (2, living.pid)]  # and not the host's
    assert end["result"]["attempts"] == 2
    assert deltas(heard) == parts(end["result"]["text"])
    assert heard[-1].choices[0].finish_reason == end["result"]["finish_reason"]


@pytest.mark.timeout(300)
async def test_a_client_goes_on_behind_what_it_heard_when_the_http_process_dies(
    cluster: Cluster, host: Process, gpu: Process
) -> None:
    question = ask(good("The night train"), stream=True, max_tokens=LONG)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    heard: list[Any] = []
    with cluster.serve("--only", "front") as dying:
        async with openai(dying.url) as client:
            answer = aiter(await client.chat.completions.create(**question, extra_headers=key))
            heard = [await anext(answer) for _ in range(10)]
            dying.kill()
            with pytest.raises(APIConnectionError):
                heard += [chunk async for chunk in answer]
    run, last = heard[-1].id, heard[-1].event_id
    async with openai(host.url) as client:
        again = await client.chat.completions.create(**question, extra_headers={**key, "Last-Event-ID": last})
        rest = [chunk async for chunk in again]
        over = {**key, "Last-Event-ID": rest[-1].event_id}
        nothing = await client.chat.completions.with_raw_response.create(**question, extra_headers=over)
    assert {chunk.id for chunk in rest} == {run}
    *told, end = [event async for event in events(host.url, run, last, names="tokens", only="stream")]
    assert [event["data"] for event in told] == deltas(rest)
    assert deltas([*heard, *rest]) == parts(end["result"]["text"])
    assert nothing.status_code == 204


async def test_a_request_repeated_with_its_key_is_answered_by_the_same_run(host: Process, gpu: Process) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    async with openai(host.url) as client:
        one, same = [await client.chat.completions.create(**ask("Coffee"), extra_headers=key) for _ in range(2)]
        other = await client.chat.completions.create(**ask("Bread"), extra_headers=key)
    assert one.id == same.id != other.id
    assert one.choices == same.choices


@pytest.mark.parametrize(
    ("wrong", "param", "said"),
    [
        ({"model": "moonlight-9"}, "model", "there is no model moonlight-9"),
        ({"messages": []}, "messages", "at least one message"),
        ({"messages": [{"role": "poet", "content": "x"}]}, "messages", "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages", "messages[0].content"),
        ({"max_tokens": 0}, "max_tokens", "from 1 to 4096"),
        ({"max_completion_tokens": 5000}, "max_completion_tokens", "from 1 to 4096"),
        ({"n": 2}, "n", "n must be 1"),
        ({"stream": "yes"}, "stream", "true or false"),
        ({"seed": "x"}, "seed", "whole number"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(host: Process, wrong: Any, param: str, said: str) -> None:
    async with openai(host.url) as client:
        with pytest.raises(BadRequestError) as refused:
            await client.chat.completions.create(**{**ask("Hello"), **wrong})
    assert (refused.value.param, refused.value.code) == (param, "Invalid")
    assert said in refused.value.message


async def test_what_the_first_step_refuses_is_not_tried_again(host: Process) -> None:
    async with openai(host.url) as client:
        with pytest.raises(BadRequestError, match="no text in them"):
            await client.chat.completions.create(**ask(" "))
        streamed = await client.chat.completions.create(**ask(" ", stream=True))
        with pytest.raises(APIError, match="no text in them"):
            await anext(aiter(streamed))
    run = streamed.response.headers["X-Request-Id"]
    told = await every(host.url, run)
    [failed] = [event for event in told if event["event"] == "step.failed"]
    assert (failed["activity"], failed["attempt"]) == ("inference:pre", 1)


async def test_an_attempt_after_one_that_ran_out_of_memory_goes_on_with_its_tokens(host: Process, gpu: Process) -> None:
    async with openai(host.url) as client:
        streamed = await client.chat.completions.create(**ask(good("The garden", 1), stream=True, max_tokens=20))
        chunks = [chunk async for chunk in streamed]
    *told, end = await every(host.url, chunks[0].id, names="engine", only="stream")
    went = [event["data"] for event in told if event["event"] == "stream"]
    assert [(item["what"], item["attempt"]) for item in went] == [
        ("began", 1),
        ("stopped", 1),
        ("began", 2),
        ("finished", 2),
    ]
    assert went[1]["tokens"] == went[2]["tokens"] == FAILS_AFTER
    assert deltas(chunks) == parts(end["result"]["text"])


async def test_a_cancelled_answer_stops_its_engine_before_the_run_is_over(host: Process, gpu: Process) -> None:
    async with openai(host.url) as client:
        streamed = aiter(await client.chat.completions.create(**ask(good("Winter"), stream=True, max_tokens=4096)))
        run = (await anext(streamed)).id
        await post(f"{host.url}/api/v1/runs/{run}/cancel", {"reason": "no longer wanted"})
        with pytest.raises(APIError):
            assert [chunk async for chunk in streamed] == ["what ends with an error"]
    *told, end = await every(host.url, run, names="engine", only="stream")
    last = [event["data"] for event in told if event["event"] == "stream"][-1]
    assert (end["event"], last["what"]) == ("canceled", "stopped")
    assert 0 < last["tokens"] < 4096


@pytest.mark.timeout(300)
async def test_a_batch_runs_so_many_children_at_once_and_no_history_grows_beyond_its_share(
    host: Process, gpu: Process
) -> None:
    batch = {"topics": ["the sea"], "items": 61, "max_tokens": 4, "per_child": 5, "at_once": 3, "per_run": 5}
    run = (await post(f"{host.url}/api/v1/workflows/inference:batch", batch))["id"]
    *told, end = await every(host.url, run)
    result = end["result"]
    assert (result["items"], result["done"], result["failed"]) == (61, 61, 0)
    assert 61 * 3 <= result["words"] <= 61 * 4  # a sentence may end one word earlier
    happened = Counter(event["event"] for event in told)
    assert (happened["child.started"], happened["child.completed"], happened["continued"]) == (13, 13, 2)
    assert most_at_once(told) == 3
    assert len(result["histories"]) == 3
    assert max(result["histories"]) <= 10 + 10 * 5  # of the children of one run
    progress = [event["data"]["done"] for event in told if event["event"] == "stream"]
    assert progress == sorted(progress)
    assert progress[-1] == 61


async def test_a_cancelled_batch_ends_when_its_children_have_stopped(host: Process, gpu: Process) -> None:
    batch = {"topics": ["the sea"], "items": 50, "max_tokens": 4096, "per_child": 5, "at_once": 2}
    run = (await post(f"{host.url}/api/v1/workflows/inference:batch", batch))["id"]
    await until(host.url, run, "child.started", 2)
    await post(f"{host.url}/api/v1/runs/{run}/cancel", {"reason": "no longer wanted"})
    *told, end = await every(host.url, run)
    happened = Counter(event["event"] for event in told)
    assert end["event"] == "canceled"
    assert happened["child.started"] == happened["child.canceled"] == 2


def most_at_once(events: list[Event]) -> int:
    """How many children were under way at the same time, at most."""
    changes = {"child.started": 1, "child.completed": -1}
    return max(accumulate(changes.get(event["event"], 0) for event in events))


def at_work(events: list[Event]) -> list[tuple[int, int]]:
    """Which attempt was begun by which process."""
    told = [event["data"] for event in events if event["event"] == "stream"]
    return [(item["attempt"], item["process"]) for item in told if item["what"] == "began"]


def deltas(chunks: list[Any]) -> list[str]:
    """The tokens in the parts of an answer, of which the last only says why it ends."""
    return [chunk.choices[0].delta.content for chunk in chunks[:-1]]


def parts(text: str) -> list[str]:
    """The tokens of an answer."""
    words = text.split(" ")
    return [*words[:1], *(f" {word}" for word in words[1:])]


def retried(run: Any) -> Any:
    """The model's step, which waits for its next attempt and a process that takes it."""
    return next((s for s in run["pending"] if (s["activity"], s["attempt"] > 1) == ("inference:write", True)), None)


@linux
async def test_the_demo_keeps_its_promises_and_leaves_nothing_running(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    process = await start(mark, tmp_path, "entries.inference.demo", INFERENCE_ITEMS="30")
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert list(marked(mark)) == []
    assert names_in(tmp_path) == []
    report = json.loads(out.decode().splitlines()[-1])
    assert (report["out_of_memory"]["attempts"], report["survived_gpu"]["attempts"]) == (3, 2)
    assert report["survived_front"]["before"] < report["survived_front"]["behind"]
    assert 0 < report["canceled"]["tokens"] < 4096
    assert report["batch"]["done"] == 30
