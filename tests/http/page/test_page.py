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
