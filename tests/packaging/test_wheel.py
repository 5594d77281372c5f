"""What `pip install evermoon` brings: built as a wheel, installed into an environment of its own, and used outside this clone."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.cli.shell import environment

ROOT = Path(__file__).parents[2]


def ran(*words: str | Path, directory: Path) -> str:
    """What a program prints that ends well."""
    done = subprocess.run(words, cwd=directory, env=environment(), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: building leaves files behind."""
    place = tmp_path_factory.mktemp("wheel")
    kept = ("evermoon", "runtime", "docs", "pyproject.toml", "README.md", "LICENSE")
    for name in kept:
        ran("cp", "-a", str(ROOT / name), str(place), directory=place)
    words = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", "out", ".")
    ran(sys.executable, *words, directory=place)
    [built] = (place / "out").glob("evermoon-*.whl")
    return built


def test_it_holds_every_file_that_is_used(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        *(path.relative_to(ROOT) for kind in ("*.py", "*.lua", "*.json", "*.html") for path in (ROOT / "runtime").rglob(kind)),
        *(path.relative_to(ROOT) for path in (ROOT / "runtime/http/page").rglob("*") if path.is_file() and path.suffix != ".pyc"),
        *(path.relative_to(ROOT) for path in (ROOT / "evermoon").glob("*.py")),
        *(Path("evermoon") / path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")),
        Path("evermoon/py.typed"),
        Path("runtime/py.typed"),
    }  # fmt: skip
    assert sorted(str(path) for path in wanted if str(path) not in held) == []
    assert [name for name in held if not name.startswith(("evermoon/", "runtime/", "evermoon-"))] == []


def test_it_works_where_there_is_no_clone(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, which has what Evermoon needs from this one."""
    ran(sys.executable, "-m", "venv", "--without-pip", "venv", directory=tmp_path)
    site = next((tmp_path / "venv" / "lib").iterdir()) / "site-packages"
    words = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel)
    ran(sys.executable, *words, directory=tmp_path)
    (site / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = tmp_path / "venv" / "bin" / "python"
    told = ran(python, "-c", "import evermoon; print(evermoon.__file__, evermoon.Runtime.__name__)", directory=tmp_path)
    assert told.split() == [str(site / "evermoon" / "__init__.py"), "Runtime"]
    evermoon = (python, "-m", "runtime.cli.main")
    assert ran(*evermoon, "docs", "modules/time", directory=tmp_path).startswith("# time\n")
    ran(*evermoon, "new", "trips", directory=tmp_path)
    assert ran(*evermoon, "check", directory=tmp_path / "trips") == "5 entries, no mistakes\n"
    assert "2 passed, 0 failed" in ran(*evermoon, "test", directory=tmp_path / "trips")
