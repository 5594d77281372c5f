"""Mutation tests: `python -m tests.mutants [source ...]` changes sources in small ways and says which changes no test notices.

A file's mutants are tried on the tests that mirror it: its own test file or folder, else those of the folder it is in. `--tests` names
others. `--sample 40` tries no more than 40 of a file, the same ones each time. All of it happens in copies, in `.evermoon/mutants`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".evermoon" / "mutants"
ROOMS = ("runtime/process", "runtime/lua", "runtime/temporal/workflow")
#: A mutant that a test ends by its time limit would have hung somebody: it counts as noticed.
NOTICED = ("killed", "timeout")

#: Prints the mutants of the files that are its arguments: `mutmut` itself lists only those that it has tried.
NAMES = """
import sys
from pathlib import Path
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name
for file in map(Path, sys.argv[1:]):
    for name in mutate_file_contents(str(file), file.read_text()).mutant_names:
        print(get_mutant_name(file, name))
"""

Tests = tuple[str, ...]


def mirrors(source: Path) -> Tests:
    """The tests of a source file, both from the root."""
    folder = Path("tests", *source.parts[1:-1])
    for own in (folder / f"test_{source.name}", folder / source.stem):
        if (ROOT / own).exists():
            return (str(own),)
    while not (ROOT / folder).exists():
        folder = folder.parent
    return (str(folder),)


def sources(names: Iterable[str]) -> list[Path]:
    paths = [ROOT / name for name in names]
    files = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    return [file.relative_to(ROOT) for file in files]


def prepare(files: Sequence[Path], tests: Tests) -> None:
    """A place with links to all that is here, and the project's settings with those of `mutmut`, which copies it from there."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    linked = [path for path in ROOT.iterdir() if not path.name.startswith(".") and path.name != "pyproject.toml"]
    for path in linked:
        (PLACE / path.name).symlink_to(path)
    settings = {
        "source_paths": ["runtime"],
        "only_mutate": list(map(str, files)),
        "also_copy": [path.name for path in linked if path.name != "runtime"],
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": list(tests),
        "do_not_mutate_patterns": [r"_log\.\w+\("],
        "process_isolation": "forkserver",
        "timeout_multiplier": 4,  # one that hangs is waited for so many times as long as its tests took
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (PLACE / "pyproject.toml").write_text(
        (ROOT / "pyproject.toml").read_text() + "\n".join(["", "[tool.mutmut]", *lines])
    )


def printed(*command: str) -> str:
    """What a command prints that runs in the place. Raises `CalledProcessError`."""
    return subprocess.run(command, cwd=PLACE, check=True, capture_output=True, text=True).stdout


def mutmut(*arguments: str) -> str:
    return printed(str(Path(sys.executable).with_name("mutmut")), *arguments)


def sampled(files: Sequence[Path], size: int) -> list[str]:
    """The names of so many mutants of each file, the same ones each time."""
    names: list[str] = []
    for file in files:
        every = printed(sys.executable, "-c", NAMES, str(file)).split()
        names += random.Random(str(file)).sample(every, min(size, len(every)))
    return names


def tried(files: Sequence[Path], tests: Tests, size: int | None, jobs: int) -> dict[str, str]:
    """What became of each mutant of these files, or of a sample of them, by its name."""
    prepare(files, tests)
    names = sampled(files, size) if size is not None else []
    mutmut("run", "--max-children", str(jobs), *names)
    pairs = (line.strip().rpartition(": ") for line in mutmut("results", "--all", "true").splitlines())
    return {name: outcome for name, _, outcome in pairs if not names or name in names}


def tell(outcomes: Mapping[str, str]) -> None:
    for name, outcome in sorted(outcomes.items()):
        if outcome not in NOTICED:
            print(mutmut("show", name))
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, outcome in outcomes.items():
        counts[name.rpartition(".")[0]][outcome] += 1
    for module, count in sorted(counts.items()):
        noticed = sum(count[outcome] for outcome in NOTICED)
        print(f"{noticed / count.total():6.1%} {module}: {noticed} of {count.total()} ({dict(count)})", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Says which small changes of sources no test notices.")
    parser.add_argument("sources", nargs="*", default=ROOMS, help="files or folders below runtime/")
    parser.add_argument("--tests", nargs="+", help="test files or folders, instead of those that mirror the sources")
    parser.add_argument("--sample", type=int, metavar="COUNT", help="try so many mutants of each file, not all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to try at once")
    options = parser.parse_args()
    groups: defaultdict[Tests, list[Path]] = defaultdict(list)
    for file in sources(options.sources):
        groups[tuple(options.tests) if options.tests else mirrors(file)].append(file)
    failed = False
    for tests, files in groups.items():
        try:
            tell(tried(files, tests, options.sample, options.jobs))
        except subprocess.CalledProcessError as error:
            print(f"{' '.join(map(str, files))}: not tried: {error.stdout}{error.stderr}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
