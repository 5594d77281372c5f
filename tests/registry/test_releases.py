"""Sets of files and the releases that are made of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.errors import INVALID, NOT_FOUND, Error
from runtime.registry import (
    BundleStore,
    DirectoryStore,
    FileSet,
    LibraryLua,
    MemoryStore,
    Registry,
    RegistryError,
    Releases,
    Report,
    open_store,
)
from runtime.registry.bundles import canonical
from runtime.registry.releases import GONE_AFTER, KEPT


def project(directory: Path, source: str = "return 1") -> Path:
    """Definition files that include others, a root above them, and one that has Python only."""
    for name in ("config/more", "lib", "python"):
        (directory / name).mkdir(parents=True)
    (directory / "config" / "registry.yaml").write_text(
        "namespace: app\nroot: ..\ninclude: more/*.yaml\nentries:\n"
        "  - {name: one, kind: library.lua, source: file://lib/one.lua}\n"
    )
    (directory / "config" / "more" / "python.yaml").write_text(
        "namespace: py\nroot: ../../python\nentries:\n  - {name: f, kind: function.py, source: 'py://shipped_functions:f'}\n"
    )
    (directory / "lib" / "one.lua").write_text(source)
    (directory / "lib" / "unused.lua").write_text("not of the registry")
    (directory / "python" / "shipped_functions.py").write_text("def f(): return 1\n")
    return directory / "config" / "registry.yaml"


def load(path: Path, files: FileSet | None = None) -> Registry:
    if files is None:
        return Registry.load(path, environ={})
    with files.laid_out(path) as origin:
        return Registry.load(path, environ={}, origin=origin)


def test_a_set_holds_the_files_of_the_registry_and_no_others(tmp_path: Path) -> None:
    files = FileSet.of(load(project(tmp_path)))
    assert set(files.files) == {"config/registry.yaml", "config/more/python.yaml", "lib/one.lua"}
    assert files.registry == "config/registry.yaml"
    assert FileSet.read(files.data) == files


def test_the_same_files_elsewhere_are_the_same_set(tmp_path: Path) -> None:
    one, other = (FileSet.of(load(project(tmp_path / name))) for name in ("one", "other"))
    assert one.hash == other.hash


def test_a_set_is_loaded_in_place_of_the_files_here_and_python_is_that_of_here(tmp_path: Path) -> None:
    files = FileSet.of(load(project(tmp_path / "there", "return 'shipped'")))
    here = project(tmp_path / "here", "return 'here'")
    registry = load(here, files)
    one = registry["app:one"]
    assert isinstance(one, LibraryLua)
    assert one.source.text == "return 'shipped'"
    assert (one.root, one.file) == (tmp_path / "here", here)
    assert one.source.path == tmp_path / "here" / "lib" / "one.lua"
    assert registry["py:f"].root == tmp_path / "here" / "python"
    assert FileSet.of(load(here)).hash != files.hash
    (tmp_path / "here" / "python" / "shipped_functions.py").unlink()
    with pytest.raises(RegistryError, match="shipped_functions") as refused:
        load(here, files)
    assert {problem.file for problem in refused.value.problems} == {here.parent / "more" / "python.yaml"}


def test_a_directory_is_a_set_too(tmp_path: Path) -> None:
    project(tmp_path / "there")
    files = FileSet.of(load(tmp_path / "there"))
    project(tmp_path / "here", "return 'here'")
    assert load(tmp_path / "here", files).entries.keys() == {"app:one", "py:f"}


@pytest.mark.parametrize("name", ["../outside.lua", "/etc/passwd", "a/../../b"])
def test_a_set_that_leads_elsewhere_is_refused(name: str) -> None:
    for field in ("files", "roots", "registry"):
        document = {"format": 1, "registry": "r.yaml", "files": {"r.yaml": ""}, "roots": []}
        document[field] = {"files": {name: ""}, "roots": [name], "registry": name}[field]
        with pytest.raises(Error, match="not below") as refused:
            FileSet.read(canonical(document))
        assert refused.value.kind == INVALID


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": 9, "registry": "", "files": {}, "roots": []}'])
def test_what_is_no_set_is_refused(data: bytes) -> None:
    with pytest.raises(Error) as refused:
        FileSet.read(data)
    assert refused.value.kind == INVALID


@pytest.fixture(params=["memory", "directory", "database"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BundleStore:
    if request.param == "memory":
        return MemoryStore()
    name = "store" if request.param == "directory" else f"sqlite:///{tmp_path / 'store.db'}"
    return open_store(str(tmp_path / name) if request.param == "directory" else name)


def a_set(text: str) -> FileSet:
    return FileSet("r.yaml", {"r.yaml": text}, ["."])


def test_the_newest_release_is_the_highest_number(store: BundleStore) -> None:
    releases = Releases(store)
    assert (releases.newest(), releases.listed()) == (0, [])
    first = releases.publish(a_set("one"), {"app:w": "0" * 64}, by="me", note="the first")
    second = Releases(store).publish(a_set("two"), {})
    back = releases.publish(releases.files(first), {})
    assert [item.number for item in releases.listed()] == [3, 2, 1]
    assert releases.newest() == back.number == 3
    assert releases.get(1) == first
    assert releases.files(second) == a_set("two")
    assert releases.files(back) == a_set("one")
    with pytest.raises(Error, match="release not found: 9") as missing:
        releases.get(9)
    assert missing.value.kind == NOT_FOUND


def test_a_changed_set_is_refused(store: BundleStore) -> None:
    releases = Releases(store)
    release = releases.publish(a_set("one"), {})
    store.write_object(f"filesets/{release.files}.json", a_set("two").data)
    with pytest.raises(Error, match="do not match their hash"):
        releases.files(release)


def test_processes_report_and_are_forgotten(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    releases = Releases(store)
    report = Report("a", "machine", 7, release=2, refused=3, problem="no payments")
    releases.report(report)
    releases.report(Report("b", "machine", 8))
    assert releases.hosts() == [report, Report("b", "machine", 8)]
    releases.leave("b")
    assert releases.hosts() == [report]
    silent_since = store.now() - 2 * GONE_AFTER
    os.utime(tmp_path / "hosts" / "a.json", (silent_since, silent_since))
    assert releases.hosts() == []


def test_pruning_keeps_the_newest_the_served_and_what_they_need(store: BundleStore) -> None:
    releases = Releases(store)
    made = [releases.publish(a_set(str(n)), {"app:w": f"{n:064x}"}) for n in range(KEPT + 3)]
    releases.report(Report("a", "machine", 7, release=2))
    assert releases.needed_bundles() == {f"{1:064x}", f"{KEPT + 2:064x}"}
    assert releases.prune(store.now() - 3600) == [], "nothing is old enough"
    assert [item.number for item in releases.prune(store.now() + 1)] == [3, 1]
    assert releases.get(2) == made[1]
    assert releases.files(made[1]) == a_set("1")
    with pytest.raises(Error):
        releases.files(made[0])
