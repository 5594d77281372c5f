"""A script that runs one command and ends it when the other end of a pipe goes away. It is run as a file.

The host keeps the write end. Whatever becomes of the host (stop, crash, SIGKILL), the kernel closes it, and this process
ends the command: SIGTERM, then SIGKILL. Should this process itself be killed, the command gets SIGKILL from the kernel
(Linux: PR_SET_PDEATHSIG). That alone would not do for the host: the signal is tied to the *thread* that forked, and a host
forks from whatever thread it likes. This process has only one.

Usage: watchdog.py PIPE_FD COMMAND [ARGUMENT...]
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1
_GRACE = 5.0
_POLL = 0.05


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch(pipe: int, child: subprocess.Popen[bytes]) -> None:
    """Returns when the child has ended or the pipe was closed."""
    while child.poll() is None:
        readable, _, _ = select.select([pipe], [], [], _POLL)
        if readable and not os.read(pipe, 1):
            return


def main() -> int:
    pipe, command = int(sys.argv[1]), sys.argv[2:]
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the pipe alone decides
    child = subprocess.Popen(command, preexec_fn=_prepare_child)
    _watch(pipe, child)
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return child.returncode


def _prepare_child() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _die_with_parent()


if __name__ == "__main__":
    sys.exit(main())
