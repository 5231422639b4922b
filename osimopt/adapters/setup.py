"""Setup files of OpenSim's AnalyzeTool with a StaticOptimization, read into plain settings.

Names and defaults are those of OpenSim 4.6; ``<defaults>`` blocks and the names of older versions are understood, and
relative paths start at the setup file's folder, as in OpenSim.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from ..errors import ConfigError, explain, some
from .model import find_file, parse_xml

WHAT = "a setup file of OpenSim's AnalyzeTool (.xml)"
#: Settings of OpenSim's optimizer and integrator, which have no counterpart here: kept for the record only.
UNUSED = (
    "optimizer_convergence_criterion",
    "optimizer_max_iterations",
    "solve_for_equilibrium_for_auxiliary_states",
    "in_degrees",
)
#: Names of earlier versions.
ALIASES = {
    "force_set_files": ("actuator_set_files",),
    "replace_force_set": ("replace_actuator_set",),
    "use_model_force_set": ("use_model_actuator_set",),
}


@dataclass(frozen=True)
class Setup:
    """Settings of a setup file; paths are absolute, times in s.

    ``motion`` is the coordinates file or the states file, which then is ``speeds`` too. ``lowpass_hz`` is None for
    no filter. ``skipped`` are sentences on parts of the file without effect.
    """

    path: Path
    name: str
    analysis: str
    model: Path
    force_sets: tuple[Path, ...]
    replace_force_set: bool
    motion: Path
    speeds: Path | None
    external_loads: Path | None
    lowpass_hz: float | None
    start: float
    end: float
    step_interval: int
    exponent: float
    muscle_physiology: bool
    precision: int
    results: Path
    unused: dict[str, str]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class _Properties:
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


def read_setup(path: str | os.PathLike[str]) -> Setup:
    """Read and check a setup file.

    Raises
    ------
    ConfigError
        Another tool's setup, no StaticOptimization in it or one without the model's forces, a file that does not exist,
        a value of the wrong kind; with file and tag.
    InputError
        No such file, or not XML.
    """
    path = Path(path).resolve()
    root = parse_xml(path, WHAT)
    tool = _properties(path, root, _tool(path, root))
    element, others = _static_optimization(path, tool.sources[0])
    analysis = _properties(path, root, element)
    if not analysis.flag("use_model_force_set", True):
        fix = "Set it to true, or use OpenSim's InverseDynamicsTool (OpenSim 4.6 itself crashes here)."
        raise ConfigError(explain("true: muscles share the moments", "false", fix, f"{path}, <use_model_force_set>"))
    model = tool.file("model_file")
    if model is None:
        raise tool.wrong("model_file", "a model", tool.text("model_file"), "Name the .osim.")
    motion, speeds, lowpass, skipped = _motion(tool)
    if others:
        skipped.append(f"Other analyses in the setup file are skipped: {some(others)}.")
    if tool.sources[0].find("ControllerSet/objects/*") is not None:
        skipped.append("Controllers in the setup file are skipped: static optimization finds the controls itself.")
    return Setup(
        path=path,
        name=tool.sources[0].get("name", ""),
        analysis=element.get("name") or "StaticOptimization",
        model=model,
        force_sets=tool.files("force_set_files"),
        replace_force_set=tool.flag("replace_force_set", False),
        motion=motion,
        speeds=speeds,
        external_loads=tool.file("external_loads_file"),
        lowpass_hz=lowpass,
        start=tool.number("initial_time", 0.0, infinite=True),
        end=tool.number("final_time", 1.0, infinite=True),
        step_interval=analysis.count("step_interval", 1),
        exponent=analysis.number("activation_exponent", 2.0),
        muscle_physiology=analysis.flag("use_muscle_physiology", True),
        precision=tool.count("output_precision", 8),
        results=(path.parent / (tool.text("results_directory").replace("\\", "/") or ".")).resolve(),
        unused={tag: text for tag in UNUSED for one in (tool, analysis) if (text := one.text(tag))},
        skipped=tuple(skipped),
    )


def _tool(path: Path, root: Element) -> Element:
    found = root if root.tag == "AnalyzeTool" else root.find("AnalyzeTool")
    if found is not None:
        return found
    inside = root.tag
    if root.tag == "OpenSimDocument":
        inside = next((child.tag for child in root if child.tag != "defaults"), "nothing in it")
    fix = "Only static optimization is run here; let OpenSim run the others."
    raise ConfigError(explain(f"{WHAT} with an <AnalyzeTool>", f"<{inside}>", fix, path))


def _properties(path: Path, root: Element, element: Element) -> _Properties:
    default = root.find(f"defaults/{element.tag}")
    return _Properties(path, (element,) if default is None else (element, default))


def _static_optimization(path: Path, tool: Element) -> tuple[Element, list[str]]:
    """The one StaticOptimization that is switched on, and the names of the other analyses."""
    found = tool.find("AnalysisSet/objects")
    analyses = [] if found is None else list(found)
    wanted = [one for one in analyses if one.tag == "StaticOptimization"]
    on = [one for one in wanted if (one.findtext("on") or "true").strip().lower() in ("true", "1")]
    others = [f"{one.tag} '{one.get('name', '')}'" for one in analyses if one.tag != "StaticOptimization"]
    if len(on) != 1:
        got = f"{len(on)}" if on else "one switched off" if wanted else f"{some(others)}" if others else "no analysis"
        fix = "Switch one on (<on> true)." if wanted else "Add it to <AnalysisSet>, or let OpenSim run the others."
        raise ConfigError(explain("one StaticOptimization", got, fix, f"{path}, <AnalysisSet>"))
    return on[0], others


def _motion(tool: _Properties) -> tuple[Path, Path | None, float | None, list[str]]:
    """Motion, speeds and low-pass; as in OpenSim a states file comes before the others and is not filtered."""
    states, coordinates = tool.file("states_file"), tool.text("coordinates_file")
    cutoff = tool.number("lowpass_cutoff_frequency_for_coordinates", -1.0)
    if states is not None:
        ignored = [tag for tag in ("coordinates_file", "speeds_file") if tool.text(tag) not in ("", "Unassigned")]
        skipped = [f"<{tag}> is not used, because <states_file> is given." for tag in ignored]
        if cutoff >= 0.0:
            skipped.append("The low-pass filter is not used: as in OpenSim it does not apply to a <states_file>.")
        return states, states, None, skipped
    motion = tool.file("coordinates_file")
    if motion is None:
        fix = "Name the motion in one of them."
        raise ConfigError(explain("a <coordinates_file> or a <states_file>", f"'{coordinates}'", fix, tool.path))
    return motion, tool.file("speeds_file"), cutoff if cutoff >= 0.0 else None, []
