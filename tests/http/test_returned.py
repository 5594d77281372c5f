"""What a handler may return besides a table: its response, which has the answer already, and what it still waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.http.serving import entries, serving

SCRIPTS = """
    local funcs = require("funcs")

    function H.chained() return http.response():status(201):json({ ok = true }) end
    function H.by_a_local()
      local response = http.response()
      response:status(201)
      response:json({ ok = true })
      return response
    end
    function H.status_alone() return http.response():status(204) end
    function H.written()
      local response = http.response()
      response:write("plain")
      return response
    end
    function H.streamed()
      local response = http.response()
      response:write_event({ name = "step", data = 1 })
      return response
    end
    function H.refused() return http.response():json(print) end
    function H.later() return funcs.async("web:tea") end
    function H.broken() error("boom") end
    function H.unknown() error(errors.new(errors.NOT_FOUND, "no tea")) end
    function H.inside() return { response = http.response() } end
    function H.a_function() return function() end end
    function H.request() return http.request() end
    function H.tea() return { cups = 2 } end
"""
ROUTES = "\n".join(
    f"GET /{name} {name}"
    for name in (
        "chained", "by_a_local", "status_alone", "written", "streamed", "refused", "later", "request", "tea",
        "broken", "unknown", "inside", "a_function",
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/chained", 201, '{"ok":true}'),
        ("/by_a_local", 201, '{"ok":true}'),
        ("/status_alone", 204, ""),
        ("/written", 200, "plain"),
        ("/streamed", 200, "event: step\ndata: 1\n\n"),
        ("/later", 200, '{"cups":2}'),
    ],
)
async def test_a_handler_may_return_its_response(tmp_path: Path, path: str, status: int, body: str) -> None:
    async with serving(tmp_path, entries(ROUTES).replace("[http, json, time]", "[http, funcs]"), SCRIPTS) as web:
        answer = await web.get(path)
        assert (answer.status, answer.text) == (status, body)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/refused", "print"),
        ("/inside", "response"),
        ("/a_function", "function"),
        ("/request", "hand over what you need of it, such as request:body_json()"),
    ],
)
async def test_a_handler_that_returns_what_means_nothing_is_an_error_of_the_server_and_is_told_what_to_return(
    tmp_path: Path, path: str, words: str
) -> None:
    async with serving(tmp_path, entries(ROUTES).replace("[http, json, time]", "[http, funcs]"), SCRIPTS) as web:
        answer = await web.get(path)
        assert (answer.status, answer.json["kind"]) == ((400, "Invalid") if path == "/refused" else (500, "Internal"))
        assert "cannot leave the script" in answer.json["detail"]
        assert words in answer.json["detail"] or path == "/refused"


async def test_a_handler_that_fails_is_told_in_the_log_with_request_and_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, entries(ROUTES).replace("[http, json, time]", "[http, funcs]"), SCRIPTS) as web:
        assert (await web.get("/broken")).status == 500
        assert (await web.get("/unknown")).status == 404  # the client's to read
        [line] = [record.getMessage() for record in caplog.records if record.name == "evermoon.http"]
    assert line.startswith("web:broken failed, asked by GET /broken: ")
    assert "boom" in line
    assert "handlers.lua:" in line
