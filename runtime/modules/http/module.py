"""http: what a handler of an `http.endpoint` says of its response, and the parts of an uploaded form.

The request itself needs no command: the script has it from the start (`info.request` of its boot table).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from runtime.contracts import HttpRequest, HttpResponse
from runtime.errors import Error, invalid
from runtime.late import late
from runtime.modules.definition import HOST, HostCall, ModuleDef

if TYPE_CHECKING:
    from email import parser
    from email.message import Message
else:
    parser = late("email.parser")

_CHUNK = 64 * 1024

#: Of a form; more would keep the script waiting.
MAX_PARTS = 1000


async def set_head(call: HostCall) -> bool:
    """A status, or one header. Raises `Error` INVALID once something has been written."""
    response = _response(call)
    if response.written:
        raise invalid("status and headers are settled by the first write")
    if "status" in call.data:
        response.status = int(call.data["status"])
    if "header" in call.data:
        response.headers[str(call.data["header"])] = str(call.args[0].value())
    return True


async def write(call: HostCall) -> bool:
    response = _response(call)
    response.written = True
    response.body += call.args[0].data
    return True


async def flush(call: HostCall) -> bool:
    """Returns when the server has taken what was written."""
    response = _response(call)
    response.written = True
    if response.send is not None:
        await response.send(response)
    return True


async def read(call: HostCall) -> bytes:
    """The next bytes of a body that came too large to be read at once, at most `size`; none at its end."""
    rest = _request(call).rest
    return await rest(int(call.data.get("size") or _CHUNK)) if rest is not None else b""


async def read_all(call: HostCall) -> bytes:
    """All of the body that has not been read. The server's `max_body` bounds it."""
    rest, body = _request(call).rest, bytearray()
    while rest is not None and (chunk := await rest(_CHUNK)):
        body += chunk
    return bytes(body)


def multipart(content_type: bytes, body: bytes) -> str:
    """Where the parts of a form are, as JSON: `[{name, first, last, filename?, content_type}]`, in bytes from 1, as Lua counts.

    Places rather than contents: the script has the body, and may have little room for it twice. Raises `Error` INVALID.
    """
    form = _headers(b"Content-Type: " + content_type)
    boundary = form.get_boundary()
    if form.get_content_type() != "multipart/form-data" or not boundary:
        raise _no_form()
    places = list(islice(_places(body, b"--" + boundary.encode("ascii", "replace")), MAX_PARTS + 1))
    if len(places) > MAX_PARTS:
        raise invalid(f"the form has more than {MAX_PARTS} parts")
    return json.dumps([_part(body, *place) for place in places])


def _places(body: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Beginning and end of each part, its headers included (RFC 2046, 5.1.1)."""
    at = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter) + 2
    if at == 1:
        raise _no_form()
    while not body.startswith(b"--", begin := at + len(delimiter)):
        begin = body.find(b"\r\n", begin) + 2
        end = body.find(b"\r\n" + delimiter, begin - 2)
        if begin == 1 or end < begin:
            raise _no_form()
        yield begin, end
        at = end + 2


def _part(body: bytes, begin: int, end: int) -> dict[str, Any]:
    blank = body.find(b"\r\n\r\n", begin, end)
    if blank < 0:
        raise _no_form()
    part = _headers(body[begin:blank])
    name = part.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise _no_form()
    fields: dict[str, Any] = {
        "name": name,
        "content_type": part.get_content_type(),
        "first": blank + 5,
        "last": end,
    }
    filename = part.get_filename()
    return fields if filename is None else fields | {"filename": filename}


def _headers(text: bytes) -> Message:
    """Header lines, in whatever case; names that are not ASCII are UTF-8, as browsers send them."""
    return parser.Parser().parsestr(text.decode("utf-8", "replace"), headersonly=True)


def _no_form() -> Error:
    return invalid("the request body is not multipart/form-data")


def _request(call: HostCall) -> HttpRequest:
    if call.process.request is None:
        raise _no_handler()
    return call.process.request


def _response(call: HostCall) -> HttpResponse:
    if call.process.response is None:
        raise _no_handler()
    return call.process.response


def _no_handler() -> Error:
    return invalid("not handling an HTTP request")


MODULE = ModuleDef(
    name="http",
    classes=frozenset({HOST}),
    summary="the request a handler answers, and its response",
    functions={"http.multipart": multipart},
    unasked=frozenset({"http.set", "http.write", "http.flush", "http_body.read", "http_body.read_all"}),
    commands={
        "http.set": set_head,
        "http.write": write,
        "http.flush": flush,
        # Not "http.…": those still count when the handler has returned, these no longer matter then.
        "http_body.read": read,
        "http_body.read_all": read_all,
    },
)
