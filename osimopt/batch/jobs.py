"""Jobs: one trial, or a stretch of it, by one method. Paths and plain options only, so that any process can do them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..errors import ConfigError, explain, some
from ..files.storage import sha256
from .files import Finder, last_given
from .study import Study, Subject


@dataclass(frozen=True)
class Job:
    """One row of the manifest.

    ``name`` is ``subject/trial/method``, and that of its folder; ``files`` are paths by what they are; ``read`` and
    ``solve`` are options of reading and of the method; ``emg`` those of the comparison.
    """

    name: str
    subject: str
    trial: str
    method: str
    files: Mapping[str, str]
    read: Mapping[str, Any]
    solve: Mapping[str, Any]
    emg: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    def inputs(self, hashes: Hashes) -> str:
        """Files and the beginnings of their SHA-256, as JSON."""
        return json.dumps({what: f"{Path(path).name} {hashes.of(path)[:12]}" for what, path in self.files.items()})

    def key(self, hashes: Hashes) -> str:
        """Of everything that decides the result: contents of files, options, version."""
        content = {
            "files": {what: hashes.of(path) for what, path in self.files.items()}, "read": self.read,
            "solve": self.solve, "emg": self.emg, "version": version("osimopt"),
        }  # fmt: skip
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


class Hashes:
    """SHA-256 of files, each read once; "missing" of those that are not there. Folders count by all files in them."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, path: str) -> str:
        """Of one."""
        if path not in self._known:
            self._known[path] = self._read(Path(path))
        return self._known[path]

    @staticmethod
    def _read(path: Path) -> str:
        if path.is_dir():
            files = [own for own in sorted(path.rglob("*")) if own.is_file()]
            parts = [f"{own.relative_to(path).as_posix()} {sha256(own)}" for own in files]
            return hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return sha256(path) if path.is_file() else "missing"


def jobs_of(study: Study) -> list[Job]:
    """Every job of a study, methods of a trial one after the other.

    Raises
    ------
    ConfigError
        Models, events and other files named outright that are not there, patterns that match no motion, trials named
        that there are not, EMG without a mapping: all at once.
    """
    finder = Finder(study, [])
    wrong = finder.wrong
    jobs = [job for subject in study.subjects for job in _of_subject(study, subject, finder)]
    names = [job.name for job in jobs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        wrong.append(f"motions of one name give the same job: {some(twice)}. Rename them, or use two subjects.")
    if wrong:
        raise ConfigError(f"{study.folder}: {len(wrong)} wrong:\n" + "\n".join(f"  {line}" for line in wrong))
    return jobs


def _of_subject(study: Study, subject: Subject, finder: Finder) -> Iterator[Job]:
    wrong = finder.wrong
    model = study.folder / subject.model
    if not model.is_file():
        wrong.append(explain("a model", "no such file", "Check the path.", model))
    motions = sorted({path for pattern in subject.motions for path in _matching(study.folder, pattern)})
    if not motions:
        wrong.append(explain("motions", f"none that match {some(subject.motions)}", "Check the pattern.", study.folder))
    if unknown := [name for name in subject.trials if name not in {path.stem for path in motions}]:
        wrong.append(f"subjects {subject.name}: trials {some(unknown)}: no such motions.")
    events = _events(study.folder / subject.events, wrong) if subject.events else None
    for motion in motions:
        words = [study.defaults, subject, *([subject.trials[motion.stem]] if motion.stem in subject.trials else [])]
        files = {"model": str(model), "motion": str(motion), **finder.of_trial(subject.name, motion.stem, words)}
        read: dict[str, Any] = {}
        for own in words:
            read |= own.options()
        if "geometry" not in files and (paths := last_given(words, "geometry")):
            read["geometry"] = paths
        for trial, span in _windows(motion.stem, read.get("time_range"), events):
            own_read = {**read, "time_range": span} if span else read
            yield from _of_trial(study, subject.name, trial, files, own_read, finder)


def _of_trial(
    study: Study, subject: str, trial: str, files: Mapping[str, str], read: Mapping[str, Any], finder: Finder
) -> Iterator[Job]:
    for method in study.methods:
        solve = method.model_dump(exclude={"name"}, exclude_none=True)
        own = dict(files)
        if "folder" in solve:
            own["surrogate"] = finder.named("surrogate", solve.pop("folder"))
        emg = study.emg.model_dump(exclude_none=True) if study.emg and {"emg", "strides"} & files.keys() else {}
        yield Job(f"{subject}/{trial}/{method.name}", subject, trial, method.name, own, dict(read), solve, emg)


def _matching(folder: Path, pattern: str) -> list[Path]:
    path = Path(pattern)
    return (
        sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if path.is_absolute()
        else sorted(folder.glob(pattern))
    )


def _events(path: Path, wrong: list[str]) -> dict[str, list[tuple[float, float]]]:
    """Stretches by trial."""
    import pandas as pd

    try:
        table = pd.read_csv(path)
        spans: dict[str, list[tuple[float, float]]] = {}
        for trial, start, end in zip(table["trial"], table["start"], table["end"], strict=True):
            spans.setdefault(str(trial), []).append((float(start), float(end)))
    except (OSError, KeyError, ValueError) as error:
        wrong.append(explain("events (.csv) with the columns trial, start, end", str(error), "Check the file.", path))
        return {}
    return spans


def _windows(
    trial: str, span: Any, events: Mapping[str, Sequence[tuple[float, float]]] | None
) -> list[tuple[str, tuple[float, float] | None]]:
    """Names and times of what is solved of a trial: all, or each stretch that events name."""
    if events is None:
        return [(trial, tuple(span) if span else None)]
    own = events.get(trial, [])
    return [(f"{trial} {number}" if len(own) > 1 else trial, one) for number, one in enumerate(own, 1)]
