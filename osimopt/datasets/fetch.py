"""fetch: public models, motions, loads and EMG, each file pinned by commit and SHA-256."""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from ..errors import InputError, explain
from ..files.storage import sha256
from .derive_walk import derive_walk

#: s without an answer after which a download is given up.
TIMEOUT = 30.0
REGISTRY = Path(__file__).with_suffix(".toml")
#: What is made of a set's files, and by what.
DERIVED: dict[str, Callable[[Path], None]] = {"walk_80muscles": derive_walk}
#: Written last, by which a whole set is known.
DONE = "fetched.txt"


@dataclass(frozen=True)
class PublicFile:
    """One file: its name in the set, what it must be, and its address."""

    name: str
    sha256: str
    size: int
    url: str


def names() -> list[str]:
    """Sets that can be fetched."""
    return list(_registry())


def about(name: str) -> str:
    """What is in a set, how large it is, where it is from and under which license."""
    own = _registry()[name]
    size = sum(file.size for file in files_of(name)) / 1e6
    origin = {f"{part['repository']} ({part['license']})" for part in own["from"]}
    return f"{own['about']}; {size:.1f} MB from {', '.join(sorted(origin))}"


def files_of(name: str) -> list[PublicFile]:
    """Files of a set.

    Raises
    ------
    InputError
        No such set.
    """
    known = _registry()
    if name not in known:
        raise InputError(explain(f"a set among {', '.join(known)}", repr(name), "Choose one."))
    found = []
    for part in known[name]["from"]:
        base = f"https://github.com/{part['repository']}/raw/{part['commit']}/{quote(part['folder'])}"
        found += [PublicFile(own["name"], own["sha256"], own["size"], f"{base}/{own['name']}") for own in part["files"]]
    return found


def fetch(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    mirror: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Bring a set of public data and return its folder; nothing is downloaded twice.

    Every file is checked against its SHA-256. The folder appears whole or not at all; of ``walk_80muscles`` motions at
    50, 100 and 1000 Hz with consistent knees, and a model with welded toes and reserves, are made beside it.

    Parameters
    ----------
    name
        ``arm26``, ``walk_18muscles``, ``walk_80muscles``, ``walk_treadmill_emg`` or ``gait_9emg``.
    folder
        In which the set's folder is made; default the user's cache (``$XDG_CACHE_HOME/osimopt`` on Linux).
    mirror
        Folder, or ``file://`` or ``http(s)://`` address, of such sets, asked before GitHub; default ``$OSIMOPT_DATA``.
    progress
        Called with (files done, files).

    Raises
    ------
    InputError
        No such set; no source that has a file as it must be (the message says what each answered); no room.
    """
    wanted = files_of(name)
    target = (_cache() if folder is None else Path(folder)).absolute() / name
    if (target / DONE).is_file() and not _wrong(target, wanted):
        return target
    if target.exists() and any(target.iterdir()):
        bad = _wrong(target, wanted)
        fix = "Remove this folder, or choose another place."
        if bad or name in DERIVED:
            raise InputError(explain("no folder, or one that fetch made whole", _told(bad), fix, target))
        return target
    source = os.environ.get("OSIMOPT_DATA") if mirror is None else str(mirror)
    temporary = _beside(target)
    try:
        for done, file in enumerate(wanted):
            _bring(file, name, temporary, source)
            if progress is not None:
                progress(done + 1, len(wanted))
        if name in DERIVED:
            DERIVED[name](temporary)
        told = "\n".join(f"{file.sha256}  {file.name}  {file.url}" for file in wanted)
        (temporary / DONE).write_text(f"{about(name)}\n{told}\n", encoding="utf-8")
        temporary.chmod(0o755)
        if target.exists():
            target.rmdir()
        temporary.replace(target)
    except OSError as error:
        raise _no_room(error, wanted, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _registry() -> dict[str, dict]:  # type: ignore[type-arg]
    return tomllib.loads(REGISTRY.read_text(encoding="utf-8"))


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("osimopt"))


def _wrong(folder: Path, wanted: list[PublicFile]) -> list[str]:
    """Names of files that are missing, or are not what they must be."""
    return [own.name for own in wanted if not (folder / own.name).is_file() or sha256(folder / own.name) != own.sha256]


def _told(bad: list[str]) -> str:
    return f"{bad[0]} missing or changed" if bad else "files without the ones that are made of them"


def _beside(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise InputError(explain("a folder that can be made", str(error), "Choose another place.", target)) from error


def _bring(file: PublicFile, name: str, folder: Path, mirror: str | None) -> None:
    """From the first source that has it as it must be."""
    answers = []
    for source in filter(None, [_in_mirror(mirror, name, file.name), file.url]):
        place = folder / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            _copy(source, place)
        except OSError as error:
            if error.errno is not None and not isinstance(error, FileNotFoundError | ConnectionError | TimeoutError):
                raise
            answers.append(f"{source}: {_reason(error)}")
            continue
        found = sha256(place)
        if found == file.sha256:
            return
        answers.append(
            f"{source}: {place.stat().st_size} bytes of SHA-256 {found[:12]}…, not {file.size} of {file.sha256[:12]}…"
        )
        place.unlink()
    fix = "Try again later, or copy the files from another machine and say where they are in $OSIMOPT_DATA."
    raise InputError(explain(f"{file.name} of {name}", "; ".join(answers), fix))


def _in_mirror(mirror: str | None, name: str, file: str) -> str | None:
    if not mirror:
        return None
    return f"{mirror.rstrip('/')}/{name}/{file}"


def _copy(source: str, place: Path) -> None:
    """A file of this machine, or a download by pooch."""
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
    """The first cause, in one line: requests wraps it three times."""
    inner: BaseException | None = error
    while isinstance(inner, BaseException):
        error = inner
        first = error.args[0] if error.args else None
        inner = (
            getattr(error, "reason", None) or error.__cause__ or (first if isinstance(first, BaseException) else None)
        )
    text = str(getattr(error, "strerror", None) or error)
    return " ".join(text.split())[:200]


def _no_room(error: OSError, wanted: list[PublicFile], target: Path) -> InputError:
    size = sum(file.size for file in wanted) / 1e6
    fix = "Make room, or choose another place."
    return InputError(explain(f"room for {size:.1f} MB and the right to write there", _reason(error), fix, target))
