from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runtime.contracts import HttpRequest, HttpResponse
from runtime.errors import INTERNAL, INVALID, Error
from tests.modules.host_script import run

BOUNDARY = "X-b"
FORM = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="note"\r\n\r\nhi\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a.bin"\r\n'
    "Content-Type: image/png\r\n\r\n"
).encode() + b"\xff\x00\r\n\xfe" + f"\r\n--{BOUNDARY}--\r\n".encode()  # fmt: skip


def request(**fields: Any) -> HttpRequest:
    given: dict[str, Any] = {
        "method": "POST",
        "path": "/orders/7",
        "host": "shop.test",
        "remote_addr": "10.1.2.3",
        "query": {"a": ["1", "2"], "b": ["x"]},
        "headers": {
            "content-type": "application/json; charset=utf-8",
            "x-one": "1",
            "accept": "text/*, application/json;q=0",
        },
        "params": {"id": "7"},
        "body": b'{"n":1.0}',
    }
    return HttpRequest(**{**given, **fields})


async def handle(
    directory: Path,
    script: str,
    response: HttpResponse | None = None,
    modules: list[str] | None = None,
    **fields: Any,
) -> Any:
    answer = response if response is not None else HttpResponse()
    handler = f"local req, res = http.request(), http.response() {script}"
    return await run(directory, handler, modules=modules, request=request(**fields), response=answer)


async def test_a_handler_sees_its_request(tmp_path: Path) -> None:
    body = """
        return {
          req:method(), req:path(), req:host(), req:remote_addr(), req:query("a"), req:query("none") == nil,
          req:query_params(), req:header("X-ONE"), req:headers()["Content-Type"], req:param("id"), req:params(),
          req:content_type(), req:content_length(), req:has_body(), req:body(), req:body_json(),
          req:is_content_type("application/json"), req:is_content_type("text/plain"),
          req:accepts("text/html"), req:accepts("application/json"), req:accepts("image/png"),
        }
    """
    assert await handle(tmp_path, body) == [
        "POST", "/orders/7", "shop.test", "10.1.2.3", "1", True,
        {"a": "1,2", "b": "x"}, "1", "application/json; charset=utf-8", "7", {"id": "7"},
        "application/json; charset=utf-8", 9, True, '{"n":1.0}', {"n": 1.0},
        True, False,
        True, False, False,
    ]  # fmt: skip


async def test_a_body_that_is_no_json_or_missing_is_invalid(tmp_path: Path) -> None:
    body = "local v, err = req:body_json() return { v == nil, err:kind() }"
    assert await handle(tmp_path, body, body=b"{") == [True, INVALID]
    assert await handle(tmp_path, body, body=b"") == [True, INVALID]


async def test_a_binary_body_arrives_and_streams(tmp_path: Path) -> None:
    body = """
        local s, n = req:stream(), 0
        while true do
          local piece = s:read(2)
          if not piece then break end
          n = n + #piece
        end
        return { #req:body(), req:body():byte(1), n, s:close(), select(2, s:read()):kind() }
    """
    assert await handle(tmp_path, body, body=b"\xff\x00\xfe") == [3, 255, 3, True, INVALID]


async def test_an_uploaded_form_has_values_and_files(tmp_path: Path) -> None:
    body = """
        local form, err = req:parse_multipart()
        if err then return nil, err end
        local f = form.files.photo[1]
        local data = f.stream():read()
        return { form.values.note, f.name, f.content_type, f.size, #data, data:byte(1) }
    """
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    assert await handle(tmp_path, body, headers=headers, body=FORM) == [["hi"], "a.bin", "image/png", 5, 5, 255]
    with pytest.raises(Error) as caught:
        await handle(tmp_path, "return req:parse_multipart()")
    assert caught.value.kind == INVALID


async def test_what_is_said_of_the_response_is_the_answer(tmp_path: Path) -> None:
    answer = HttpResponse()
    body = """
        res:write("first, ")
        res:write("\\xff")
        return "ignored"
    """
    await handle(
        tmp_path, 'res:set_header("x-one", "1") res:set_content_type("text/plain") res:set_status(201)' + body, answer
    )
    assert (answer.status, answer.headers) == (201, {"X-One": "1", "Content-Type": "text/plain"})
    assert (bytes(answer.body), answer.written) == (b"first, \xff", True)


async def test_a_status_alone_is_an_answer(tmp_path: Path) -> None:
    answer = HttpResponse()
    await handle(tmp_path, "res:set_status(http.STATUS.NO_CONTENT)", answer)
    assert (answer.status, answer.written) == (204, False)


