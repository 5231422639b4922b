"""Muscles as De Groote muscles: against OpenSim's own operators and forces, and what is said and refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script

import osimopt
from osimopt.adapters.model import read_model
from osimopt.datasets import Example
from osimopt.errors import InputError, ModelError
from osimopt.muscle.conversion import degroote_parameters, use_degroote_muscles
from osimopt.muscle.degroote import DEFAULTS
from osimopt.muscle.forces import CLASSES, COMPUTED, rigid_tendon_gain
from osimopt.problem.arrays import MuscleGeometry, MuscleParameters
from osimopt.problem.problem import RedundancyProblem

Array = np.ndarray

THELEN, MILLARD, DEGROOTE = COMPUTED

#: What the forces are promised to agree to; absolute in maximum isometric forces, for where parts cancel.
RELATIVE, ABSOLUTE = 1e-10, 1e-13
#: Digits that OpenSim writes to a file.
WRITTEN = 1e-15
#: The options that `degroote_oracle.py` gives OpenSim's operators.
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "damped": {"ignore_passive_fiber_force": True, "fiber_damping": 0.05},
    "wide": {
        "ignore_tendon_compliance": True,
        "active_force_width_scale": 1.5,
        "passive_fiber_strain_at_one_norm_force": 0.55,
    },
}
#: Each model that OpenSim converted: from which model, with which options.
CONVERTED = {name: ("before", options) for name, options in OPTIONS.items()} | {"own_wide": ("own", OPTIONS["wide"])}


class Oracle:
    """Muscles as the worker describes them in each model, and OpenSim's tendon forces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with np.load(folder / "forces.npz") as arrays:
            self.says = dict(arrays)
        names = ("before", "own", *CONVERTED)
        self.muscles = {name: read_model(folder / f"{name}.osim").description.muscles for name in names}

    def problem(self, name: str) -> RedundancyProblem:
        """All muscles at OpenSim's lengths and speeds."""
        muscles = self.muscles[name]
        return problem_of(muscles, self.says["length"], self.says["speed"])


def problem_of(muscles: MuscleParameters, length: Array, speed: Array) -> RedundancyProblem:
    count = len(muscles.names)
    arm = np.full((length.size, 1, count), 0.03)
    bare = RedundancyProblem.from_arrays(arm, np.ones(count), np.zeros(length.size), muscles=muscles.names)
    lengths, speeds = (np.repeat(values[:, None], count, axis=1) for values in (length, speed))
    geometry = replace(bare.geometry, length=lengths, lengthening_speed=speeds)
    return replace(bare, geometry=geometry, parameters=muscles)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    folder = tmp_path_factory.mktemp("degroote")
    run_script(HERE / "degroote_oracle.py", folder, "models", cwd=folder)
    return Oracle(folder)


@pytest.mark.parametrize("name", CONVERTED)
def test_parameters_are_those_of_opensims_operators(oracle: Oracle, name: str) -> None:
    source, options = CONVERTED[name]
    found, _ = degroote_parameters(oracle.muscles[source], **options)
    expected = oracle.muscles[name]
    assert set(expected.classes) == {DEGROOTE} == set(found.classes)
    assert found.names == expected.names
    for field in ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "pennation_angle"):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=WRITTEN)
    for field in ("max_contraction_velocity", "min_control", "max_control"):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=WRITTEN)
    assert set(found.properties) == set(expected.properties) == set(DEFAULTS)
    for own, values in expected.properties.items():
        np.testing.assert_allclose(found.properties[own], values, rtol=WRITTEN, err_msg=own)


def test_the_muscles_of_the_oracle_differ_from_the_defaults(oracle: Oracle) -> None:
    """Or the test above would say little."""
    assert {MILLARD, THELEN} == set(oracle.muscles["before"].classes)
    for name in ("activation_time_constant", "default_activation", "fiber_damping", "tendon_strain_at_one_norm_force"):
        values = oracle.muscles["plain"].properties[name]
        assert np.ptp(values) > 0.0, name


@pytest.mark.parametrize("name", CONVERTED)
def test_forces_are_opensims_along_a_rigid_tendon(oracle: Oracle, name: str) -> None:
    source, options = CONVERTED[name]
    problem = oracle.problem(source)
    found = use_degroote_muscles(problem, **options)
    pulls = found.max_force > 0.0
    assert pulls.mean() > 0.6
    force = found.max_force * oracle.says["activation"][:, None] + found.passive_force
    strength = problem.parameters.max_isometric_force if problem.parameters is not None else None
    error = np.abs(force - oracle.says[name]) - RELATIVE * np.abs(oracle.says[name])
    assert (error[pulls] <= (ABSOLUTE * np.broadcast_to(strength, force.shape))[pulls]).all()


