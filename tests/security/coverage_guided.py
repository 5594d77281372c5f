"""The fuzz tests under atheris: inputs that reach new code are kept and changed further. ``python -m tests.security.coverage_guided TEST SECONDS``

`TEST` is a function of `test_fuzz.py`; hypothesis reads libFuzzer's bytes as the choices it would else draw. Ends with 0 when nothing was
found in that time; else it prints the failing example and leaves its bytes in the directory of `EVERMOON_FUZZ` (default: the working
directory), as `crash-…`.
"""

from __future__ import annotations

import os
import sys

import atheris

with atheris.instrument_imports(include=["runtime.lua", "runtime.payload"]):
    from tests.security import test_fuzz


def main(name: str, seconds: str) -> None:
    directory = os.environ.get("EVERMOON_FUZZ", ".")
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={directory}/",
        "-rss_limit_mb=4096",
        "-timeout=120",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options], getattr(test_fuzz, name).hypothesis.fuzz_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