async def test_json_keeps_a_content_type_set_before(tmp_path: Path) -> None:
    answer = HttpResponse()
    await handle(tmp_path, 'res:set_content_type("application/hal+json") res:write_json({ a = 1.0 })', answer)
    assert (answer.headers["Content-Type"], bytes(answer.body)) == ("application/hal+json", b'{"a":1.0}')
    chained = HttpResponse()
    await handle(tmp_path, "res:status(202):json({})", chained)
    assert (chained.status, chained.headers, bytes(chained.body)) == (202, {"Content-Type": "application/json"}, b"[]")


async def test_settings_after_the_first_write_are_refused_without_raising(tmp_path: Path) -> None:
    answer = HttpResponse()
    body = """
        local before = res:set_status(200)
        res:write("x")
        local chained, err = res:status(500)
        return { before == nil, res:set_status(500):kind(), res:set_header("a", "b"):kind(), chained == nil, err:kind() }
    """
    assert await handle(tmp_path, body, answer) == [True, INVALID, INVALID, True, INVALID]
    assert answer.status == 200


async def test_what_http_does_not_allow_is_refused(tmp_path: Path) -> None:
    answer = HttpResponse()
    body = 'return { res:set_status(99):kind(), res:set_header("a b", "c"):kind(), res:set_header("a", "b\\r\\nc: d"):kind(), res:write_json(print):kind() }'
    assert await handle(tmp_path, body, answer) == [INVALID] * 4
    assert answer == HttpResponse()


async def test_events_are_sent_as_they_are_written(tmp_path: Path) -> None:
    sent: list[tuple[int, str, bytes]] = []

    async def send(response: HttpResponse) -> None:
        sent.append((response.status, response.headers["Content-Type"], bytes(response.body)))
        response.body.clear()

    answer = HttpResponse(send=send)
    body = 'res:write_event({ name = "tick", data = { n = 1 }, id = 5, retry = 250 }) res:write_event({ data = "x" }) return res:write_event({ name = "a\\nb" }):kind()'
    assert await handle(tmp_path, body, answer) == INVALID
    assert sent == [
        (200, "text/event-stream", b'id: 5\nevent: tick\nretry: 250\ndata: {"n":1}\n\n'),
        (200, "text/event-stream", b'data: "x"\n\n'),
    ]


@pytest.mark.parametrize("retry", ["-1", "1.5", "'soon'", "{}"])
async def test_the_retry_of_an_event_is_whole_milliseconds(tmp_path: Path, retry: str) -> None:
    answer = HttpResponse()
    body = f"return res:write_event({{ data = 1, retry = {retry} }}):kind()"
    assert await handle(tmp_path, body, answer) == INVALID
    assert bytes(answer.body) == b""


async def test_events_without_a_streaming_server_are_answered_whole(tmp_path: Path) -> None:
    answer = HttpResponse()
    await handle(
        tmp_path, 'res:set_transfer("sse") res:write_event({ data = 1 }) res:write_event({ data = 2 })', answer
    )
    assert bytes(answer.body) == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("name", ["request", "response"])
async def test_outside_a_handler_asking_for_it_is_an_error_at_the_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(Error) as raised:
        await run(tmp_path, f"\nlocal it = http.{name}()\nreturn it")
    assert f"http.{name}() works only in the function of an http.endpoint" in raised.value.message
    assert re.match(r"\S+\.lua:\d+: ", raised.value.message)


@pytest.mark.parametrize("module", ["json", "yaml"])
async def test_what_a_client_sent_and_cannot_be_read_is_the_clients_fault(tmp_path: Path, module: str) -> None:
    body = f"""
        local decode, kinds = require("{module}").decode, {{}}
        for i, text in ipairs({{ req:body(), req:body():sub(2), req:query("q"), req:header("x-said"), "{{ unlike" }}) do
          kinds[i] = select(2, decode(text)):kind()
        end
        return kinds
    """
    sent: dict[str, Any] = {"body": b"\n{ no: [", "query": {"q": ["{ q"]}, "headers": {"x-said": "[ 1"}}
    assert await handle(tmp_path, body, modules=[module], **sent) == [INVALID] * 4 + [INTERNAL]


async def test_events_tell_proxies_to_pass_them_on(tmp_path: Path) -> None:
    answer = HttpResponse()
    await handle(tmp_path, 'res:set_header("cache-control", "no-store") res:write_event({ data = 1 })', answer)
    assert (answer.headers["X-Accel-Buffering"], answer.headers["Cache-Control"]) == ("no", "no-store")
    assert answer.headers["Content-Type"] == "text/event-stream"
