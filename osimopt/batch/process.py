"""A process that does jobs: ``Worker`` is its owner's side, ``main`` runs in the process itself.

Jobs and rows are passed as lines of JSON. Output printed while a job runs goes to the job's log.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

#: Command line of the process, without the interpreter.
MODULE = ("-m", "osimopt.batch.process")
#: Interval (s) at which the owner checks the clock and the stop, and at which it measures memory while a job runs and
#: looks for processes that the job started, which takes some ms.
TICK, MEASURE = 0.1, 0.5
#: Interval (s) at which the process checks that its owner is alive.
LOOK = 1.0


@dataclass(frozen=True)
class Limits:
    """Limits of one job: seconds, and MB of its process and of those that it started."""

    seconds: float
    memory_mb: float

    def exceeded(self, seconds: float, memory_mb: float) -> dict[str, Any] | None:
        """Status and reason where a limit is exceeded."""
        if seconds > self.seconds:
            return {"status": "timeout", "reason": f"Not done after {self.seconds:g} s (timeout_s): ended."}
        if memory_mb > self.memory_mb:
            text = f"It held {memory_mb:.0f} MB, more than {self.memory_mb:g} (memory_mb): ended."
            return {"status": "memory", "reason": text}
        return None


class StoppedError(Exception):
    """The owner stopped the study while a job ran."""


class Worker:
    """One process, started when it is needed.

    ``held_mb`` is the memory after its last job, with that of the processes that it started.
    """

    def __init__(self) -> None:
        self.held_mb = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._family: list[Any] = []
        self._looked = -MEASURE

    def do(
        self, job: Mapping[str, Any], folder: str, log: str, limits: Limits, stop: Callable[[], bool]
    ) -> dict[str, Any]:
        """Do a job and return its row; ``status`` is crashed, timeout or memory where the process was lost.

        Raises
        ------
        StoppedError
            ``stop`` became true.
        """
        process = self._started()
        begin, peak, measured = time.monotonic(), 0.0, 0.0
        try:
            print(json.dumps({"job": job, "folder": folder, "log": log}), file=process.stdin, flush=True)
        except OSError:  # it died between two jobs
            return self._lost(begin, peak)
        while True:
            with contextlib.suppress(queue.Empty):
                line = self._lines.get(timeout=TICK)
                break
            now = time.monotonic()
            if stop():
                self.end()
                raise StoppedError
            if now - measured > MEASURE:
                measured, peak = now, max(peak, self.memory_mb())
            if (exceeded := limits.exceeded(now - begin, peak)) is not None:
                self.end()
                return {**exceeded, "seconds": round(now - begin, 3), "peak_mb": peak}
        if not line.endswith("\n"):
            return self._lost(begin, peak)
        self.held_mb = self.memory_mb()
        return {**json.loads(line), "peak_mb": round(max(peak, self.held_mb), 1)}

    def memory_mb(self) -> float:
        """MB of the process and those that it was seen to have started."""
        import psutil

        if time.monotonic() - self._looked > MEASURE:
            self._family, self._looked = _family(self._process), time.monotonic()
        total = 0
        for process in self._family:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return round(total / 2**20, 1)

    def end(self) -> None:
        """End the process, and those that it started, at once."""
        process, self._process = self._process, None
        self._family, self._looked = [], -MEASURE
        if process is None:
            return
        import psutil

        family = _family(process)
        with contextlib.suppress(OSError, AttributeError):  # its group: its children may have outlived it
            os.killpg(process.pid, signal.SIGKILL)
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        process.wait()
        psutil.wait_procs(family, timeout=5.0)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.end()
        environment = {**os.environ, "LD_LIBRARY_PATH": "", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            [sys.executable, *MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, encoding="utf-8", env=environment, start_new_session=True,
        )  # fmt: skip
        self._lines = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        return self._process

    def _lost(self, begin: float, peak: float) -> dict[str, Any]:
        """Row of a job whose process died."""
        code = self._process.wait() if self._process is not None else None
        how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        self.end()
        text = f"Its process died ({how}): a crash in native code, or ended from outside."
        return {"status": "crashed", "reason": text, "seconds": round(time.monotonic() - begin, 3), "peak_mb": peak}


def _family(process: subprocess.Popen[str] | None) -> list[Any]:
    """A process and those that it started; none if it has ended."""
    import psutil

    if process is not None:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(process.pid)
            return [root, *root.children(recursive=True)]
    return []


def _read(stream: IO[str] | None, lines: queue.SimpleQueue[str]) -> None:
    """Queue lines as they come, then an empty one; in a thread, as Windows cannot wait for a pipe with a timeout."""
    with contextlib.suppress(OSError, ValueError):  # closed by the owner
        for line in stream or ():
            lines.put(line)
    lines.put("")


def main() -> None:
    """Do jobs until there are no more lines, or the owner is gone."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    for name in ("SIGINT", "SIGHUP"):  # the owner handles them, and ends this process
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    rows = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("always")
    from .work import do

    for line in sys.stdin:
        request = json.loads(line)
        with _logged(Path(request["log"])):
            row = do(request["job"], request["folder"])
        rows.write(json.dumps(row, default=str) + "\n")
        rows.flush()


def _end_with(owner: int) -> None:
    """End this process and those that it started once its owner was killed, so that the next run has the folder."""
    import psutil

    while os.getppid() == owner and psutil.pid_exists(owner):
        time.sleep(LOOK)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Redirect stdout and stderr, also of processes started, to the log; without space for it, leave them."""
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