def test_damping_stays_where_passive_force_is_ignored(oracle: Oracle) -> None:
    problem = oracle.problem("before")
    still = use_degroote_muscles(problem, ignore_passive_fiber_force=True, fiber_damping=0.0)
    np.testing.assert_array_equal(still.passive_force, 0.0)
    damped = use_degroote_muscles(problem, ignore_passive_fiber_force=True, fiber_damping=0.05)
    lengthens = problem.geometry.lengthening_speed > 0.0
    taut = problem.geometry.length > problem.parameters.tendon_slack_length
    assert (damped.passive_force[lengthens & taut] > 0.0).all()
    assert (damped.passive_force[~lengthens] <= 0.0).all()
    assert not taut.all()
    np.testing.assert_array_equal(damped.passive_force[~taut], 0.0)


def test_where_a_fiber_would_push_it_does_not_and_that_is_said(oracle: Oracle) -> None:
    problem = oracle.problem("before")
    found = use_degroote_muscles(problem)
    gain = rigid_tendon_gain(found.parameters, problem.geometry.length, problem.geometry.lengthening_speed, "corrected")
    pushes = gain < 0.0
    assert pushes.any()
    np.testing.assert_array_equal(found.max_force, np.where(pushes, 0.0, gain))
    (said,) = [line for line in found.provenance["warnings"] if "push" in line]
    first = int(np.flatnonzero(pushes.any(axis=0))[0])
    assert f"{problem.muscles[first]} ({pushes[:, first].sum()} of {len(problem)} frames)" in said


def test_one_muscle_by_name(oracle: Oracle) -> None:
    before, name = oracle.muscles["before"], f"{THELEN}_2"
    plain, _ = degroote_parameters(before)
    switch = {"ignore_passive_fiber_force": {name: True}}
    found, said = degroote_parameters(before, active_force_width_scale={name: 1.3}, **switch)
    for own, value in (("active_force_width_scale", 1.3), ("ignore_passive_fiber_force", 1.0)):
        expected = np.where(np.array(before.names) == name, value, plain.properties[own])
        np.testing.assert_array_equal(found.properties[own], expected)
    assert "active_force_width_scale = 1.3 for 1 of 12 muscles (before: 1)" in said[-1]
    assert "ignore_passive_fiber_force = true for 1 of 12 muscles (before: false)" in said[-1]


def test_de_groote_muscles_stay(oracle: Oracle) -> None:
    own = oracle.muscles["own"]
    found, said = degroote_parameters(own)
    assert said == []
    for name in DEFAULTS:
        np.testing.assert_array_equal(found.properties[name], own.properties[name])
    twice, _ = degroote_parameters(degroote_parameters(oracle.muscles["before"])[0])
    for name, values in oracle.muscles["plain"].properties.items():
        np.testing.assert_allclose(twice.properties[name], values, rtol=WRITTEN)


def test_a_live_model_keeps_no_property_that_opensim_refuses_to_read(oracle: Oracle) -> None:
    """OpenSim writes optimal_force of De Groote muscles where all properties are written."""
    text = (oracle.folder / "own.osim").read_text()
    text = text.replace(f"</{DEGROOTE}>", f"<optimal_force>1</optimal_force></{DEGROOTE}>")
    assert text.count("<optimal_force>") == len(oracle.muscles["own"].names)

    class Live:
        def getName(self) -> str:  # noqa: N802
            return "live"

        def printToXML(self, path: str) -> bool:  # noqa: N802
            return Path(path).write_text(text) > 0

    assert read_model(Live()).description.muscles.names == oracle.muscles["own"].names
    (oracle.folder / "refused.osim").write_text(text)
    with pytest.raises(ModelError):
        read_model(oracle.folder / "refused.osim")


def test_classes_side_by_side(oracle: Oracle) -> None:
    """Properties that only some classes have are NaN for the others."""
    before, own = oracle.muscles["before"], oracle.muscles["own"]
    both = joined(before, own)
    found, said = degroote_parameters(both)
    for name in DEFAULTS:
        expected = np.concatenate([oracle.muscles["plain"].properties[name], own.properties[name]])
        np.testing.assert_allclose(found.properties[name], expected, rtol=WRITTEN)
    assert len(said) == 2


