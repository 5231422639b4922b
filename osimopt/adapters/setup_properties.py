"""The properties of the objects in a setup file of OpenSim: texts, files, numbers and flags, with their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from ..errors import ConfigError, explain
from .model import find_file

#: Names of earlier versions.
ALIASES = {
    "force_set_files": ("actuator_set_files",),
    "replace_force_set": ("replace_actuator_set",),
    "use_model_force_set": ("use_model_actuator_set",),
}


@dataclass(frozen=True)
class Properties:
    """The properties of one object: its own elements, then those of its class in the ``<defaults>`` block."""

    path: Path
    sources: tuple[Element, ...]

    def text(self, tag: str, default: str = "") -> str:
        """The text of a property, under its own name or an older one."""
        for source in self.sources:
            for name in (tag, *ALIASES.get(tag, ())):
                found = source.find(name)
                if found is not None:
                    return (found.text or "").strip()
        return default

    def file(self, tag: str) -> Path | None:
        """A file that must exist, or None where none is named."""
        name = self.text(tag)
        return None if name in ("", "Unassigned") else self._existing(tag, name)

    def files(self, tag: str) -> tuple[Path, ...]:
        """Files that must exist, separated by spaces."""
        names = self.text(tag)
        if names in ("", "Unassigned"):
            return ()
        whole = find_file(names, self.path.parent)
        return (whole,) if whole else tuple(self._existing(tag, name) for name in names.split())

    def number(self, tag: str, default: float, infinite: bool = False) -> float:
        """A number, finite unless it may be ``infinite``: a time before or after every frame."""
        text = self.text(tag) or str(default)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isnan(value) or (math.isinf(value) and not infinite):
            raise self.wrong(tag, "a number" if math.isnan(value) else "a finite number", text, "Correct it.")
        return value

    def count(self, tag: str, default: int) -> int:
        """A whole number of at least 1."""
        value = self.number(tag, default, infinite=True)
        if not value.is_integer() or value < 1:
            raise self.wrong(tag, "a whole number of at least 1", self.text(tag), "Correct it.")
        return int(value)

    def flag(self, tag: str, default: bool) -> bool:
        """True or false."""
        text = (self.text(tag) or str(default)).lower()
        if text not in ("true", "false", "1", "0"):
            raise self.wrong(tag, "true or false", text, "Correct it.")
        return text in ("true", "1")

    def wrong(self, tag: str, expected: str, got: str, fix: str) -> ConfigError:
        """The error that names file and property."""
        return ConfigError(explain(expected, f"'{got}'", fix, f"{self.path}, <{tag}>"))

    def _existing(self, tag: str, name: str) -> Path:
        """Find a file beside the setup file; one written on Windows may have backslashes."""
        if (found := find_file(name, self.path.parent)) is not None:
            return found
        got = f"'{name}', which is no file ({(self.path.parent / name).resolve()})"
        fix = "Correct the name; it is relative to the setup file's folder."
        raise ConfigError(explain("the name of a file", got, fix, f"{self.path}, <{tag}>"))
