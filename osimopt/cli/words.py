"""Messages for the command line: what Python calls by a keyword has an option there."""

from __future__ import annotations

import re

#: Keywords of the library that are options of a command, by their other name where they have one.
OPTIONS = {
    name: "--" + name.replace("_", "-")
    for name in (
        "cache", "cost", "derivative_penalty", "device", "exponent", "external_loads", "gain",
        "generalized_force", "geometry", "initial_activation", "initial_guess", "lowpass_hz", "max_iterations",
        "max_order", "max_refinements", "mesh_interval", "mesh_tolerance", "moment_arms", "overwrite",
        "periodic", "pose", "postures", "reserves", "solver", "tendon", "time_constants", "time_range",
        "transcription", "values", "weights", "weld",
    )
} | {
    "n_jobs": "--jobs",
    "active_force_width_scale": "--active-width",
    "ignore_passive_fiber_force": "--no-passive-fiber-force",
}  # fmt: skip
#: Those that are no words of English; the others are keywords only before an equals sign.
BARE = tuple(name for name in OPTIONS if "_" in name and name != "moment_arms")

_VALUE = r"\((?P<items>[^()=]*)\)|'(?P<text>[^']*)'|(?P<word>\w[\w.]*\w|\w)|"
_ASSIGNED = re.compile(rf"(?<![\w./\\-])(?P<name>{'|'.join(OPTIONS)})=(?:{_VALUE})")
_BARE = re.compile(rf"(?<![\w./\\-])(?P<name>{'|'.join(BARE)})(?![\w/\\=-]|\.\w)")


#: Options of De Groote muscles, of which the commands have two.
_MUSCLES = re.compile(r"(?<![\w./\\-])muscles=\{(?:[^{}]|\{[^{}]*\})*\}")


def in_options(text: str) -> str:
    """Say ``--weld hip_r --weld hip_l`` for ``weld=('hip_r', 'hip_l')``; names of files stay as they are."""
    text = text.replace("overwrite=True (--overwrite)", "--overwrite")
    text = _MUSCLES.sub(_as_muscle_option, text)
    return _BARE.sub(lambda found: OPTIONS[found["name"]], _ASSIGNED.sub(_as_option, text))


def _as_muscle_option(found: re.Match[str]) -> str:
    passive = "ignore_passive_fiber_force"
    return OPTIONS[passive] if passive in found[0] else f"{found[0]} in Python"


def _as_option(found: re.Match[str]) -> str:
    option = OPTIONS[found["name"]]
    if found["items"] is not None:
        items = [item.strip().strip("'") for item in found["items"].split(",") if item.strip()]
        if found["name"] in ("time_range", "time_constants"):
            return f"{option} {' '.join(items).upper()}"
        return " ".join(f"{option} {item}" for item in items)
    given = found["text"] if found["text"] is not None else found["word"]
    if given in (None, "True"):
        return option
    return f"{option} {'none' if given == 'None' else given}"
