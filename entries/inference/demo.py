"""`make demo-inference`: answers from a pipeline of three sorts of processes, which are killed while it works; and a batch.

The last line on standard output is one JSON object with the results. Exits 1, saying why, when a claim does not hold.
`INFERENCE_ITEMS` says how many texts the batch has, 5,000 unless it is set.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from entries.demo.playing import console, play, say, title
from entries.demo.shop import expect
from entries.demo.worker import Worker
from entries.inference.client import Client, Event
from runtime.cli.process_exit import end_process
from runtime.temporal.dev_server import DevServer

REGISTRY = "entries/inference"
PATIENCE = 900.0  # seconds for each part of the demo
LONG = 400  # tokens, so that there is time to kill something
STORM, TRAIN, RIVER = "What does the storm do?", "Where does the night train go?", "Tell me about the river"
MOON = "Tell me about the moon"  # two attempts at which run out of memory
TOPICS = ["the sea", "the night train", "winter in the village", "the keeper of the tower"]


@dataclass
class Stage:
    client: Client
    gpu: Worker
    cpu: Worker
    front: Worker


@asynccontextmanager
async def stage(state: Path) -> AsyncIterator[Stage]:
    """Everything the demo needs, running; gone when it is left."""
    title("Starting")
    async with DevServer() as server, AsyncExitStack() as stack:
        say(f"Temporal {server.address}, its UI {server.ui_url}")
        environ = {
            "TEMPORAL_ADDRESS": server.address,
            "INFERENCE_DB": str(state / "streams.db"),
            "EVERMOON_BUNDLES": str(state / "bundles"),
        }
        workers = []
        for group in ("gpu", "cpu", "front"):
            worker = Worker(environ, state / "worker.log", REGISTRY, "inference:http", only=[group])
            stack.push_async_callback(worker.stop)
            await worker.start()
            say(f"evermoon serve --only {group} (process {worker.pid}) {worker.url}")
            workers.append(worker)
        gpu, cpu, front = workers
        timeout = aiohttp.ClientTimeout(total=None, connect=10)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        yield Stage(Client(session, lambda: front.url), gpu, cpu, front)


async def answered(on: Stage) -> dict[str, Any]:
    answer = await on.client.ask(RIVER)
    say(f"POST /v1/chat/completions -> {answer['choices'][0]['message']['content']}")
    say(f"{answer['usage']['completion_tokens']} tokens; the first answer waits for the engine to load its models")
    return {"tokens": answer["usage"]["completion_tokens"]}


async def out_of_memory(on: Stage) -> dict[str, Any]:
    """The engine fails now and then; the next attempt has the tokens of the one before."""
    answer = await on.client.ask(MOON)
    async for event in on.client.events(answer["id"], names="engine", only="stream"):
        if event["event"] == "stream":
            told = event["data"]
            say(f"attempt {told['attempt']} {told['what']} with {told['tokens']} tokens")
    expect("attempts", event["result"]["attempts"], 3)
    say(f"-> {answer['choices'][0]['message']['content']}")
    return {"attempts": event["result"]["attempts"]}


async def survived_gpu(on: Stage) -> dict[str, Any]:
    """The only GPU process is killed in the middle of an answer, which its client goes on to hear."""
    heard: list[Event] = []
    killed = on.gpu.pid
    async for part in on.client.stream(STORM, "storm", max_tokens=LONG):
        heard.append(part)
        _show(part)
        if len(heard) == 30:
            await on.gpu.kill()
            console.print()
            say(f"kill -9 {killed}: there is no GPU any more; the CPU process leaves the step alone")
            await on.client.until(part["id"], _waits_for_a_gpu)
            say("Temporal has missed its heartbeat: the step waits for its second attempt")
            await on.gpu.start()
            say(f"a new GPU process ({on.gpu.pid}) goes on where the last heartbeat was")
    console.print()
    whole = await _told(on.client, heard)
    expect("each token was heard once, in order", _text(heard), whole["text"])
    expect("processes that wrote", whole["processes"], [killed, on.gpu.pid])
    say(f"{len(heard) - 1} tokens heard, each once and in order; attempts: {whole['attempts']}")
    return {"tokens": len(heard) - 1, "attempts": whole["attempts"]}


async def survived_front(on: Stage) -> dict[str, Any]:
    """The HTTP process is killed in the middle of an answer; the client comes back with the last event that it heard."""
    heard: list[Event] = []
    try:
        async for part in on.client.stream(TRAIN, "train", max_tokens=LONG):
            heard.append(part)
            _show(part)
            if len(heard) == 30:
                await on.front.kill()
    except aiohttp.ClientError:
        console.print()
        say(f"the HTTP process was killed behind event {heard[-1]['event_id']}; the GPU goes on")
    before = len(heard)
    await on.front.start()
    say(f"the same request to a new HTTP process ({on.front.pid}), with Last-Event-ID: {heard[-1]['event_id']}")
    async for part in on.client.stream(TRAIN, "train", heard[-1]["event_id"], max_tokens=LONG):
        heard.append(part)
        _show(part)
    console.print()
    whole = await _told(on.client, heard)
    expect("each token was heard once, in order", _text(heard), whole["text"])
    say(f"{before} parts before, {len(heard) - before} behind: each token once and in order")
    return {"before": before, "behind": len(heard) - before}


async def canceled(on: Stage) -> dict[str, Any]:
    begun = 0.0
    run = ""
    async for part in on.client.stream(RIVER, "river", max_tokens=4096):
        if "error" in part:
            say(f"the client hears: {part['error']['message']}")
        elif not run:
            run, begun = part["id"], time.monotonic()
            await on.client.cancel(run, "no longer wanted")
    took = time.monotonic() - begun
    [*_, last] = [
        event async for event in on.client.events(run, names="engine", only="stream") if event["event"] == "stream"
    ]
    expect("the engine", last["data"]["what"], "stopped")
    say(f"the engine stopped after {last['data']['tokens']} of 4096 tokens, {took:.1f} s after it was asked to")
    return {"tokens": last["data"]["tokens"], "seconds": round(took, 1)}


async def batched(on: Stage) -> dict[str, Any]:
    items = int(os.environ.get("INFERENCE_ITEMS", "5000"))
    run = await on.client.start("inference:batch", {"topics": TOPICS, "items": items})
    said = 0
    result: dict[str, Any] = {}
    async for event in on.client.events(run, names="progress", only="stream"):
        if event["event"] == "stream" and (event["data"]["done"] - said) * 10 >= items:
            said = event["data"]["done"]
            say(f"{said} of {items} texts")
        result = event.get("result", result)
    expect("texts", (result.get("done"), result.get("failed")), (items, 0))
    say(f"for instance: {result['sample']}")
    say(f"{result['words']} words; the histories of its {len(result['histories'])} runs: {result['histories']} events")
    return {"done": result["done"], "histories": result["histories"]}


def _waits_for_a_gpu(run: dict[str, Any]) -> bool:
    return any(step["activity"] == "inference:write" and step["attempt"] > 1 for step in run["pending"])


async def _told(client: Client, heard: list[Event]) -> dict[str, Any]:
    """The answer as its run has it, and the processes that wrote it, in turn."""
    *told, end = [event async for event in client.events(heard[0]["id"], names="engine", only="stream")]
    began = [e["data"]["process"] for e in told if e["event"] == "stream" and e["data"]["what"] == "began"]
    return {**end["result"], "processes": began}


def _text(heard: list[Event]) -> str:
    return "".join(part["choices"][0]["delta"].get("content", "") for part in heard)


def _show(part: Event) -> None:
    console.print(part["choices"][0]["delta"].get("content", ""), end="", markup=False)


async def show(state: Path) -> dict[str, Any]:
    report: dict[str, Any] = {}
    parts = {
        "(a) A question, as OpenAI's clients ask it": ("answered", answered),
        "(b) The engine runs out of memory, twice": ("out_of_memory", out_of_memory),
        "(c) The GPU process is killed in the middle of an answer": ("survived_gpu", survived_gpu),
        "(d) The HTTP process is killed in the middle of an answer": ("survived_front", survived_front),
        "(e) An answer is cancelled": ("canceled", canceled),
        "(f) A batch": ("batch", batched),
    }
    async with stage(state) as on:
        for heading, (name, part) in parts.items():
            title(heading)
            async with asyncio.timeout(PATIENCE):
                report[name] = await part(on)
        title("Stopping")
    return report


if __name__ == "__main__":
    end_process(asyncio.run(play(show)))