def joined(first: MuscleParameters, second: MuscleParameters) -> MuscleParameters:
    names = dict.fromkeys([*first.properties, *second.properties])
    absent = [np.full(len(part.names), np.nan) for part in (first, second)]
    parts = list(zip((first, second), absent, strict=True))
    fields = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "pennation_angle")
    fields += ("max_contraction_velocity", "min_control", "max_control")
    return MuscleParameters(
        names=first.names + second.names,
        classes=first.classes + second.classes,
        **{field: np.concatenate([getattr(first, field), getattr(second, field)]) for field in fields},
        properties={n: np.concatenate([part.properties.get(n, none) for part, none in parts]) for n in names},
    )


def test_what_changed_is_said_with_numbers(oracle: Oracle) -> None:
    _, said = degroote_parameters(oracle.muscles["before"], active_force_width_scale=1.5)
    assert len(said) == 3
    assert said[0].startswith(
        "6 Thelen2003Muscle muscles were converted to DeGrooteFregly2016Muscle as by OpenSim. Kept"
    )
    assert "KshapeActive" in said[0]
    assert "passive force–length" in said[0]
    assert said[1].startswith("6 Millard2012EquilibriumMuscle muscles were converted to")
    assert ["damping, strains" in text for text in said[:2]] == [False, True]
    assert said[2].endswith("active_force_width_scale = 1.5 for all muscles (before: 1).")
    _, ignored = degroote_parameters(oracle.muscles["before"], ignore_passive_fiber_force=True)
    assert "passive force–length" not in ignored[0]


def test_what_stays_as_it_was_is_not_said(oracle: Oracle) -> None:
    before = oracle.muscles["before"]
    name = f"{THELEN}_2"
    _, plain = degroote_parameters(before)
    _, said = degroote_parameters(before, active_force_width_scale=1.0)
    assert said == plain
    _, one = degroote_parameters(before, active_force_width_scale=dict.fromkeys(before.names, 1.0) | {name: 1.2})
    assert one[-1].endswith("active_force_width_scale = 1.2 for 1 of 12 muscles (before: 1).")


def test_largest_change_of_a_curve() -> None:
    """One Thelen muscle, whose active curve has a closed form."""
    found, said = degroote_parameters(thelen())
    x = np.linspace(0.5, 1.5, 101)
    bells = osimopt.muscle.degroote.active_force_length(x, found.properties["active_force_width_scale"])
    change = bells - np.exp(-((x - 1.0) ** 2) / 0.45)
    worst = np.abs(change).argmax()
    assert f"active force–length {change[worst]:+.2f} (one at {x[worst]:.2f})" in said[0]


def thelen(**properties: float) -> MuscleParameters:
    values = dict.fromkeys(CLASSES[THELEN].needed, 0.5) | {"KshapeActive": 0.45, "Flen": 1.4, "FmaxTendonStrain": 0.033}
    values |= {"fv_linear_extrap_threshold": 0.95, **properties}
    numbers = (1000.0, 0.1, 0.2, 0.1, 10.0, 0.01, 1.0)
    return MuscleParameters(
        ("one",),
        (THELEN,),
        *(np.array([number]) for number in numbers),
        properties={name: np.array([value]) for name, value in values.items()},
    )


def test_what_parameters_do_not_say() -> None:
    found, _ = degroote_parameters(thelen())
    assert found.properties["activation_time_constant"] == DEFAULTS["activation_time_constant"]
    assert found.properties["tendon_strain_at_one_norm_force"] == 0.033
    with pytest.raises(ModelError, match="tendon_strain_at_one_norm_force of every muscle, got none of one"):
        degroote_parameters(thelen(FmaxTendonStrain=np.nan))
    without = replace(thelen(), properties={"FmaxTendonStrain": np.array([0.04])})
    with pytest.raises(ModelError, match="passive_fiber_strain_at_one_norm_force of every muscle"):
        degroote_parameters(without)


