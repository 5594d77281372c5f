"""Uploaded forms, over the wire."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from runtime.modules.http.module import MAX_PARTS
from tests.http.serving import Serving, entries, serving

HANDLERS = """
    function H.upload()
        local form, err = http.request():parse_multipart()
        if not form then return nil, err end
        local files = {}
        for _, file in ipairs(form.files.photo or {}) do
            local stream, parts, length = file.stream(), 0, 0
            while true do
                local part = stream:read(65536)
                if not part then break end
                parts, length = parts + 1, length + #part
            end
            files[#files + 1] = { name = file.name, type = file.content_type, size = file.size, read = length, parts = parts }
        end
        return { values = json.object(form.values), files = files }
    end
"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Serving]:
    scripts = 'local json = require("json")\n' + HANDLERS
    async with serving(tmp_path, entries("POST /upload upload", service="max_body: 32MiB"), scripts) as site:
        yield site


@pytest.mark.parametrize("size", [0, 1, 65536, 300_000, 12_000_000])
@pytest.mark.parametrize("byte", [b"\xff", b"\r"], ids=["binary", "line ends"])
async def test_files_of_any_size_arrive_as_they_were(site: Serving, size: int, byte: bytes) -> None:
    form = aiohttp.FormData()
    form.add_field("note", "grüße")
    form.add_field("photo", io.BytesIO(byte * size), filename="ä b.png", content_type="image/png")
    form.add_field("note", "")
    answer = await site.ask("POST", "/upload", data=form)
    assert answer.status == 200, answer.text
    assert answer.json["values"] == {"note": ["grüße", ""]}
    [file] = answer.json["files"]
    assert (file["type"], file["size"], file["read"], file["parts"]) == ("image/png", size, size, -(-size // 65536))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"x"),
        ("multipart/form-data", b"--b\r\n\r\n--b--"),
        ("multipart/form-data; boundary=", b"--\r\n\r\n----"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"no delimiter"),
        ("multipart/form-data; boundary=b", b"--b"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nnever closed'),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Type: text/plain\r\n\r\nnameless\r\n--b--"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n--b--'),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * (MAX_PARTS + 1) + b"--b--",
        ),
    ],
)
async def test_what_is_no_form_is_400(site: Serving, kind: str, body: bytes) -> None:
    answer = await site.ask("POST", "/upload", data=body, headers={"Content-Type": kind})
    assert (answer.status, answer.json["kind"]) == (400, "Invalid")


async def test_what_stands_before_the_first_and_after_the_last_part_does_not_count(site: Serving) -> None:
    body = b'hello\r\n--b  \r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\nbye'
    kind = {"Content-Type": 'multipart/form-data; boundary="b"'}
    assert (await site.ask("POST", "/upload", data=body, headers=kind)).json["values"] == {"a": ["1"]}
