"""Every attack as a workflow on the virtual host: it ends as its header says, and whoever runs next notices nothing."""

from __future__ import annotations

import pytest

from runtime.errors import Error
from runtime.testing import VirtualHost, program_from_source
from tests.security.corpus import ALL, MODULES, Attack, attacks
from tests.support import run

CANARY = "time.sleep('1s') local t = {} for k in pairs({b = 1, a = 2}) do t[#t + 1] = k end return table.concat(t) .. string.upper('x')"


def test_the_corpus_is_whole() -> None:
    assert len(ALL) >= 150
    assert {attack.how for attack in ALL} == {"error", "denied", "budget", "memory", "limit", "harmless"}


@pytest.mark.parametrize("attack", attacks("workflow"), ids=lambda attack: attack.name)
def test_attack(attack: Attack) -> None:
    program = program_from_source(
        attack.source, modules=MODULES, memory=attack.memory, instructions=attack.instructions
    )
    virtual = VirtualHost(program)
    value, failure = None, None
    try:
        value = virtual.run()
    except Error as error:
        failure = error
    finally:
        virtual.close()
    attack.judge(value, failure)
    assert run(CANARY) == "abX"
