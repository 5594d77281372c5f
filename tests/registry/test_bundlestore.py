"""Bundles are kept by hash, whole, for everybody who shares the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from runtime.errors import INVALID, NOT_FOUND, UNAVAILABLE, Error
from runtime.registry import Bundle, BundleStore, DirectoryStore, MemoryStore, open_store
from runtime.registry.bundles import Script, sha256
from runtime.registry.sqlstore import TABLE, SqlStore

KERNEL = b'{"kernel/boot":"return 1"}'


def bundle(text: str = "return 1", entry: str = "app:order") -> Bundle:
    script = Script("order.lua", text, ("funcs", "time"), {"tax": "app:tax"})
    tax = Script("lib/tax.lua", "return 'é\\n'", (), {})
    return Bundle(entry, "main", sha256(KERNEL), 64 << 20, 20_000_000, {entry: script, "app:tax": tax})


def emptied(url: str) -> str:
    """A database that tests share, as if it were new."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:").replace("mysql:", "mysql+pymysql:"))
    with engine.begin() as connection:
        connection.execute(text(f"drop table if exists {TABLE}"))
    engine.dispose()
    return url


@pytest.fixture(params=["directory", "sqlite", "postgres", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What names a store that processes share."""
    if request.param == "directory":
        return str(tmp_path / "store")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'bundles.db'}"
    return emptied(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=["memory", "directory", "sqlite", "postgres", "mysql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BundleStore]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "directory":
        yield DirectoryStore(tmp_path / "store")
    else:
        file = f"sqlite:///{tmp_path / 'bundles.db'}"
        store = SqlStore(
            file if request.param == "sqlite" else emptied(request.getfixturevalue(f"{request.param}_url"))
        )
        yield store
        store.close()


def age(store: BundleStore, name: str, at: float) -> None:
    """Makes an object as old as if it had been written then."""
    if isinstance(store, DirectoryStore):
        os.utime(store.path / name, (at, at))
    elif isinstance(store, MemoryStore):
        store._objects[name] = store._objects[name][0], at
    else:
        assert isinstance(store, SqlStore)
        folder, _, last = name.rpartition("/")
        statement = text(f"update {TABLE} set written = :at where folder = :folder and name = :name")
        with store._opened().begin() as connection:
            connection.execute(statement, {"at": at, "folder": folder, "name": last})


def mark(item: Bundle) -> str:
    return f"entries/{item.entry.replace(':', '%3A')}/{item.hash}"


def test_a_bundle_comes_back_as_it_went_in(store: BundleStore) -> None:
    store.put_kernel(KERNEL)
    store.put(bundle())
    assert store.bundle(bundle().hash) == bundle()
    assert store.kernel(bundle().kernel) == KERNEL


def test_the_stored_form_is_what_is_hashed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(bundle())
    [file] = (tmp_path / "bundles").iterdir()
    assert file.name == f"{sha256(file.read_bytes())}.json" == f"{bundle().hash}.json"


@pytest.mark.parametrize("hash", ["0" * 64, "../entries", "latest"])
def test_what_is_not_there_is_named(store: BundleStore, hash: str) -> None:
    for read in (store.bundle, store.kernel):
        with pytest.raises(Error, match=hash) as missing:
            read(hash)
        assert (missing.value.kind, missing.value.retryable) == (NOT_FOUND, True)
    store.remove(hash)


def test_the_bundles_of_an_entry_are_listed_the_last_published_first(store: BundleStore) -> None:
    first, second, other = bundle("return 1"), bundle("return 2"), bundle("return 3", "app:other")
    for number, item in enumerate((first, second, other)):
        store.put(item)
        age(store, mark(item), number)
    assert list(store.of("app:order")) == [second.hash, first.hash]
    store.put(first)
    assert list(store.of("app:order")) == [first.hash, second.hash]
    assert {item.entry for item in store.stored()} == {"app:order", "app:other"}
    store.remove(first.hash)
    assert list(store.of("app:order")) == [second.hash]
    assert list(store.of("app:nobody")) == []


def test_a_changed_file_is_refused_and_mended_by_the_next_who_publishes_it(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put_kernel(KERNEL)
    store.put(bundle())
    for sort, hash, read in (
        ("bundles", bundle().hash, store.bundle),
        ("kernels", sha256(KERNEL), store.kernel),
    ):
        file = tmp_path / sort / f"{hash}.json"
        file.write_bytes(file.read_bytes().replace(b"return 1", b"return 2"))
        with pytest.raises(Error, match=f"{hash}.*does not match") as refused:
            read(hash)
        assert refused.value.kind == INVALID
    store.put_kernel(KERNEL)
    store.put(bundle())
    assert store.bundle(bundle().hash) == bundle()
    assert store.kernel(sha256(KERNEL)) == KERNEL


def test_a_bundle_of_another_format_is_not_guessed_at(tmp_path: Path) -> None:
    data = bundle().data.replace(b'"format":2', b'"format":3')
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / f"{sha256(data)}.json").write_bytes(data)
    with pytest.raises(Error, match="another version of Evermoon"):
        DirectoryStore(tmp_path).bundle(sha256(data))


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Error, match="file") as refused:
        DirectoryStore(tmp_path / "file").put(bundle())
    assert refused.value.kind == UNAVAILABLE


def _publish_and_read(place: str) -> int:
    """One host that publishes ten bundles, and meanwhile reads every one that is listed: whole, or `bundle` raises."""
    store, created = open_store(place), 0
    for number in range(10):
        store.put_kernel(KERNEL)
        store.put(bundle(f"return {number} -- {'a long line ' * 5000}"))
        for item in store.stored():
            store.bundle(item.hash)
        created += store.create_object(f"numbers/{number}", str(os.getpid()).encode())
    return created


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        yield pool


def test_many_processes_share_a_store(place: str, processes: ProcessPoolExecutor, tmp_path: Path) -> None:
    created = sum(processes.map(_publish_and_read, [place] * 3))
    store = open_store(place)
    assert len(store.stored()) == 10
    assert created == 10, "of those who create an object of one name, one does"
    assert not list(tmp_path.rglob(".*"))
    if isinstance(store, SqlStore):
        store.close()


def test_what_was_published_meanwhile_is_not_removed(store: BundleStore) -> None:
    store.put_kernel(KERNEL)
    store.put(bundle())
    before = store.now() - 60
    assert store.remove(bundle().hash, before) is False
    assert store.remove_kernel(bundle().kernel, before) is False
    assert store.bundle(bundle().hash) == bundle()
    for name in (f"bundles/{bundle().hash}.json", mark(bundle()), f"kernels/{bundle().kernel}.json"):
        age(store, name, before - 60)
    assert [item.name for item in store.kernels()] == [bundle().kernel]
    assert store.remove(bundle().hash, before) is True
    assert store.remove_kernel(bundle().kernel, before) is True
    assert (list(store.stored()), list(store.kernels())) == ([], [])


def test_objects_are_listed_below_a_name_and_not_beside_it(store: BundleStore) -> None:
    for name in ("a_/one", "a_/b/two", "ab/three", "a_b/four"):
        assert store.create_object(name, name.encode())
    assert sorted(item.name for item in store.list_objects("a_/")) == ["a_/b/two", "a_/one"]
    assert (store.read_object("a_/b/two"), store.read_object("a_/none")) == (b"a_/b/two", None)
    store.write_object("a_/one", b"other")
    assert store.read_object("a_/one") == b"other"


def test_a_url_that_is_no_store_is_refused_without_its_password() -> None:
    with pytest.raises(Error, match="redis") as refused:
        open_store("redis://me:hush@host/1")
    assert (refused.value.kind, "hush" in str(refused.value)) == (INVALID, False)


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    store = open_store("postgresql://me:hush@127.0.0.1:9/none")
    with pytest.raises(Error, match=r"127\.0\.0\.1:9") as refused:
        store.stored()
    assert (refused.value.kind, refused.value.retryable, "hush" in str(refused.value)) == (UNAVAILABLE, True, False)


def test_a_changed_row_is_refused(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'bundles.db'}")
    store.put(bundle())
    with store._opened().begin() as connection:
        connection.execute(text(f"update {TABLE} set data = :data where folder = 'bundles'"), {"data": b"{}"})
    with pytest.raises(Error, match="does not match its hash"):
        store.bundle(bundle().hash)
    store.close()
