"""The contract of the Lua API, as tests written in Lua (`conformance/`), on every host there is."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.temporal.dev_server import DevServer
from runtime.testing.lua_files import find
from runtime.testing.suite import Case, Outcome, Suite
from tests.lua import outside
from tests.lua.conformance_site import CONTEXT, SCRIPTS, ProcessSite, TemporalSite, load, process_site, temporal_site

FILES = find(SCRIPTS)

# The first test on Temporal runs all of them: on a busy machine that may take longer than one test otherwise does.
pytestmark = pytest.mark.timeout(3000)


def _suite() -> Suite:
    with tempfile.TemporaryDirectory() as directory:
        return Suite(
            load(Path(directory)), FILES, context=CONTEXT, given={"conformance:outside": outside.act_virtually}
        )


SUITE = _suite()


def _on(host: str) -> pytest.MarkDecorator:
    cases = [case for case in SUITE.cases if host in case.on]
    return pytest.mark.parametrize("case", cases, ids=[case.id for case in cases])


@pytest.fixture(scope="session")
async def temporal(tmp_path_factory: pytest.TempPathFactory, temporal_server: DevServer) -> AsyncIterator[TemporalSite]:
    async with temporal_site(tmp_path_factory.mktemp("suite"), SUITE, temporal_server.address) as site:
        yield site


@pytest.fixture(scope="session")
async def without_cache(
    tmp_path_factory: pytest.TempPathFactory, temporal_server: DevServer
) -> AsyncIterator[TemporalSite]:
    directory = tmp_path_factory.mktemp("uncached")
    async with temporal_site(directory, SUITE, temporal_server.address, options={"max_cached_workflows": 0}) as site:
        yield site


@pytest.fixture(scope="session")
async def without_interpreters(
    tmp_path_factory: pytest.TempPathFactory, temporal_server: DevServer
) -> AsyncIterator[TemporalSite]:
    directory = tmp_path_factory.mktemp("asleep")
    async with temporal_site(
        directory, SUITE, temporal_server.address, options={"max_live_interpreters": 0, "shadow": False}
    ) as site:
        yield site


@pytest.fixture(scope="session")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProcessSite]:
    async with process_site(tmp_path_factory.mktemp("process"), FILES) as site:
        yield site


def _passed(outcome: Outcome) -> None:
    if not outcome.ok:
        pytest.fail(f"{outcome.message}\n{outcome.stack}".rstrip(), pytrace=False)


@_on("virtual")
def test_on_the_virtual_host(case: Case) -> None:
    _passed(SUITE.run(case))


@_on("process")
async def test_on_the_process_host(case: Case, process: ProcessSite) -> None:
    _passed(await process.outcome(case))


@_on("temporal")
async def test_on_temporal(case: Case, temporal: TemporalSite) -> None:
    """The first of these runs all of them; each run was then replayed from its history."""
    _passed(temporal.outcome(case))


@_on("temporal")
async def test_without_a_cache(case: Case, without_cache: TemporalSite) -> None:
    """With `max_cached_workflows: 0` every task of a run begins with a replay of all before it."""
    _passed(without_cache.outcome(case))


@_on("temporal")
async def test_asleep_whenever_it_waits(case: Case, without_interpreters: TemporalSite) -> None:
    """With `max_live_interpreters: 0` every run that waits gives its interpreter up, and is told everything again when something comes."""
    _passed(without_interpreters.outcome(case))


async def test_those_runs_slept(without_interpreters: TemporalSite) -> None:
    counts = without_interpreters.workers.counts["conformance:worker"]
    assert counts.wakes > 100
    assert counts.replayed > counts.wakes
    assert counts.differed == 0
