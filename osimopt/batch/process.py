"""A worker process as its owner sees it: jobs go in, rows come out, and it can be ended whatever it does."""

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

#: s between looks at the clock, the stop, and the memory.
TICK = 0.1
#: s between looks at the memory alone: it costs some milliseconds.
WEIGH = 0.5


@dataclass(frozen=True)
class Limits:
    """Of one job: seconds, and MB of its process and of those that it started."""

    seconds: float
    memory_mb: float


class StoppedError(Exception):
    """The owner asked for an end while a job ran."""


class Worker:
    """One process of ``osimopt.batch.worker``, started when it is needed.

    ``held_mb`` is what it held after its last job, with the processes that it started.
    """

    def __init__(self) -> None:
        self.held_mb = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

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
        begin, peak, weighed = time.monotonic(), 0.0, 0.0
        try:
            print(json.dumps({"job": job, "folder": folder, "log": log}), file=process.stdin, flush=True)
        except OSError:  # it died between two jobs
            return self._lost(begin, peak)
        while (line := self._answer()) is None:
            now = time.monotonic()
            if stop():
                self.end()
                raise StoppedError
            if now - weighed > WEIGH:
                weighed, held = now, self.memory_mb()
                peak = max(peak, held)
            if (broken := _broken(limits, now - begin, peak)) is not None:
                self.end()
                return {**broken, "seconds": round(now - begin, 3), "peak_mb": peak}
        if not line.endswith("\n"):
            return self._lost(begin, peak)
        row: dict[str, Any] = json.loads(line)
        self.held_mb = self.memory_mb()
        return {**row, "peak_mb": round(max(peak, self.held_mb), 1)}

    def _answer(self) -> str | None:
        """The next line, an empty one at the end of all, None if there is none within a tick."""
        try:
            return self._lines.get(timeout=TICK)
        except queue.Empty:
            return None

    def memory_mb(self) -> float:
        """MB that it and the processes that it started hold now."""
        import psutil

        if self._process is None:
            return 0.0
        total = 0
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(self._process.pid)
            for one in [own, *own.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += one.memory_info().rss
        return round(total / 2**20, 1)

    def end(self) -> None:
        """End it, and whatever it started, at once."""
        process, self._process = self._process, None
        if process is None:
            return
        import psutil

        family = []
        with contextlib.suppress(psutil.Error):
            family = psutil.Process(process.pid).children(recursive=True)
        with contextlib.suppress(OSError, AttributeError):  # its group: it may be dead itself, and its children not
            os.killpg(process.pid, signal.SIGKILL)
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.kill()
        with contextlib.suppress(OSError):
            process.kill()
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
            [sys.executable, "-m", "osimopt.batch.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, encoding="utf-8", env=environment, start_new_session=True,
        )  # fmt: skip
        self._lines = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        return self._process

    def _lost(self, begin: float, peak: float) -> dict[str, Any]:
        """The row of a job whose process is gone."""
        process = self._process
        code = process.wait() if process is not None else None
        how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        self.end()
        text = f"Its process died ({how}): a crash in native code, or ended from outside."
        return {"status": "crashed", "reason": text, "seconds": round(time.monotonic() - begin, 3), "peak_mb": peak}


def _read(stream: IO[str] | None, lines: queue.SimpleQueue[str]) -> None:
    """Lines as they come, an empty one at the end: in a thread, as Windows cannot wait for a pipe with a limit."""
    with contextlib.suppress(OSError, ValueError):  # closed by the owner
        for line in stream or ():
            lines.put(line)
    lines.put("")


def _broken(limits: Limits, seconds: float, memory_mb: float) -> dict[str, Any] | None:
    """Status and reason where a limit is passed."""
    if seconds > limits.seconds:
        return {"status": "timeout", "reason": f"Not done after {limits.seconds:g} s (timeout_s): ended."}
    if memory_mb > limits.memory_mb:
        text = f"It held {memory_mb:.0f} MB, more than {limits.memory_mb:g} (memory_mb): ended."
        return {"status": "memory", "reason": text}
    return None
