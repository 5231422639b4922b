"""Run a function in a separate process, where opensim or casadi may be imported.

The two wheels carry different ``libcasadi`` libraries, so whichever is imported second into a process dies
with "undefined symbol"; and ``import opensim`` rewrites ``LD_LIBRARY_PATH``, so that even a child process
picks the wrong one. Each library therefore gets its own pool of loky workers, started with a clean
``LD_LIBRARY_PATH``. loky starts a fresh interpreter that does not import the user's script, so no
``__main__`` guard is needed.

A function is named by a string, ``"package.module:function"``: the calling process must never import it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, Protocol

from .errors import InputError, MissingDependencyError, ModelError, OsimoptError, SolverError, explain

#: What a process is for: OpenSim or CasADi, or frames of a motion, by osimopt's own code.
Home = Literal["opensim", "casadi", "frames"]
Progress = Callable[[int, int], None]

#: By process (a forked child cannot use its parent's), library and number: pools of one process each, so that the first
#: always has the model loaded.
_pools: dict[tuple[int, Home, int], tuple[Any, Path]] = {}
_lock = threading.Lock()
#: Calls handed to each process before their turn.
AHEAD = 4
#: Remedies where a library is missing.
FIXES = {
    "opensim": "pip install opensim, or describe and check the model on a machine that has it, with geometry='exact' "
    "and a cache folder (OSIMOPT_CACHE) that both share.",
    "casadi": "pip install casadi, or use static optimization.",
}
#: Seconds between looks at a long call.
TICK = 0.1


def run(home: Home, function: str, *arguments: Any, subject: object) -> Any:
    """Call ``function`` in the process where ``home`` is imported and return its result.

    ``subject`` (a file, a solve) is named in errors.

    Raises
    ------
    OsimoptError
        The function raised an error of osimopt.
    ModelError, SolverError
        The process died (opensim, casadi), or the library raised an error.
    MissingDependencyError
        The library is not installed.
    """
    return next(iter(run_many(home, function, [arguments], subject=subject)))


def run_many(
    home: Home,
    function: str,
    calls: Iterable[tuple[Any, ...]],
    *,
    subject: object,
    n_jobs: int = 1,
    waiter: Waiter | None = None,
) -> Iterator[Any]:
    """Call ``function`` once per tuple of arguments, on ``n_jobs`` processes; yield the results in order.

    Calls are handed out a few at a time, each to the process with the least to do, so that neither arguments nor
    results pile up. ``waiter.tick`` is called while results are awaited.
    """
    waiting: deque[tuple[Any, int]] = deque()
    worker = 0
    try:
        for arguments in calls:
            if len(waiting) >= AHEAD * n_jobs:
                future, worker = waiting.popleft()
                yield _result(future, waiter)
            if dead := [pair for pair in waiting if _died(pair[0])]:
                future, worker = dead[0]
                future.result()  # raises; a process put in its place would have lost its last words
            waiting.append(_submit(home, _idlest(waiting, n_jobs), function, arguments))
        while waiting:
            future, worker = waiting.popleft()
            yield _result(future, waiter)
    except _endings() as error:
        text = (
            f"{subject}: the {home} process died (a crash in native code, or killed for memory). The next call starts "
            f"a new one; if it dies again, this input is the cause.{_last_words(home, worker)}"
        )
        close(home)
        raise _error(home, text) from error
    except OsimoptError as error:
        raise error.with_traceback(None) from None  # its traceback is another process's: no use to the reader
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == home:
            expected = f"the package {home}, which has to be asked"
            raise MissingDependencyError(explain(expected, "it is not installed", FIXES[home], subject)) from None
        raise _error(home, f"{subject}: {home} reports: {str(error).strip() or type(error).__name__}") from error
    finally:
        for future, _ in waiting:
            future.cancel()


class Waiter(Protocol):
    """Callbacks during a long call."""

    def tick(self) -> None:
        """Called every tenth of a second."""

    def interrupted(self) -> bool:
        """Called at Ctrl-C; True continues to wait, because the call has been requested to stop."""


def _result(future: Any, waiter: Waiter | None) -> Any:
    while waiter is not None and not future.done():
        try:
            wait([future], timeout=TICK)
            waiter.tick()
        except KeyboardInterrupt:
            if not waiter.interrupted():
                raise
    return future.result()


def counted(results: Iterable[Any], size: int, total: int, progress: Progress | None) -> Iterator[Any]:
    """Yield results of calls on ``size`` items each, and report how many of all items are done."""
    for number, result in enumerate(results, 1):
        if progress is not None:
            progress(min(number * size, total), total)
        yield result


def count_jobs(n_jobs: int | None, most: int) -> int:
    """Number of processes: ``n_jobs``, or by default the number of cores, at most ``most``."""
    if n_jobs is not None:
        if not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool) or n_jobs < 1:
            raise InputError(explain("jobs of at least 1, or None", repr(n_jobs), "Give a number of processes."))
        return int(n_jobs)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, most))


def prepare(home: Home, function: str, arguments: tuple[Any, ...], n_jobs: int) -> None:
    """Start a call in each process without waiting for it, so that later calls find the model loaded.

    If it fails, so do those calls, with the same error.
    """
    for worker in range(n_jobs):
        _submit(home, worker, function, arguments)


def _idlest(waiting: Iterable[tuple[Any, int]], n_jobs: int) -> int:
    busy = [0] * n_jobs
    for future, worker in waiting:
        busy[worker] += not future.done()
    return busy.index(min(busy))


def _submit(home: Home, worker: int, function: str, arguments: tuple[Any, ...]) -> tuple[Any, int]:
    """Hand a call over; a process that died since the last call is replaced first, and no other."""
    with _without_interrupts():
        try:
            return _pool(home, worker)[0].submit(_call, function, arguments), worker
        except _endings():
            _close_pool((os.getpid(), home, worker))
            return _pool(home, worker)[0].submit(_call, function, arguments), worker


def _endings() -> tuple[type[Exception], ...]:
    """Exceptions of a process that died, or was ended because another one died."""
    from loky.process_executor import BrokenProcessPool, ShutdownExecutorError

    return BrokenProcessPool, ShutdownExecutorError


def _died(future: Any) -> bool:
    return future.done() and not future.cancelled() and isinstance(future.exception(), _endings())


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block Ctrl-C: a process started inside does not receive it, not even before ``_settle`` ignores it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def close(home: Home) -> None:
    """Stop the processes of one library; the next call starts fresh ones."""
    for key in [key for key in _pools if key[:2] == (os.getpid(), home)]:
        _close_pool(key)


def _close_pool(key: tuple[int, Home, int]) -> None:
    pool, log = _pools.pop(key, (None, Path()))
    if pool is not None:  # another thread may have been quicker
        pool.shutdown(wait=True, kill_workers=True)
        log.unlink(missing_ok=True)


def _pool(home: Home, worker: int) -> tuple[Any, Path]:
    if multiprocessing.current_process().daemon:
        fix = "Use concurrent.futures.ProcessPoolExecutor or joblib instead of multiprocessing.Pool, or n_jobs."
        raise InputError(explain(f"a process that may start {home}'s own", "a daemonic worker process", fix))
    key = (os.getpid(), home, worker)
    with _lock:
        return _pools[key] if key in _pools else _start_pool(key)


def _start_pool(key: tuple[int, Home, int]) -> tuple[Any, Path]:
    import loky

    _, home, _ = key
    handle, name = tempfile.mkstemp(prefix=f"osimopt-{home}-", suffix=".log")
    os.close(handle)
    environment = {"LD_LIBRARY_PATH": "", "OMP_NUM_THREADS": "1"}
    pool = loky.ProcessPoolExecutor(1, initializer=_settle, initargs=(name,), env=environment)
    _pools[key] = (pool, Path(name))
    return _pools[key]


def _settle(log: str) -> None:
    """In the worker: redirect the output of native code to a file, from which an error quotes the last lines."""
    with contextlib.suppress(ValueError):  # the user's Ctrl-C belongs to the parent, which stops the worker
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _call(function: str, arguments: tuple[Any, ...]) -> Any:
    """In the worker: import and call."""
    module, name = function.split(":")
    return getattr(importlib.import_module(module), name)(*arguments)


def _last_words(home: Home, worker: int, limit: int = 400) -> str:
    with contextlib.suppress(OSError, KeyError):
        log = _pools[(os.getpid(), home, worker)][1]
        text = log.read_text(errors="replace").split("Fatal Python error")[0]
        lines = [line for line in text.splitlines() if line.strip() and ".vtp" not in line]
        return f" Its last words: {quoted}" if (quoted := "\n".join(lines)[-limit:]) else ""
    return ""


def _error(home: Home, text: str) -> OsimoptError:
    return ModelError(text) if home == "opensim" else SolverError(text)


@atexit.register
def _close_all() -> None:
    for _, home, _ in list(_pools):
        close(home)
