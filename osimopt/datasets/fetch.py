"""fetch: public models, motions, loads and EMG, each file fixed by commit and SHA-256."""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from ..errors import InputError, check_names, explain
from ..files.storage import sha256
from .derive import DERIVED, MADE

#: Time in s without a response after which a download fails.
TIMEOUT = 30.0
REGISTRY = Path(__file__).with_suffix(".toml")
#: File that is written last, so that a folder with it is complete.
DONE = "fetched.txt"


@dataclass(frozen=True)
class PublicFile:
    """One file of a set: its name, SHA-256, size in bytes and address, and what makes it of what is found there."""

    name: str
    sha256: str
    size: int
    url: str
    made_by: str | None = None


def names() -> list[str]:
    """Names of the sets."""
    return list(_registry())


def about(name: str) -> str:
    """Content, size, origin and licenses of a set."""
    entry = _registry()[name]
    size = sum(file.size for file in files_of(name)) / 1e6
    origin = {f"{part['repository']} ({part['license']})" for part in entry["from"]}
    return f"{entry['about']}; {size:.1f} MB from {', '.join(sorted(origin))}"


def files_of(name: str) -> list[PublicFile]:
    """Files of a set; an InputError if there is no such set."""
    check_names("a set", [name], _registry())
    found = []
    for part in _registry()[name]["from"]:
        base = f"https://github.com/{part['repository']}/raw/{part['commit']}"
        for file in part["files"]:
            place = quote("/".join(filter(None, (part["folder"], file.get("source", file["name"])))))
            found.append(PublicFile(file["name"], file["sha256"], file["size"], f"{base}/{place}", file.get("made_by")))
    return found


def fetch(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    mirror: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Download a set of public data, once, and return its folder.

    Every file is checked against its SHA-256, and the folder appears whole or not at all. To ``walk_80muscles`` are
    added motions at 50, 100 and 1000 Hz with consistent knees, and a model with welded toes and reserves; to
    ``knee_implant`` the ExternalLoads files of its two walks.

    Parameters
    ----------
    name : str
        ``"arm26"``, ``"walk_18muscles"``, ``"walk_80muscles"``, ``"walk_treadmill_emg"``, ``"gait_9emg"`` or
        ``"knee_implant"``.
    folder : path-like, optional
        Parent folder; default: the user's cache (``$XDG_CACHE_HOME/osimopt`` on Linux).
    mirror : path-like or str, optional
        Folder, or ``file://`` or ``http(s)://`` address, with the sets, which is tried before GitHub; default
        ``$OSIMOPT_DATA``.
    progress : callable, optional
        Called with (files done, number of files).

    Returns
    -------
    pathlib.Path
        Folder of the set, named ``name``.

    Raises
    ------
    InputError
        No such set; no source with the right file (the message lists what each returned); or a folder that cannot be
        written, is full, or holds other files.

    Examples
    --------
    >>> import osimopt
    >>> osimopt.fetch("arm26", "data")  # doctest: +SKIP
    PosixPath('/home/user/data/arm26')
    >>> osimopt.fetch("arm27")
    Traceback (most recent call last):
    ...
    osimopt.errors.InputError: expected a set among arm26, ..., got arm27. Did you mean arm26?
    """
    files = files_of(name)
    if folder is None:
        import pooch

        folder = pooch.os_cache("osimopt")
    target = Path(folder).absolute() / name
    if target.exists() and any(target.iterdir()):
        wrong = [f.name for f in files if not (target / f.name).is_file() or sha256(target / f.name) != f.sha256]
        if wrong or (name in DERIVED and not (target / DONE).is_file()):
            got = f"{wrong[0]} missing or changed" if wrong else "files without those derived from them"
            fix = "Remove this folder, or choose another one."
            raise InputError(explain("no folder, or one that fetch wrote completely", got, fix, target))
        return target
    source = os.environ.get("OSIMOPT_DATA") if mirror is None else str(mirror)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=f".{target.name}.", ignore_cleanup_errors=True
        ) as temporary:
            made = Path(temporary)
            for done, file in enumerate(files):
                _download(file, name, made, source)
                if progress is not None:
                    progress(done + 1, len(files))
            if name in DERIVED:
                DERIVED[name](made)
            lines = "\n".join(f"{file.sha256}  {file.name}  {file.url}" for file in files)
            (made / DONE).write_text(f"{about(name)}\n{lines}\n", encoding="utf-8")
            made.chmod(0o755)
            if target.exists():
                target.rmdir()
            made.replace(target)
    except OSError as error:
        expected = f"room for {sum(file.size for file in files) / 1e6:.1f} MB and the right to write there"
        fix = "Make room, or choose another folder."
        raise InputError(explain(expected, _reason(error), fix, target)) from error
    return target


@cache
def _registry() -> dict[str, Any]:
    return tomllib.loads(REGISTRY.read_text(encoding="utf-8"))


def _download(file: PublicFile, name: str, folder: Path, mirror: str | None) -> None:
    """Write a file from the first source that has it with the right SHA-256."""
    place, answers = folder / file.name, []
    place.parent.mkdir(parents=True, exist_ok=True)
    for source in ([f"{mirror.rstrip('/')}/{name}/{file.name}"] if mirror else []) + [file.url]:
        try:
            _copy(source, place)
            if file.made_by and source == file.url:
                MADE[file.made_by](place)
        except InputError as error:
            answers.append(f"{source}: {error}")
            place.unlink()
            continue
        except OSError as error:
            if error.errno is not None and not isinstance(error, FileNotFoundError | ConnectionError | TimeoutError):
                raise
            answers.append(f"{source}: {_reason(error)}")
            continue
        found, size = sha256(place), place.stat().st_size
        if found == file.sha256:
            return
        wanted = f"{file.size} of {file.sha256[:12]}…"
        answers.append(f"{source}: {size} bytes of SHA-256 {found[:12]}…, not {wanted}")
        place.unlink()
    fix = "Try again later, or copy the files from another machine and set $OSIMOPT_DATA to their folder."
    raise InputError(explain(f"{file.name} of {name}", "; ".join(answers), fix))


def _copy(source: str, place: Path) -> None:
    """Copy a local file, or download it by pooch."""
    parts = urlsplit(source)
    if parts.scheme in ("http", "https"):
        import pooch
        from requests import RequestException

        try:
            pooch.HTTPDownloader(progressbar=False, timeout=TIMEOUT)(source, str(place), None)
        except RequestException as error:
            raise ConnectionError(_reason(error)) from error
        return
    shutil.copyfile(url2pathname(parts.path) if parts.scheme == "file" else source, place)


def _reason(error: BaseException) -> str:
    """First cause in one line; requests wraps it three times."""
    inner: BaseException | None = error
    while isinstance(inner, BaseException):
        error = inner
        first = error.args[0] if error.args else None
        cause = getattr(error, "reason", None) or error.__cause__
        inner = cause or (first if isinstance(first, BaseException) else None)
    text = str(getattr(error, "strerror", None) or error)
    return " ".join(text.split())[:200]