def test_other_classes_are_refused_by_name(oracle: Oracle) -> None:
    muscles = oracle.muscles["before"]
    odd = replace(muscles, classes=("RigidTendonMuscle", *muscles.classes[1:]))
    with pytest.raises(ModelError, match=f"got RigidTendonMuscle '{muscles.names[0]}'. Make them"):
        degroote_parameters(odd)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"active_force_width_scale": 0.9}, r"active_force_width_scale: expected a number ≥ 1, .*got 0\.9"),
        ({"active_force_width_scale": True}, "got True"),
        ({"active_force_width_scale": "1.5"}, "got '1.5'"),
        ({"fiber_damping": -0.1}, "a number ≥ 0"),
        ({"fiber_damping": np.nan}, "got nan"),
        ({"tendon_strain_at_one_norm_force": 0.0}, "a number above 0"),
        ({"passive_fiber_strain_at_one_norm_force": np.inf}, "got inf"),
        ({"ignore_passive_fiber_force": 1}, "True or False"),
        ({"ignore_tendon_compliance": {"one": 0.0}}, "ignore_tendon_compliance of 'one': expected True or False"),
        ({"fiber_damping": {"two": 0.1}}, "expected muscles of fiber_damping among one, got two"),
        ({"damping": 0.1}, "options among ignore_passive_fiber_force, .*got damping"),
    ],
)
def test_options_that_are_wrong(options: Mapping[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        degroote_parameters(thelen(), **options)


def test_numpys_numbers_are_numbers() -> None:
    found, _ = degroote_parameters(
        thelen(), fiber_damping=np.float32(0.5), active_force_width_scale=np.int64(2), ignore_tendon_compliance=np.True_
    )
    names = ("fiber_damping", "active_force_width_scale", "ignore_tendon_compliance")
    assert [found.properties[name][0] for name in names] == [0.5, 2.0, 1.0]


def test_a_problem_from_files(arm: Example) -> None:
    problem = osimopt.load_problem(arm.model, arm.motion)
    before = {**problem.provenance, "warnings": list(problem.provenance["warnings"])}
    widths = {problem.muscles[0]: 1.2}
    found = use_degroote_muscles(problem, active_force_width_scale=widths, fiber_damping=0.01)
    assert problem.provenance == before  # it was not changed
    assert found.provenance["muscles"] == {"active_force_width_scale": widths, "fiber_damping": 0.01}
    assert found.provenance["warnings"][: len(before["warnings"])] == before["warnings"]
    assert sum("converted to DeGrooteFregly2016Muscle" in line for line in found.provenance["warnings"]) == 1
    assert set(found.parameters.classes) == {DEGROOTE}
    for name in ("time", "generalized_force", "lower", "upper", "pcsa", "weights", "reserves", "geometry"):
        assert getattr(found, name) is getattr(problem, name)
    again = use_degroote_muscles(found, active_force_width_scale=widths, fiber_damping=0.01)
    np.testing.assert_array_equal(again.max_force, found.max_force)
    osimopt.solve_static(found)


def test_a_problem_without_a_model_is_refused(oracle: Oracle) -> None:
    with pytest.raises(InputError, match=r"a problem without parameters\. Make it with osimopt.load_problem"):
        use_degroote_muscles(RedundancyProblem.from_arrays([0.1], [100.0], 5.0))
    problem = oracle.problem("before")
    geometry: MuscleGeometry = replace(problem.geometry, length=None, lengthening_speed=None)
    with pytest.raises(InputError, match="one without lengths and speeds"):
        use_degroote_muscles(replace(problem, geometry=geometry))


@dataclass(frozen=True)
class Shifted:
    """A source of problems: the first one, told later."""

    problem: RedundancyProblem

    def at(self, times: Array) -> RedundancyProblem:
        return replace(self.problem.frames(slice(0, len(times))), time=times)


@dataclass(frozen=True, eq=False, repr=False)
class Sourced(RedundancyProblem):
    """A problem that knows where others like it come from."""

    source: Any = None


def test_problems_at_other_times_are_converted_too(oracle: Oracle) -> None:
    problem = oracle.problem("before")
    values = {field.name: getattr(problem, field.name) for field in fields(problem)}
    options = {"active_force_width_scale": 1.5, "ignore_passive_fiber_force": {f"{THELEN}_1": True}}
    times = np.array([7.0, 8.0, 9.5])
    whole = use_degroote_muscles(Sourced(**{**values, "source": Shifted(problem)}), **options)
    at = whole.source.at(times)
    np.testing.assert_array_equal(at.time, times)
    np.testing.assert_array_equal(at.max_force, whole.max_force[:3])
    np.testing.assert_array_equal(at.passive_force, whole.passive_force[:3])
    assert at.provenance["muscles"] == options
    assert use_degroote_muscles(Sourced(**{**values, "source": None}), **options).source is None
