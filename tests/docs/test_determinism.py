"""Every script in docs/determinism.md runs on the virtual host, prints what the page says, and replays to the same bytes."""

from __future__ import annotations

import pytest

from runtime.testing import VirtualHost
from tests.docs.pages import Block, blocks, shown
from tests.support import host

SCRIPTS = [block for block in blocks("docs/determinism.md") if block.language == "lua"]


def printed(virtual: VirtualHost) -> list[str]:
    return [command.data["message"] for command in virtual.commands if command.op == "log"]


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_a_script_prints_what_the_page_says(block: Block) -> None:
    virtual = host(f"return function()\n{block.text}\nend")
    try:
        virtual.run()
        virtual.replay()
        assert printed(virtual) == shown(block.text)
    finally:
        virtual.close()
