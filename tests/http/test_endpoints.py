from __future__ import annotations

import pytest

from tests.http.site import Site


async def test_a_handler_sees_the_request_and_writes_the_answer(web: Site) -> None:
    answer = await web.post("/shop/orders/a%2Fb?q=1&q=2", {"x": 1}, headers={"X-Agent": "me"})
    assert (answer.status, answer.headers["X-Order"]) == (201, "a/b")
    seen = answer.json
    assert (seen["method"], seen["id"], seen["agent"], seen["body"]) == ("POST", "a/b", "me", '{"x": 1}')


async def test_a_returned_table_is_the_answer_as_json(web: Site) -> None:
    answer = await web.get("/shop/orders/1")
    assert (answer.status, answer.json) == (200, {"a": 1})
    assert answer.headers["Content-Type"].startswith("application/json")


async def test_a_status_without_a_body_is_an_answer(web: Site) -> None:
    answer = await web.ask("DELETE", "/shop/orders/1")
    assert (answer.status, answer.text) == (204, "")


async def test_a_returned_error_is_a_problem_by_its_kind(web: Site) -> None:
    answer = await web.get("/refuse")
    assert (answer.status, answer.json["kind"], answer.json["detail"]) == (404, "NotFound", "no such order")


async def test_a_raise_is_a_500_that_points_at_the_line_and_nowhere_else(web: Site) -> None:
    answer = await web.get("/raise")
    assert (answer.status, answer.json["lua"]["file"]) == (500, "handlers.lua")
    assert ".py" not in answer.text


async def test_rest_of_the_path(web: Site) -> None:
    assert (await web.get("/files/a/b%20c")).json == {"rest": "a/b c"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/shop", 404), ("PUT", "/refuse", 405), ("DELETE", "/healthz", 405)],
)
async def test_what_is_not_served_is_a_problem_too(web: Site, method: str, path: str, status: int) -> None:
    answer = await web.ask(method, path)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["instance"] == path
    assert ("Allow" in answer.headers) == (status == 405)


async def test_head_has_no_body(web: Site) -> None:
    answer = await web.ask("HEAD", "/healthz")
    assert (answer.status, answer.text) == (200, "")


async def test_the_server_does_not_say_what_it_is_made_of(web: Site) -> None:
    for path in ("/healthz", "/nowhere"):
        assert (await web.get(path)).headers["Server"] == "evermoon"
