"""What the system says of a process, asked about one that is known: this one, and a child that does something."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from mmap import mmap

from bench.system import cpu_seconds, described, private_kib

_BUSY = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"


def test_processor_time_is_that_of_the_process_asked_about() -> None:
    before, asked, after = time.process_time(), cpu_seconds(os.getpid()), time.process_time()
    assert before <= asked <= after


def test_a_childs_processor_time_is_its_own() -> None:
    with subprocess.Popen([sys.executable, "-c", _BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"done\n"
        assert cpu_seconds(child.pid) >= 0.3
        child.communicate(b"\n")


def test_memory_that_a_process_takes_is_seen() -> None:
    """Pages that the system gives anew: an allocator may hand out what the process had before."""
    with mmap(-1, 32 << 20) as taken:
        before = private_kib(os.getpid())
        taken.write(b"x" * len(taken))
        assert private_kib(os.getpid()) - before > 30 << 10


def test_a_run_of_the_bench_is_described() -> None:
    said = described({"@temporalio/worker": "1.2.3"})
    assert said["machine"]["cores"] == os.cpu_count()
    assert said["machine"]["cpu"]
    assert said["versions"]["@temporalio/worker"] == "1.2.3"
    assert said["versions"]["temporalio"]
