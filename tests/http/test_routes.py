from __future__ import annotations

import pytest
from aiohttp import web

from runtime.errors import INVALID, Error
from runtime.http.problem import ProblemResponse
from runtime.http.routes import Params, Route, Routes


async def handler(request: web.BaseRequest, params: Params) -> web.StreamResponse:
    raise AssertionError("never called")


def routes(*lines: str) -> Routes:
    return Routes([Route(line.split()[0], line.split()[1], handler, line) for line in lines])


def params(table: Routes, method: str, path: str) -> Params:
    return table.find(method, path).params


def test_parameters_are_decoded_and_never_empty() -> None:
    table = routes("GET /x/{id}/y")
    assert params(table, "GET", "/x/a%2Fb%20c/y") == {"id": "a/b c"}
    with pytest.raises(ProblemResponse) as missed:
        table.find("GET", "/x//y")
    assert missed.value.status == 404


def test_rest_takes_everything_that_is_left_even_nothing() -> None:
    table = routes("GET /files/{rest...}")
    assert params(table, "GET", "/files/a/b") == {"rest": "a/b"}
    assert params(table, "GET", "/files/") == {"rest": ""}


def test_literal_beats_parameter_beats_rest_whatever_the_order() -> None:
    lines = ("GET /a/{rest...}", "GET /a/{id}", "GET /a/b")
    for order in (lines, lines[::-1]):
        table = routes(*order)
        assert params(table, "GET", "/a/b") == {}
        assert params(table, "GET", "/a/c") == {"id": "c"}
        assert params(table, "GET", "/a/c/d") == {"rest": "c/d"}


def test_another_method_is_405_and_says_which_are_allowed() -> None:
    table = routes("GET /a", "POST /a", "PUT /{any}")
    with pytest.raises(ProblemResponse) as refused:
        table.find("DELETE", "/a")
    assert refused.value.status == 405
    assert refused.value.headers["Allow"] == "GET, HEAD, OPTIONS, POST, PUT"


def test_head_is_answered_where_get_is() -> None:
    assert params(routes("GET /a"), "HEAD", "/a") == {}


def test_one_path_may_have_several_methods() -> None:
    table = routes("GET /a/{x}", "POST /a/{y}")
    assert params(table, "POST", "/a/1") == {"y": "1"}


def test_a_path_that_is_not_utf8_is_400() -> None:
    with pytest.raises(ProblemResponse) as refused:
        routes("GET /{x}").find("GET", "/%ff")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "lines",
    [("GET /a/{x}", "GET /a/{y}"), ("GET a",), ("GET /{a...}/b",), ("GET /x{id}",)],
    ids=["twins", "relative", "rest-in-the-middle", "half-a-parameter"],
)
def test_what_could_never_be_told_apart_or_matched_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(Error) as refused:
        routes(*lines)
    assert refused.value.kind == INVALID
