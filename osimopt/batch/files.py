"""The files that decide a job: every option of a study that names one, and the files that these name in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapters.loads import find_data
from ..adapters.options import COMPUTED, FILES, numbered
from ..emg.mapping import PRESETS
from ..errors import InputError, explain
from ..polynomial.files import fits_path
from .study import Files, Study

#: Keys of a trial that name files.
NAMED = (*FILES, "emg", "strides")


@dataclass(frozen=True)
class Finder:
    """Resolves paths against the study's folder; ``wrong`` collects a line for each that is wrong, once.

    A file that is named outright must be there. Where one made from a pattern is missing, only its own job fails.
    """

    study: Study
    wrong: list[str]

    def note(self, line: str) -> None:
        """Add what is wrong."""
        if line not in self.wrong:
            self.wrong.append(line)

    def of_trial(self, subject: str, trial: str, words: Sequence[Files]) -> dict[str, str]:
        """Paths by what they are; the last of the words counts."""
        found: dict[str, str] = {}
        for what in NAMED:
            given = last_given(words, what)
            if isinstance(given, (list, tuple)):
                for key, pattern in numbered(what, given).items():
                    found |= self._resolved(key, pattern, subject, trial)
            elif given is not None and not (what == "geometry" and given in COMPUTED):
                found |= self._resolved(what, given, subject, trial)
        return {
            **found,
            **self._beside(found, outright=_outright(last_given(words, "external_loads"))),
            **self._mapping(found),
        }

    def named(self, what: str, name: str) -> str:
        """The path of a file, or of a folder, that is named outright."""
        path = self.study.folder / name
        if not path.exists():
            self.note(explain(f"the {what.replace('_', ' ')}", "no such file or folder", "Check the path.", path))
        return str(path)

    def _resolved(self, what: str, pattern: str, subject: str, trial: str) -> dict[str, str]:
        if _outright(pattern):
            return {what: self.named(what, pattern)}
        try:
            return {what: str(self.study.folder / pattern.format(subject=subject, trial=trial))}
        except (KeyError, IndexError, ValueError) as error:
            only = f"only {{subject}} and {{trial}} are filled in ({error})"
            self.note(f"subjects {subject}: {what} '{pattern}': {only}.")
            return {}

    def _beside(self, found: Mapping[str, str], outright: bool) -> dict[str, str]:
        """What files name in turn: the data of external loads, and how fitted paths were fitted."""
        beside = {}
        if "external_loads" in found and Path(found["external_loads"]).is_file():
            try:
                beside["external_loads_data"] = str(find_data(found["external_loads"]))
            except InputError as error:
                beside["external_loads_data"] = f"{found['external_loads']}.datafile"  # which is missing
                if outright:
                    self.note(str(error))
        if "geometry" in found and (fits := fits_path(Path(found["geometry"]))).is_file():
            beside["geometry_fit"] = str(fits)
        return beside

    def _mapping(self, found: Mapping[str, str]) -> dict[str, str]:
        """The mapping of EMG channels, unless it is a preset."""
        if "emg" not in found:
            return {}
        if self.study.emg is None:
            self.note("emg: trials have EMG, but there is no [emg] with a mapping.")
            return {}
        name = self.study.emg.mapping
        return {} if name in PRESETS else {"mapping": self.named("mapping of EMG channels", name)}


def last_given(words: Sequence[Files], what: str) -> Any:
    """The value of a key in the last part of a study that gives one."""
    return next((own for word in reversed(words) if (own := getattr(word, what)) is not None), None)


def _outright(pattern: str | None) -> bool:
    """Whether a path is the same for every subject and trial."""
    return pattern is not None and "{" not in pattern
