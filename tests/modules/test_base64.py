from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import INVALID, Error
from runtime.modules.base64 import decode, encode
from tests.modules.host_script import run


@pytest.mark.parametrize("data", [b"", b"f", b"fo", b"foo", bytes(range(256))])
def test_what_is_encoded_decodes(data: bytes) -> None:
    assert decode(encode(data)) == data


def test_line_ends_are_skipped() -> None:
    assert decode(b"Zm9v\r\nYmFy\n") == b"foobar"


@pytest.mark.parametrize(
    ("text", "position"),
    [(b"Zm9v!", 4), (b"Zm9", 3), (b"Zm9vY", 5), (b"Zg=", 2), (b"=", 0), (b"Zm9v====", 4), (b"Z-_v", 1)],
)
def test_bad_text_is_refused_with_its_position(text: bytes, position: int) -> None:
    with pytest.raises(Error, match=f"illegal base64 data at input byte {position}$") as caught:
        decode(text)
    assert (caught.value.kind, caught.value.retryable) == (INVALID, False)


async def test_scripts_encode_and_decode(tmp_path: Path) -> None:
    body = """
        local bad, err = base64.decode("!")
        return { base64.encode("foo"), base64.decode("Zm9v"), #base64.decode("/wA="), bad == nil, err:kind(), pcall(base64.encode, 5) }
    """
    assert (await run(tmp_path, body, modules=["base64"]))[:6] == ["Zm9v", "foo", 2, True, INVALID, False]
