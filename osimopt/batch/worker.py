"""The process that does jobs: one line of JSON in, one out. Run as ``python -m osimopt.batch.worker``.

What is printed while a job runs, by whatever library, goes to the job's log.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

#: s between looks whether the owner is still there.
LOOK = 1.0


def main() -> None:
    """Do jobs until there are no more lines, or nobody who asks."""
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    for stop in (signal.SIGINT, signal.SIGHUP) if hasattr(signal, "SIGHUP") else (signal.SIGINT,):
        signal.signal(stop, signal.SIG_IGN)  # they are the parent's to hear, who ends this process
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("always")
    from .work import do

    for line in sys.stdin:
        asked = json.loads(line)
        with _logged(Path(asked["log"])):
            row = do(asked["job"], asked["folder"])
        answers.write(json.dumps(row, default=str) + "\n")
        answers.flush()


def _die_with(owner: int) -> None:
    """End this process and those that it started when the owner was killed: the next run must find nobody at work."""
    import psutil

    while os.getppid() == owner and psutil.pid_exists(owner):
        time.sleep(LOOK)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


@contextlib.contextmanager
def _logged(path: Path):  # type: ignore[no-untyped-def]
    """Send both streams, of those that it starts too, to the job's log; a disk without room is no end."""
    kept = os.dup(1), os.dup(2)
    try:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
        yield
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        for stream, saved in zip((1, 2), kept, strict=True):
            os.dup2(saved, stream)
            os.close(saved)


if __name__ == "__main__":
    main()
