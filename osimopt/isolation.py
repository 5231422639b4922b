"""Run a function where opensim, or casadi, may be imported: in a process of its own.

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
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from .errors import InputError, ModelError, OsimoptError, SolverError, explain

Home = Literal["opensim", "casadi"]
Progress = Callable[[int, int], None]

#: By process (a forked child cannot use its parent's), library and number of workers: a call for one worker always
#: finds the one that has the model loaded.
_pools: dict[tuple[int, Home, int], tuple[Any, Path]] = {}
_lock = threading.Lock()


def run(home: Home, function: str, *arguments: Any, subject: object) -> Any:
    """Call ``function`` in the process where ``home`` is imported and return its result.

    ``subject`` is what the call is about (a file, a solve); an error names it.

    Raises
    ------
    OsimoptError
        Whatever the function itself raised of osimopt's own errors.
    ModelError, SolverError
        The process died (opensim, casadi), or the library raised an error of its own.
    """
    return next(iter(run_many(home, function, [arguments], subject=subject)))


def run_many(
    home: Home, function: str, calls: Sequence[tuple[Any, ...]], *, subject: object, n_jobs: int = 1
) -> Iterator[Any]:
    """Call ``function`` once per tuple of arguments, on ``n_jobs`` processes; yield the results in order."""
    from loky.process_executor import BrokenProcessPool

    futures: list[Any] = []
    log = Path()
    try:
        log, futures = _submit(home, n_jobs, function, calls)
        for future in futures:
            yield future.result()
    except BrokenProcessPool as error:
        last_words = _last_words(log)
        close(home)
        raise _death(home, subject, last_words) from error
    except OsimoptError as error:
        raise error.with_traceback(None) from None  # its traceback is another process's: no use to the reader
    except Exception as error:
        raise _failure(home, subject, error) from error
    finally:
        for future in futures:
            future.cancel()


def _submit(home: Home, n_jobs: int, function: str, calls: Sequence[tuple[Any, ...]]) -> tuple[Path, list[Any]]:
    """Hand the calls over; a worker that died since the last call is replaced first."""
    from loky.process_executor import BrokenProcessPool

    pool, log = _pool(home, n_jobs)
    try:
        return log, [pool.submit(_call, function, arguments) for arguments in calls]
    except BrokenProcessPool:
        close(home)
        pool, log = _pool(home, n_jobs)
        return log, [pool.submit(_call, function, arguments) for arguments in calls]


def close(home: Home) -> None:
    """Stop the processes of one library; the next call starts fresh ones."""
    for key in [key for key in _pools if key[:2] == (os.getpid(), home)]:
        pool, log = _pools.pop(key)
        pool.shutdown(wait=True, kill_workers=True)
        log.unlink(missing_ok=True)


def _pool(home: Home, n_jobs: int) -> tuple[Any, Path]:
    if multiprocessing.current_process().daemon:
        fix = "Use concurrent.futures.ProcessPoolExecutor or joblib instead of multiprocessing.Pool, or n_jobs."
        raise InputError(explain(f"a process that may start {home}'s own", "a daemonic worker process", fix))
    key = (os.getpid(), home, n_jobs)
    with _lock:
        return _pools[key] if key in _pools else _start_pool(key)


def _start_pool(key: tuple[int, Home, int]) -> tuple[Any, Path]:
    import loky

    _, home, n_jobs = key
    handle, name = tempfile.mkstemp(prefix=f"osimopt-{home}-", suffix=".log")
    os.close(handle)
    environment = {"LD_LIBRARY_PATH": "", "OMP_NUM_THREADS": "1"}
    pool = loky.ProcessPoolExecutor(n_jobs, initializer=_settle, initargs=(name,), env=environment)
    _pools[key] = (pool, Path(name))
    return _pools[key]


def _settle(log: str) -> None:
    """In the worker: send what native code prints to a file, so that a crash can quote its last words."""
    import signal

    with contextlib.suppress(ValueError):  # the user's Ctrl-C belongs to the parent, which stops the worker
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _call(function: str, arguments: tuple[Any, ...]) -> Any:
    """In the worker: import and call."""
    module, name = function.split(":")
    return getattr(importlib.import_module(module), name)(*arguments)


def _last_words(log: Path, limit: int = 400) -> str:
    with contextlib.suppress(OSError):
        text = log.read_text(errors="replace").split("Fatal Python error")[0]
        lines = [line for line in text.splitlines() if line.strip() and ".vtp" not in line]
        return "\n".join(lines)[-limit:]
    return ""


def _death(home: Home, subject: object, last_words: str) -> OsimoptError:
    said = f" Its last words: {last_words}" if last_words else ""
    text = (
        f"{subject}: the {home} process died (a crash in native code, or killed for memory). The next call starts a "
        f"new one; if it dies again here, this input is what kills it.{said}"
    )
    return ModelError(text) if home == "opensim" else SolverError(text)


def _failure(home: Home, subject: object, error: Exception) -> OsimoptError:
    text = f"{subject}: {home} reports: {str(error).strip() or type(error).__name__}"
    return ModelError(text) if home == "opensim" else SolverError(text)


@atexit.register
def _close_all() -> None:
    for _, home, _ in list(_pools):
        close(home)
