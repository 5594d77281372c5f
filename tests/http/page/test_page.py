"""The page in a browser, over the real API and the real server."""

from __future__ import annotations

import json

import pytest

from tests.entries.browser import Page
from tests.http.page.conftest import TOKEN, Open, Watched, says

pytestmark = pytest.mark.timeout(300)
NASTY = "<img src=x onerror='window.faults.push(1)'><script>faults.push(2)</script>"


def button(text: str) -> str:
    return f"[...document.querySelectorAll('main button')].find((it) => it.textContent.trim() === {json.dumps(text)})"


async def press(page: Page, text: str) -> None:
    await page.until(button(text))
    await page.do(f"{button(text)}.click()")


async def fill(page: Page, label: str, text: str) -> None:
    """The field with that label, wherever it is shown."""
    field = (
        f"[...document.querySelectorAll('label')].find((it) => it.checkVisibility() && it.textContent.trim().startsWith({json.dumps(label)}))"
        "?.control"
    )
    await page.until(field)
    await page.do(f"Object.assign({field}, {{value: {json.dumps(text)}}}) && null")


async def test_a_run_is_started_watched_asked_changed_and_told(watched: Watched, look: Open) -> None:
    page = await look(f"{watched.url}/runs#entries")
    await page.until("document.querySelector('details.entry')")
    await page.do("document.querySelector('details.entry').open = true")
    await fill(page, "prompt", "x")
    await press(page, "Start")
    await page.until(says("minLength"))  # the server's own words
    await fill(page, "prompt", NASTY)
    await press(page, "Start")
    await page.until("location.pathname.startsWith('/runs/')")

    await page.until("document.querySelector('.tokens')?.textContent.startsWith('the moon said <img')")
    await page.until("document.querySelector('[data-here]')?.textContent.includes('-- here it waits')")
    await page.until(says(f"thinking about {NASTY}"))
    await page.until(
        "[...document.querySelectorAll('.locals div')].some((it) => it.innerText.includes('text') && it.innerText.includes('<img'))"
    )
    await page.until(says("attempt 1: Unavailable: the model is <b>cold</b>"))

    await press(page, "named")
    await press(page, "Query")
    await page.until(says("unnamed", "#action"))
    await press(page, "rename")
    await press(page, "Update")
    await page.until(says("a name is not empty", "#action"))
    await fill(page, "rename", "luna")
    await press(page, "Update")
    await page.until(says("renamed to luna", "#action"))
    await press(page, "approve")
    await fill(page, "by", "ann")
    await press(page, "Signal")
    await page.until("document.querySelector('.badge')?.dataset.status === 'COMPLETED'")
    await page.until("document.querySelector('[aria-label=result]')?.textContent.includes('\"by\": \"ann\"')")
    assert await page.do("document.querySelector('main img, main script')") is None


async def test_a_run_is_canceled_with_a_reason_and_its_history_is_shown(watched: Watched, look: Open) -> None:
    page = await look(f"{watched.url}/runs/{await watched.start()}")
    await press(page, "cancel")
    await fill(page, "Reason", "no more need")
    await press(page, "Cancel")
    await page.until("['CANCELED', 'FAILED'].includes(document.querySelector('.badge')?.dataset.status)")
    await page.until(says("no more need"))
    await page.do(
        "[...document.querySelectorAll('summary')].find((it) => it.textContent === 'History as JSON').click()"
    )
    await page.until(
        "document.querySelector('[aria-label=history]')?.textContent.includes('EVENT_TYPE_WORKFLOW_EXECUTION_STARTED')"
    )


async def test_the_list_is_live_and_filtered(watched: Watched, look: Open) -> None:
    page = await look(f"{watched.url}/runs?type=app:answer")
    await page.until("document.querySelector('.runs')")
    id = await watched.start()
    row = f"[...document.querySelectorAll('.runs tbody tr')].find((it) => it.querySelector('th').innerText.includes({json.dumps(id)}))"
    await page.until(f"{row}?.querySelector('.badge').dataset.status === 'RUNNING'")
    await page.do("document.querySelector('input[value=Completed]').click()")
    await page.until(f"location.search.includes('status=Completed') && !{row}")
    await watched.post(f"/runs/{id}/signals/approve", {})
    await page.until(f"{row}?.querySelector('.badge').dataset.status === 'COMPLETED'")


async def test_a_guarded_service_is_asked_with_the_token_of_the_tab(watched: Watched, look: Open) -> None:
    id = await watched.start()
    page = await look(f"{watched.runtime.urls['app:guarded']}/runs/{id}")
    for given in ("wrong", TOKEN):
        await page.until("document.getElementById('token-dialog').open")
        await page.do(f"document.getElementById('token').value = {json.dumps(given)}")
        await page.do("document.querySelector('#token-form button').click()")
        await page.until(
            says("does not know this token", "#token-problem")
            if given == "wrong"
            else "!document.getElementById('token-dialog').open"
        )
    await page.until(
        "document.querySelector('.tokens')?.textContent.includes('the moon said')"
    )  # over the event stream
    assert await page.do("[Object.values(sessionStorage).length, localStorage.length, document.cookie]") == [1, 0, ""]
    await page.until("document.querySelector('[data-here]')")


