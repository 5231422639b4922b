"""Jobs: one trial, or a part of it, by one method. Paths and plain options only, so that any process can do them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..adapters.cache import EXTRACTION
from ..adapters.inputs import named_in, numbered
from ..adapters.load import VERSIONS
from ..adapters.options import COMPUTED, FILES, ReadOptions
from ..emg.mapping import PRESETS
from ..errors import ConfigError, InputError, explain, some
from ..files.packages import version
from ..files.storage import sha256
from ..options import declared
from .study import Files, Study, Subject

#: Keys of a trial that name files.
NAMED = (*FILES, "emg", "strides")
#: Files of methods by what they are, and the methods' keys.
OF_METHODS = {"surrogate": "folder", "synergies": "synergies"}
#: SHA-256 of the content of a path.
HashOf = Callable[[str], str]


@dataclass(frozen=True)
class Job:
    """One row of the manifest.

    ``name`` is ``subject/trial/method`` and the path of its folder; ``files`` are paths by what they are; ``read`` and
    ``solve`` are options of reading and of the method; ``emg`` those of the comparison with EMG; ``outputs`` names of
    further quantities to write.
    """

    name: str
    subject: str
    trial: str
    method: str
    files: Mapping[str, str]
    read: Mapping[str, Any]
    solve: Mapping[str, Any]
    emg: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    def inputs(self, hash_of: HashOf) -> str:
        """Files and the first digits of their SHA-256, as JSON."""
        return json.dumps({what: f"{Path(path).name} {hash_of(path)[:12]}" for what, path in self.files.items()})

    @property
    def geometry(self) -> str:
        """Which muscle paths are asked for: a word of ``geometry``, or "file"."""
        word = self.read.get("geometry", declared(ReadOptions)["geometry"][0].default)
        return "file" if "geometry" in self.files else str(word)

    def made_otherwise(self, row: Mapping[str, Any]) -> str:
        """How an earlier row of this job was made, if by other versions or muscle paths than it would be now."""
        if not (then := json.loads(row.get("versions") or "{}")):
            return "by osimopt before 0.2.0, whose muscle paths were OpenSim's unless others were asked for"
        now = {**versions(), "geometry": self.geometry}
        then["geometry"] = row.get("geometry_asked")
        changed = [f"{name} {then.get(name)} (now {value})" for name, value in now.items() if then.get(name) != value]
        return f"with {', '.join(changed)}" if changed else ""

    def key(self, hash_of: HashOf) -> str:
        """SHA-256 of everything that determines the result: contents of files, options, version."""
        content: dict[str, Any] = {
            "files": {what: hash_of(path) for what, path in self.files.items()}, "read": self.read,
            "solve": self.solve, "emg": self.emg, "geometry": self.geometry, "versions": versions(),
        }  # fmt: skip
        if self.outputs:
            content["outputs"] = self.outputs
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def versions() -> dict[str, Any]:
    """What results depend on beside files and options: versions of osimopt, OpenSim, and of what is computed."""
    return {**_packages(), "extraction": EXTRACTION, **VERSIONS}


@cache
def _packages() -> dict[str, str]:
    return {name: version(name) for name in ("osimopt", "opensim")}


def content_hash(name: str) -> str:
    """SHA-256 of a file, or of all files in a folder; "missing" if there is none."""
    path = Path(name)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        parts = [f"{file.relative_to(path).as_posix()} {sha256(file)}" for file in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return sha256(path) if path.is_file() else "missing"


def jobs_of(study: Study) -> list[Job]:
    """Every job of a study; the methods of a trial follow each other.

    Raises
    ------
    ConfigError
        All at once: models, events and other files with one name for all trials that do not exist, patterns that match
        no motion, entries for trials that do not exist, EMG without a mapping.
    """
    finder = _Finder(study)
    jobs = [job for subject in study.subjects for job in _of_subject(subject, finder)]
    names = [job.name for job in jobs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        finder.note(f"motions of one name give the same job: {some(twice)}. Rename them, or use two subjects.")
    if wrong := finder.wrong:
        raise ConfigError(f"{study.folder}: {len(wrong)} wrong:\n" + "\n".join(f"  {line}" for line in wrong))
    return jobs


def _of_subject(subject: Subject, finder: _Finder) -> Iterator[Job]:
    study, folder = finder.study, finder.study.folder
    if not (folder / subject.model).is_file():
        finder.note(explain("a model", "no such file", "Check the path.", folder / subject.model))
    patterns = [Path(pattern) for pattern in subject.motions]  # an absolute one replaces the study's folder
    motions = sorted({p for one in patterns for p in (folder / one.anchor).glob(str(one.relative_to(one.anchor)))})
    if not motions:
        finder.note(explain("motions", f"none that match {some(subject.motions)}", "Check the pattern.", folder))
    if unknown := [name for name in subject.trials if name not in {path.stem for path in motions}]:
        finder.note(f"subjects {subject.name}: trials {some(unknown)}: no such motions.")
    events = _events(folder / subject.events, finder) if subject.events else None
    for motion in motions:
        trial = motion.stem
        layers = [study.defaults, subject, *([subject.trials[trial]] if trial in subject.trials else [])]
        found = finder.of_trial(subject.name, trial, layers)
        files = {"model": str(folder / subject.model), "motion": str(motion), **found}
        read = {name: value for layer in layers for name, value in layer.options().items()}
        if "geometry" not in files and (geometry := _last(layers, "geometry")):
            read["geometry"] = geometry
        clock = {key: _last(layers, f"emg_{key}") for key in ("shift", "clock_rate")}
        clock = {key: value for key, value in clock.items() if value is not None}
        for part, span in _spans(trial, read.get("time_range"), events):
            reading = {**read, "time_range": span} if span else read
            yield from _of_trial(subject.name, part, files, reading, clock, finder)


def _of_trial(
    subject: str, trial: str, files: Mapping[str, str], read: Mapping[str, Any], clock: Mapping[str, float],
    finder: _Finder,
) -> Iterator[Job]:  # fmt: skip
    comparison = finder.study.emg
    with_emg = comparison is not None and bool({"emg", "strides"} & files.keys())
    emg = {**comparison.model_dump(exclude_none=True), **clock} if comparison and with_emg else {}
    for method in finder.study.methods:
        solve = method.model_dump(exclude={"name"}, exclude_none=True)
        named = {what: finder.existing(what, solve.pop(key)) for what, key in OF_METHODS.items() if key in solve}
        if "emg" in solve and "emg" not in files:
            expected = f"EMG of {subject}/{trial} for the method {method.name}"
            finder.note(explain(expected, "none", "Give the subject or trial emg, or leave emg out of the method."))
        name = f"{subject}/{trial}/{method.name}"
        every = {**files, **named}
        yield Job(name, subject, trial, method.name, every, dict(read), solve, emg, finder.study.outputs)


def _events(path: Path, finder: _Finder) -> dict[str, list[tuple[float, float]]]:
    """(start, end) in s by trial."""
    import pandas as pd

    spans: dict[str, list[tuple[float, float]]] = {}
    try:
        table = pd.read_csv(path)
        for trial, start, end in zip(table["trial"], table["start"], table["end"], strict=True):
            spans.setdefault(str(trial), []).append((float(start), float(end)))
    except (OSError, KeyError, ValueError) as error:
        finder.note(explain("events (.csv) with the columns trial, start, end", str(error), "Check the file.", path))
        return {}
    return spans


def _spans(
    trial: str, span: Any, events: Mapping[str, Sequence[tuple[float, float]]] | None
) -> list[tuple[str, tuple[float, float] | None]]:
    """Names and (start, end) in s of the parts of a trial that are solved: the whole, or one for each of its events."""
    if events is None:
        return [(trial, tuple(span) if span else None)]
    spans = events.get(trial, [])
    return [(f"{trial} {number}" if len(spans) > 1 else trial, one) for number, one in enumerate(spans, 1)]


class _Finder:
    """Paths of a study's files, relative to its folder; ``wrong`` collects a line for each error, once.

    A file with one name for all trials must exist. Where one from a pattern is missing, only its own job fails.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.wrong = study, list[str]()

    def note(self, line: str) -> None:
        """Add an error."""
        if line not in self.wrong:
            self.wrong.append(line)

    def of_trial(self, subject: str, trial: str, layers: Sequence[Files]) -> dict[str, str]:
        """Paths by what they are, with the files that these name in turn; later layers override earlier ones."""
        given = {what: value for what in NAMED if (value := _last(layers, what)) is not None}
        if given.get("geometry") in COMPUTED:
            del given["geometry"]
        found: dict[str, str] = {}
        for what, value in given.items():
            for name, pattern in (numbered(what, value) if isinstance(value, tuple) else {what: value}).items():
                found |= self._resolved(name, pattern, subject, trial)
        named_by = {what: Path(path) for what, path in found.items() if Path(path).is_file()}
        try:
            found |= {what: str(path) for what, path in named_in(named_by).items()}
        except InputError as error:
            found["external_loads_data"] = f"{found['external_loads']}.datafile"  # which is missing
            if "{" not in given["external_loads"]:
                self.note(str(error))
        if "emg" in found:
            found |= self._mapping()
        return found

    def existing(self, what: str, name: str) -> str:
        """Path of a file or folder that must exist."""
        path = self.study.folder / name
        if not path.exists():
            self.note(explain(f"the {what.replace('_', ' ')}", "no such file or folder", "Check the path.", path))
        return str(path)

    def _resolved(self, what: str, pattern: str, subject: str, trial: str) -> dict[str, str]:
        if "{" not in pattern:
            return {what: self.existing(what, pattern)}
        try:
            return {what: str(self.study.folder / pattern.format(subject=subject, trial=trial))}
        except (KeyError, IndexError, ValueError) as error:
            only = f"only {{subject}} and {{trial}} are filled in ({error})"
            self.note(f"subjects {subject}: {what} '{pattern}': {only}.")
            return {}

    def _mapping(self) -> dict[str, str]:
        """The mapping of EMG channels, unless it is a preset."""
        if self.study.emg is None:
            self.note("emg: trials have EMG, but there is no [emg] with a mapping.")
            return {}
        name = self.study.emg.mapping
        return {} if name in PRESETS else {"mapping": self.existing("mapping of EMG channels", name)}


def _last(layers: Sequence[Files], what: str) -> Any:
    return next((given for layer in reversed(layers) if (given := getattr(layer, what)) is not None), None)
