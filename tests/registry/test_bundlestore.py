"""Bundles are kept by hash, whole, for everybody who shares the store."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from runtime.errors import INVALID, NOT_FOUND, UNAVAILABLE, Error
from runtime.registry import Bundle, BundleStore, DirectoryStore, MemoryStore
from runtime.registry.bundles import Script, sha256

KERNEL = b'{"kernel/boot":"return 1"}'


def bundle(text: str = "return 1", entry: str = "app:order") -> Bundle:
    script = Script("order.lua", text, ("funcs", "time"), {"tax": "app:tax"})
    tax = Script("lib/tax.lua", "return 'é\\n'", (), {})
    return Bundle(entry, "main", sha256(KERNEL), 64 << 20, 20_000_000, {entry: script, "app:tax": tax})


@pytest.fixture(params=["memory", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BundleStore:
    return MemoryStore() if request.param == "memory" else DirectoryStore(tmp_path / "store")


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


def test_the_bundles_of_an_entry_are_listed_the_last_published_first(store: BundleStore, tmp_path: Path) -> None:
    first, second, other = bundle("return 1"), bundle("return 2"), bundle("return 3", "app:other")
    for number, item in enumerate((first, second, other)):
        store.put(item)
        mark = tmp_path / "store" / "entries" / item.entry.replace(":", "%3A") / item.hash
        if mark.exists():
            os.utime(mark, (number, number))
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


def _publish_and_read(path: Path) -> int:
    """One host that publishes forty bundles, and meanwhile reads every one that is listed."""
    store, read = DirectoryStore(path), 0
    for number in range(40):
        store.put_kernel(KERNEL)
        store.put(bundle(f"return {number}"))
        read += len([store.bundle(item.hash) for item in store.stored()])
    return read


def test_many_processes_share_a_directory(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        assert all(processes.map(_publish_and_read, [tmp_path] * 4))
    assert len(DirectoryStore(tmp_path).stored()) == 40
    assert not list(tmp_path.rglob(".*"))
