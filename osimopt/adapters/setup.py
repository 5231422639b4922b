"""Setup files of OpenSim's AnalyzeTool with a StaticOptimization or JointReactions, read into plain settings.

Names and defaults are those of OpenSim 4.6; ``<defaults>`` blocks and the names of older versions are understood, and
relative paths start at the setup file's folder, as in OpenSim.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from ..errors import ConfigError, explain, some
from .model import parse_xml
from .setup_properties import Properties
from .setup_reactions import ReactionAnalysis, read_reactions

WHAT = "a setup file of OpenSim's AnalyzeTool (.xml)"
#: Settings of OpenSim's optimizer and integrator, which have no counterpart here: kept for the record only.
UNUSED = (
    "optimizer_convergence_criterion",
    "optimizer_max_iterations",
    "solve_for_equilibrium_for_auxiliary_states",
    "in_degrees",
)

#: Analyses that are run.
RUN = ("StaticOptimization", "JointReaction")


@dataclass(frozen=True)
class Setup:
    """Settings of a setup file; paths are absolute, times in s.

    ``analysis`` is the name of the StaticOptimization, None where the forces of the ``reactions`` are from files; its
    settings are then the defaults. ``motion`` is the coordinates file or the states file, which then is ``speeds`` too.
    ``lowpass_hz`` is None for no filter. ``skipped`` are sentences on parts of the file without effect.
    """

    path: Path
    name: str
    analysis: str | None
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
    reactions: tuple[ReactionAnalysis, ...] = ()


def read_setup(path: str | os.PathLike[str]) -> Setup:
    """Read and check a setup file.

    Raises
    ------
    ConfigError
        Another tool's setup, neither a StaticOptimization nor a JointReaction in it, a StaticOptimization without the
        model's forces, a JointReaction without forces, a file that does not exist, a value of the wrong kind; with file
        and tag.
    InputError
        No such file, or not XML.
    """
    path = Path(path).resolve()
    root = parse_xml(path, WHAT)
    tool = _properties(path, root, _tool(path, root))
    element, reacting, others = _analyses(path, tool.sources[0])
    analysis = Properties(path, ()) if element is None else _properties(path, root, element)
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
    name = tool.sources[0].get("name", "")
    optimization = None if element is None else element.get("name") or "StaticOptimization"
    results = (path.parent / (tool.text("results_directory").replace("\\", "/") or ".")).resolve()
    ours = None if optimization is None else results / f"{name}_{optimization}_force.sto"
    reactions = tuple(read_reactions(one, _properties(path, root, one), ours) for one in reacting)
    names = [one.name for one in reactions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        fix = "Rename them: the second would take the place of the first one's file."
        raise ConfigError(explain("JointReactions of different names", f"two of {some(twice)}", fix, path))
    return Setup(
        path=path,
        name=name,
        analysis=optimization,
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
        results=results,
        unused={tag: text for tag in UNUSED for one in (tool, analysis) if (text := one.text(tag))},
        skipped=tuple(skipped),
        reactions=reactions,
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


def _properties(path: Path, root: Element, element: Element) -> Properties:
    default = root.find(f"defaults/{element.tag}")
    return Properties(path, (element,) if default is None else (element, default))


def _analyses(path: Path, tool: Element) -> tuple[Element | None, list[Element], list[str]]:
    """The StaticOptimization that is switched on, if any, the JointReactions, and the names of the other analyses."""
    found = tool.find("AnalysisSet/objects")
    analyses = [] if found is None else list(found)
    others = [f"{one.tag} '{one.get('name', '')}'" for one in analyses if one.tag not in RUN]
    wanted = [one for one in analyses if one.tag in RUN]
    on = [one for one in wanted if (one.findtext("on") or "true").strip().lower() in ("true", "1")]
    optimizations, reacting = ([one for one in on if one.tag == tag] for tag in RUN)
    if len(optimizations) > 1 or not on:
        got = f"{len(optimizations)}" if on else "all switched off" if wanted else some(others) or "no analysis"
        fix = "Switch one on (<on> true)." if wanted else "Add it to <AnalysisSet>, or let OpenSim run the others."
        expected = "one StaticOptimization, or JointReactions with a <forces_file>"
        raise ConfigError(explain(expected, got, fix, f"{path}, <AnalysisSet>"))
    return (optimizations[0] if optimizations else None), reacting, others


def _motion(tool: Properties) -> tuple[Path, Path | None, float | None, list[str]]:
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