async def test_a_phone_needs_no_scrolling_sideways_and_everything_has_a_name(watched: Watched, look: Open) -> None:
    id = await watched.start("a" * 300)
    page = await look(f"{watched.url}/runs/{id}", width=360)
    await page.until("document.querySelector('[data-here]')")
    await press(page, "approve")
    await page.until("document.querySelector('#action input')")
    for hash in (None, "", "#entries", "#processes", "#schedules"):
        if hash is not None:
            await page.tell("Page.navigate", url=f"{watched.url}/runs{hash}")
            await page.until(
                f"location.hash === {json.dumps(hash)} && document.querySelector('main :is(.runs, .entry, .empty)')"
            )
        assert await page.do("document.documentElement.scrollWidth <= innerWidth"), hash
        nameless = "[...document.querySelectorAll('input, select, textarea')].filter((it) => !it.labels.length && !it.ariaLabel).map((it) => it.outerHTML)"
        assert await page.do(nameless) == []


async def test_schedules_and_processes_are_shown_and_the_keyboard_reaches_them(watched: Watched, look: Open) -> None:
    await watched.until_scheduled()
    page = await look(f"{watched.url}/runs")
    reached = []
    for _ in range(6):
        await page.tell("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(await page.do("document.activeElement.textContent.trim()"))
    assert reached == ["Skip to the content", "Evermoon", "Runs", "Start", "Processes", "Schedules"]
    for kind in ("keyDown", "keyUp"):
        await page.tell(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13
        )
    await page.until(says("app:nightly", ".runs"))
    assert await page.do("document.activeElement.id") == "main"  # a screen reader goes on there
    await page.tell("Page.navigate", url=f"{watched.url}/runs#processes")
    await page.until(says("app:keeper"))
    await page.do("document.querySelector('details.entry').open = true")
    await page.until(says("keeper.lua:1"))


async def test_a_token_that_may_only_read_sees_a_run_and_is_told_what_it_may_not(watched: Watched, look: Open) -> None:
    id = await watched.start()
    page = await look(f"{watched.runtime.urls['app:reading']}/runs/{id}")
    await page.until("document.getElementById('token-dialog').open")
    await page.do(f"document.getElementById('token').value = {json.dumps(TOKEN)}")
    await page.do("document.querySelector('#token-form button').click()")
    await page.until("document.querySelector('.locals')")
    await press(page, "terminate")
    await press(page, "Terminate")
    await page.until("document.querySelector('#action .problem')?.innerText.includes('process.terminate')")
    assert await page.do("document.querySelector('.badge').dataset.status") == "RUNNING"


EVENTS = [
    ["step.scheduled", {"run_id": "r", "activity": "app:generate", "activity_id": "1", "at": "2026-01-01T00:00:00Z"}],
    ["queue.unserved", {"run_id": "r", "activity_id": "1", "attempt": 1, "queue": "gpu", "at": "2026-01-01T00:00:10Z"}],
    ["step.started", {"run_id": "r", "activity_id": "1", "attempt": 1, "at": "2026-01-01T00:00:11Z", "live": True}],
    ["stream", {"name": "tokens", "activity_id": "1", "data": "a", "position": 1}],
    ["stream", {"name": "tokens", "activity_id": "1", "data": "b", "position": 2}],
    [
        "step.retrying",
        {"run_id": "r", "activity_id": "1", "attempt": 1, "error": {"message": "cold"}, "next_retry_at": "x"},
    ],
    ["step.started", {"run_id": "r", "activity_id": "1", "attempt": 2, "at": "2026-01-01T00:00:12Z", "live": True}],
    ["stream.restarted", {"name": "tokens", "activity_id": "1", "attempt": 2, "position": 2}],
    ["stream", {"name": "tokens", "activity_id": "1", "data": "c", "position": 2}],
    ["stream.restarted", {"name": "all", "activity_id": "1", "attempt": 2}],
]


async def test_live_events_come_to_attempts_and_a_stream_that_begins_anew_forgets_what_does_not_count(
    watched: Watched, look: Open
) -> None:
    page = await look(f"{watched.url}/runs")
    told = await page.do(
        "import('/_evermoon/steps.js').then(({ Progress }) => { const seen = new Progress(); const said = [];"
        f"{json.dumps(EVENTS)}.forEach(([name, data], n) => {{ seen.take(name, data, `${{n}}.0`);"
        "const [step] = seen.steps.values(); said.push([step.state, step.queue ?? null, step.next ?? null]); });"
        "const [step] = seen.steps.values(); const [stream] = seen.streams.values();"
        "return { said, failed: [...step.attempts.values()].map((it) => it.error?.message ?? null), text: stream.parts.map((it) => it.text).join('') }; })"
    )
    assert told["said"][1] == ["scheduled", "gpu", None]
    assert told["said"][2] == ["running", None, None]
    assert told["said"][5] == ["retrying", None, "x"]
    assert told["said"][6] == ["running", None, None]
    assert told["failed"] == ["cold", None]
    assert told["text"] == "ac"
