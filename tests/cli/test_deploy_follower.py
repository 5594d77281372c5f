"""A process that follows a store: takes up what is deployed, refuses what it cannot use, outlives a store that goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.app.options import RuntimeOptions
from runtime.app.runtime import Runtime
from runtime.cli.deploy_follower import DeployFollower
from runtime.loading import load_registry
from runtime.registry import DirectoryStore, FileSet, Releases
from runtime.settings import Settings
from tests.waiting import eventually

REGISTRY = """
namespace: app
entries:
  - {name: edit, kind: function.lua, source: file://edit.lua}
"""


def shipped(directory: Path, source: str) -> FileSet:
    """What an author would deploy."""
    directory.mkdir()
    (directory / "registry.yaml").write_text(REGISTRY)
    (directory / "edit.lua").write_text(source)
    return FileSet.of(load_registry(Settings.read(registry=directory / "registry.yaml", environ={}), checked=False))


async def test_a_process_takes_up_what_it_can_and_outlives_its_store(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shipped(tmp_path / "here", "return { main = function() return 'here' end }")
    place = tmp_path / "store"
    settings = Settings.read(registry=tmp_path / "here" / "registry.yaml", bundles=str(place), environ={})
    releases = Releases(DirectoryStore(place))
    follower = DeployFollower(settings)
    assert await follower.first() is None
    async with Runtime.from_settings(settings, RuntimeOptions(workers=False)) as rt, follower.following(rt):
        assert await rt.call("app:edit") == "here"
        place.rename(tmp_path / "away")
        place.write_text("in the way")
        await eventually(lambda: "releases are not seen" in caplog.text)
        place.unlink()
        (tmp_path / "away").rename(place)

        releases.publish(shipped(tmp_path / "one", "return { main = function() return 'one' end }"), {})
        await eventually(lambda: follower.serving == 1)
        assert await rt.call("app:edit") == "one"

        releases.publish(shipped(tmp_path / "two", "return {"), {})
        await eventually(lambda: "release 2 is refused: release 1 goes on" in caplog.text)
        await eventually(lambda: releases.hosts()[0].refused == 2)
        [report] = releases.hosts()
        assert (report.release, "edit.lua:1" in report.problem) == (1, True)
        assert await rt.call("app:edit") == "one"

        releases.publish(shipped(tmp_path / "three", "return { main = function() return 'three' end }"), {})
        await eventually(lambda: [(item.release, item.refused) for item in releases.hosts()] == [(3, 0)])
        assert await rt.call("app:edit") == "three"
    assert releases.hosts() == []
    again = DeployFollower(settings)
    assert await again.first() == releases.files(releases.get(3))
    assert again.serving == 3
    releases.publish(shipped(tmp_path / "four", "return {"), {})
    third = DeployFollower(settings)
    assert await third.first() == releases.files(releases.get(3)), "the newest that can be used"
    assert third.serving == 3
    assert "release 4 is refused" in caplog.text
