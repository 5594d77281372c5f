"""The inference pipeline: its model, and its endpoint asked by OpenAI's own client while processes are killed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from entries.inference import model
from entries.inference.engine import Job, runs_out
from runtime.temporal.dev_server import DevServer
from tests.entries.inference import Cluster, Event, Process, ask, every, get, openai
from tests.waiting import eventually

LONG = 120  # tokens: more than what is heard before something is killed


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
