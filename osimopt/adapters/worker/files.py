"""Files that OpenSim reads and writes: class defaults, error messages, a model with reserves.

A file with <defaults>, a model or a ForceSet, changes OpenSim's class defaults for the life of the process: every file
that is read later and omits a property would get the value of another file. They are therefore restored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import opensim

from ...errors import ModelError, explain, some

#: Text in files that may change defaults: a section of defaults, or other files that are included.
_MARKS = (b"<defaults", b" file=")


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Context in which a file is read: OpenSim's class defaults are the same before and after it."""
    content = Path(path).read_bytes()
    if not any(mark in content for mark in _MARKS):  # copies of all classes take 25 ms
        yield
        return
    pristine = _pristine()
    try:
        yield
    finally:
        for instance in pristine:
            opensim.OpenSimObject.registerType(instance)


@lru_cache(maxsize=1)
def _pristine() -> list[Any]:
    """Copies of the default instances of all classes, before any file changed them."""
    names = opensim.ArrayStr()
    opensim.OpenSimObject.getRegisteredTypenames(names)
    known = [opensim.OpenSimObject.getDefaultInstanceOfType(names.get(index)) for index in range(names.getSize())]
    return [instance.clone() for instance in known if instance is not None]


def reason(text: str) -> str:
    """OpenSim's error message without the position in its source code."""
    return re.sub(r"\s*Thrown at .*|std::exception in '[^']*':", "", text).strip().rstrip(".")


def why_refused(path: str, text: str) -> str:
    """Message with file, part, rule and remedy, from OpenSim's error message."""
    if unknown := re.search(r"object type '\{?(\w+)\}?' is not a registered", text):
        names = re.findall(rf'<{unknown[1]}\s+name="([^"]*)"', Path(path).read_text(errors="replace"))
        got = f"{unknown[1]} ({some(names)})" if names else unknown[1]
        fix = "Replace it by a class that OpenSim has, or load its plugin's model in OpenSim and convert it."
        return explain("classes of OpenSim 4.6", got, fix, path)
    invalid = re.search(r"Property '(\w+)' has an invalid property value\.\s*\(details: (.*?)\)\.?\s", text, re.DOTALL)
    part = re.search(r"In (?:Component|Object) '([^']*)' of type (\w+)", text)
    if invalid and part:
        name = part[1].rsplit("/", 1)[-1]
        value = rf'name="{re.escape(name)}".*?<{invalid[1]}>(.*?)</'
        written = re.search(value, Path(path).read_text(errors="replace"), re.DOTALL)
        got = f"{written[1].strip()[:40] if written else 'a value that it refuses'} in {part[2]} '{name}'"
        fix = f"Edit <{invalid[1]}> of '{part[1]}' in the file; an older OpenSim accepted it."
        return explain(f"a valid <{invalid[1]}> ({invalid[2].strip().rstrip('.')})", got, fix, path)
    got = f"its refusal: {reason(text)}"
    return explain("a model that OpenSim 4.6 can build", got, "Repair the model in OpenSim.", path)


def write_reserve_model(
    source: str, target: str, weld: Sequence[str], residuals: tuple[float, float], reserve: float
) -> None:
    """Weld joints in the default pose, put ``residuals`` (N·m, N) on the free base and a reserve (N·m) elsewhere."""
    opensim.Logger.setLevelString("error")
    if not Path(source).is_file():
        raise ModelError(explain("a model (.osim)", "no such file", "Check the path.", source))
    with reading(source):
        processor = opensim.ModelProcessor(opensim.Model(source))
    joints = opensim.StdVectorString()
    for name in weld:
        joints.append(name)
    processor.append(opensim.ModOpReplaceJointsWithWelds(joints))
    processor.append(opensim.ModOpAddResiduals(residuals[0], residuals[1], 1.0))
    processor.append(opensim.ModOpAddReserves(reserve))
    model = processor.process()
    model.initSystem()
    model.printToXML(target)


#: Setters of a muscle, by parameter.
_SETTERS = {
    "max_isometric_force": "setMaxIsometricForce",
    "optimal_fiber_length": "setOptimalFiberLength",
    "tendon_slack_length": "setTendonSlackLength",
}
#: Property of the tendon's strain at one normalised force, by class.
_STRAINS = {
    "Thelen2003Muscle": "FmaxTendonStrain",
    "DeGrooteFregly2016Muscle": "tendon_strain_at_one_norm_force",
}


def write_muscle_parameters(source: str, target: str, values: dict[str, dict[str, float]]) -> None:
    """Write a model with these values of muscle parameters, by parameter and muscle; all else stays."""
    opensim.Logger.setLevelString("error")
    with reading(source):
        model = opensim.Model(source)
    model.finalizeFromProperties()
    muscles = {muscle.getName(): muscle for muscle in model.getMuscles()}
    for parameter, of in values.items():
        for name, value in of.items():
            if name not in muscles:
                got, fix = f"no '{name}' among {len(muscles)}", "Give the model that was calibrated."
                raise ModelError(explain("the calibrated muscles in the model", got, fix, source))
            if parameter == "tendon_strain":
                _set_strain(muscles[name], value, source)
            else:
                getattr(muscles[name], _SETTERS[parameter])(value)
    model.finalizeFromProperties()
    if not model.printToXML(target):
        raise ModelError(explain("a model that OpenSim can write", "its refusal", "Check the folder.", target))


def _set_strain(muscle: Any, strain: float, source: str) -> None:
    """Strain at one normalised force; a stiffness that the file gives keeps its product with it, and so the shape."""
    kind = muscle.getConcreteClassName()
    own = getattr(opensim, kind).safeDownCast(muscle)
    if kind in _STRAINS:
        opensim.PropertyHelper.setValueDouble(strain, own.updPropertyByName(_STRAINS[kind]))
        return
    if kind != "Millard2012EquilibriumMuscle":
        fix = "Calibrate without tendon_strain."
        raise ModelError(explain("a muscle whose tendon's strain can be set", f"{kind} '{own.getName()}'", fix, source))
    curve = own.upd_TendonForceLengthCurve()
    before = curve.get_strain_at_one_norm_force()
    given = curve.getPropertyByName("stiffness_at_one_norm_force").size() > 0
    stiffness, toe, bend = (
        curve.getStiffnessAtOneNormForceInUse(), curve.getNormForceAtToeEndInUse(), curve.getCurvinessInUse()
    )  # fmt: skip
    curve.set_strain_at_one_norm_force(strain)
    if given:
        curve.setOptionalProperties(stiffness * before / strain, toe, bend)
