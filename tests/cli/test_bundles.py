from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.registry import DirectoryStore
from tests.cli.shell import evermoon, running
from tests.cli.test_dev import WAITING, project
from tests.waiting import wait_until


def until(directory: Path, *words: str, holds: Any) -> list[dict[str, Any]]:
    """What the command prints, once it `holds`."""

    def printed() -> list[dict[str, Any]]:
        done = evermoon(directory, *words, "--json")
        assert done.status == 0, done.err
        return list(done.json)

    return wait_until(printed, holds)


def test_bundles_of_open_runs_and_of_the_registry_stay_and_the_rest_is_pruned(tmp_path: Path) -> None:
    directory = project(tmp_path)

    def of_waiting(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in listed if row["entry"] == "app:waiting"]

    with running(directory, "dev"):
        assert evermoon(directory, "start", "app:waiting", "--id", "open").status == 0
        [first] = of_waiting(until(directory, "bundles", holds=lambda rows: any(row["runs"] for row in rows)))
        assert (first["current"], first["runs"], first["needed"]) == (True, 1, True)
        (directory / "entries" / "waiting.lua").write_text(WAITING + "-- edited\n")
        second, old = of_waiting(until(directory, "bundles", holds=lambda rows: len(of_waiting(rows)) == 2))
        assert (second["current"], second["runs"]) == (True, 0)
        assert (old["bundle"], old["current"], old["needed"]) == (first["bundle"], False, True)
        unused = evermoon(directory, "bundles", "prune", "--older-than", "0s", "--json").json
        assert [row["entry"] for row in unused] == ["app:strict"], "of the same file, and no run began with it"
        assert evermoon(directory, "send", "open", "go").status == 0
        assert evermoon(directory, "result", "open").status == 0
        until(directory, "bundles", holds=lambda rows: not any(row["needed"] for row in rows if not row["current"]))
        assert evermoon(directory, "bundles", "prune", "--json").json == [], "a day has not passed"
        [pruned] = evermoon(directory, "bundles", "prune", "--older-than", "0s", "--json").json
        assert pruned["bundle"] == old["bundle"]
        store = DirectoryStore(directory / ".evermoon" / "bundles")
        store.put_kernel(b'{"kernel/boot": "of an older version"}')
        [orphan] = evermoon(directory, "bundles", "prune", "--older-than", "0s", "--json").json
        kernels = {item.name for item in store.kernels()}
        assert kernels == {store.bundle(item.hash).kernel for item in store.stored()}
        assert store.bundle(second["bundle"]).kernel in kernels
        assert orphan["kernel"] not in kernels
        [kept] = of_waiting(evermoon(directory, "bundles", "--json").json)
        assert kept["bundle"] == second["bundle"]
