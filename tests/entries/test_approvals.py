"""The approvals service: its tests in Lua, its HTTP interface, its live list, and its page in a browser."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from entries.demo.worker import ROOT
from runtime.registry import Registry
from runtime.testing import Suite, find
from tests.cli.shell import running
from tests.entries.browser import NoBrowser, Page, browser, chromium
from tests.entries.shop import names_in
from tests.entries.test_demo import linux, marked, start
from tests.waiting import eventually

DIRECTORY = ROOT / "entries" / "approvals"
LAPTOP = {"title": "New laptop", "requester": "ann", "approver": "bob", "manager": "cleo"}

SUITE = Suite(Registry.load(DIRECTORY, environ={}), find(DIRECTORY))


@pytest.mark.parametrize("case", SUITE.cases, ids=lambda case: case.name)
def test_in_lua(case: Any) -> None:
    outcome = SUITE.run(case)
    assert outcome.ok, f"{outcome.message}\n{outcome.stack}"


@linux
@pytest.mark.timeout(300)
async def test_the_demo_keeps_its_promises_and_leaves_nothing_running(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    process = await start(mark, tmp_path, "entries.approvals.demo")
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert list(marked(mark)) == []
    assert names_in(tmp_path) == []
    last = out.decode().splitlines()[-1]
    assert "://" not in last  # nothing answers any more
    report = json.loads(last)
    assert {name: item["status"] for name, item in report.items()} == {
        "approved": "approved",
        "rejected": "rejected",
        "expired": "expired",
        "survived": "approved",
    }
    assert report["approved"]["reminders"] >= 1
    assert report["survived"]["reminders"] >= 2


class Service:
    """The service under `evermoon dev`, as a client sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON; asks again while a busy host does not get an answer of the run, or rebuilds its list."""
        async with aiohttp.ClientSession() as client:
            while True:
                async with client.request(method, self.url + path, json=body) as response:
                    if response.status not in (503, 504):
                        return response.status, await response.json(content_type=None)
                await asyncio.sleep(0.1)

    async def new(self, **more: Any) -> str:
        status, answer = await self.ask("POST", "/approvals", {**LAPTOP, **more})
        assert status == 202, answer
        return str(answer["id"])

    async def listed(self, id: str) -> Any:
        _, answer = await self.ask("GET", "/approvals")
        return next((approval for approval in answer["approvals"] if approval["id"] == id), None)

    async def until_listed(self, id: str, status: str) -> Any:
        return await eventually(lambda: self.listed(id), lambda found: found and found["status"] == status, every=0.1)

    async def until(self, id: str, status: str) -> Any:
        _, found = await eventually(
            lambda: self.ask("GET", f"/approvals/{id}"), lambda answer: answer[1]["status"] == status, every=0.1
        )
        return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("approvals")
    env = {"APPROVALS_DB": str(directory / "approvals.db"), "PORT": "0"}
    with running(directory, "dev", "--ephemeral", "--no-reload", "--registry", str(DIRECTORY), env=env) as (_, told):
        yield Service(told["http"]["approvals:http"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "title is missing"),
        ([LAPTOP], "must be an object"),
        ("New laptop", "must be an object"),
        ({**LAPTOP, "title": " "}, "title must be text"),
        ({**LAPTOP, "title": "x" * 201}, "title must be text"),
        ({**LAPTOP, "note": 5}, "note must be text"),
        ({**LAPTOP, "id": "a/b"}, "id must be"),
        ({**LAPTOP, "id": "live"}, "id must be"),
        ({**LAPTOP, "amount": 5}, "unknown field 'amount'"),
        ({**LAPTOP, "approver": "ann"}, "ann cannot approve"),
        ({**LAPTOP, "policy": {"expire_after": "soon"}}, "policy.expire_after must be"),
        ({**LAPTOP, "policy": {"remind_every": "-1s"}}, "policy.remind_every must be"),
        ({**LAPTOP, "policy": {"never": "1s"}}, "unknown field 'policy.never'"),
    ],
)
async def test_a_malformed_request_is_refused_by_name(service: Service, body: Any, said: str) -> None:
    status, problem = await service.ask("POST", "/approvals", body)
    assert (status, problem["kind"]) == (400, "Invalid")
    assert said in problem["detail"]


async def test_an_id_names_one_approval_however_often_it_is_asked_for(service: Service) -> None:
    body = {**LAPTOP, "id": "once"}
    answers = await asyncio.gather(*(service.ask("POST", "/approvals", body) for _ in range(10)))
    assert Counter(status for status, _ in answers) == {202: 1, 200: 9}
    status, problem = await service.ask("POST", "/approvals", {**body, "title": "Another laptop"})
    assert (status, problem["kind"]) == (409, "Conflict")


async def test_who_may_decide_and_when(service: Service) -> None:
    id = await service.new()
    refused = [
        ("approve", {"why": "no name"}, 400),
        ("reject", {"by": "bob"}, 400),
        ("approve", {"by": "ann"}, 403),
        ("withdraw", {"by": "bob"}, 403),
    ]
    for what, body, wanted in refused:
        assert (await service.ask("POST", f"/approvals/{id}/{what}", body))[0] == wanted
    assert (await service.ask("POST", "/approvals/nobody/approve", {"by": "bob"}))[0] == 404
    assert (await service.ask("GET", "/approvals/nobody"))[0] == 404
    assert (await service.ask("POST", f"/approvals/{id}/withdraw", {"by": "ann", "why": "found one"}))[0] == 202
    approval = await service.until(id, "withdrawn")
    assert (approval["decided_by"], approval["why"]) == ("ann", "found one")
    assert (await service.ask("POST", f"/approvals/{id}/approve", {"by": "bob"}))[0] == 409
    assert (await service.until_listed(id, "withdrawn"))["why"] == "found one"


async def test_the_list_knows_of_runs_that_could_not_say_how_they_ended(service: Service) -> None:
    canceled, terminated = await service.new(), await service.new()
    for id in (canceled, terminated):
        await service.until_listed(id, "waiting")
    await service.ask("POST", f"/api/v1/runs/{canceled}/cancel", {"reason": "project stopped"})
    await service.ask("POST", f"/api/v1/runs/{terminated}/terminate", {"reason": "by hand"})
    await service.until_listed(canceled, "canceled")
    assert "terminated" in (await service.until_listed(terminated, "canceled"))["why"]


async def test_a_signal_from_anywhere_counts_and_a_useless_one_does_not(service: Service) -> None:
    id = await service.new()
    for by in ("mallory", "cleo"):
        assert (await service.ask("POST", f"/api/v1/runs/{id}/signals/approve", {"by": by}))[0] == 202
    assert (await service.until(id, "approved"))["decided_by"] == "cleo"


@pytest.fixture
async def page(service: Service, tmp_path: Path) -> AsyncIterator[Page]:
    program = chromium()
    if program is None:
        pytest.skip("there is no Chromium here: the page is not tested")
    try:
        async with browser(program, tmp_path / "profile", f"{service.url}/") as found:
            await found.until("document.getElementById('connection')?.dataset.state === 'live'")
            yield found
    except NoBrowser as error:
        pytest.skip(f"{program} does not run here ({error}): the page is not tested")


def card(title: str) -> str:
    return f"[...document.querySelectorAll('#waiting .card')].find(it => it.querySelector('h3').textContent === {json.dumps(title)})"


@pytest.mark.timeout(300)
async def test_the_page_shows_what_waits_and_lets_one_decide(service: Service, page: Page) -> None:
    shown = "<b>Desk</b> & chair"
    id = await service.new(title=shown)
    await page.until(card(shown))
    await page.do(f"{card(shown)}.querySelector('[data-topic=reject]').click()")
    await page.until("document.getElementById('decide-dialog').open")
    assert await page.do("[...document.querySelectorAll('#decide-form option')].map(it => it.value)") == ["cleo", "bob"]
    await page.do("document.getElementById('decide').click()")  # a reason is required, so nothing is sent
    assert await page.do("document.getElementById('decide-dialog').open")
    await page.do("document.querySelector('#decide-form textarea').value = 'no room'")
    await page.do("document.getElementById('decide').click()")
    await page.until(
        f"[...document.querySelectorAll('#decided li')].some(it => it.textContent.includes({json.dumps(shown)}))"
    )
    approval = await service.until(id, "rejected")
    assert (approval["decided_by"], approval["why"]) == ("bob", "no room")


@pytest.mark.timeout(300)
async def test_the_page_asks_and_says_what_the_server_refuses(service: Service, page: Page) -> None:
    async def fill(**fields: str) -> None:
        for name, value in fields.items():
            await page.do(f"document.getElementById('ask-form').elements.{name}.value = {json.dumps(value)}")
        await page.do("document.querySelector('#ask-form [type=submit]').click()")

    await page.do("document.getElementById('ask').click()")
    await fill(title="Books", requester="dan", approver="dan")
    await page.until("document.querySelector('#ask-form .problem').textContent.includes('dan cannot approve')")
    await fill(approver="eve")
    await page.until("!document.getElementById('ask-dialog').open")
    await page.until(card("Books"))
    asked = [it for it in (await service.ask("GET", "/approvals"))[1]["approvals"] if it["title"] == "Books"]
    assert [(it["requester"], it["approver"]) for it in asked] == [("dan", "eve")]
