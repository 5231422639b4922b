"""Parts of a body (one leg, one joint): compared with the whole body and with OpenSim."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import osimopt
from osimopt import InputError, ModelError, RedundancyProblem, load_problem, solve_dynamic, solve_static
from osimopt.adapters.load import open_trial
from osimopt.adapters.options import ReadOptions
from osimopt.files.storage import read_table, time_table, write_table
from osimopt.problem.part import PartSource
from osimopt.solution.checks import Check, checks_of
from osimopt.solution.folder import write_arrays
from osimopt.solution.opensim_inputs import opensim_tables
from osimopt.solution.reader import Result
from osimopt.solution.summary import Summary

#: Seconds of the two-leg motion that are read.
TIMES = (0.1, 0.2)
#: N, of forces up to thousands: two solves of the same frames.
SAME = 1e-6


@pytest.fixture(scope="module")
def whole(two_leg: Any) -> RedundancyProblem:
    return load_problem(two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES)


@pytest.fixture(scope="module")
def left(two_leg: Any) -> RedundancyProblem:
    return load_problem(two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES, coordinates="left")


def columns(whole: RedundancyProblem, part: RedundancyProblem) -> list[int]:
    return [whole.muscles.index(name) for name in part.muscles]


def named(solution: Any) -> dict[str, Check]:
    return {check.name: check for check in Summary.of(solution).checks()}


def test_one_leg_alone_has_the_forces_of_the_whole(whole: RedundancyProblem, left: RedundancyProblem) -> None:
    assert left.coordinates == ("hip_flexion_l", "hip_adduction_l", "knee_angle_l", "ankle_angle_l")
    assert len(left.muscles) == 10
    both, alone = solve_static(whole), solve_static(left)
    assert np.abs(both.muscle_force[:, columns(whole, left)] - alone.muscle_force).max() < SAME
    assert alone.muscle_force.max() > 100.0


def test_a_part_of_the_problem_is_the_part_that_is_read(whole: RedundancyProblem, left: RedundancyProblem) -> None:
    part = whole.part("left")
    assert part.provenance["part"] == left.provenance["part"]
    assert part.reserves.names == left.reserves.names
    for name in ("max_force", "generalized_force", "moment_arm", "upper", "pcsa"):
        np.testing.assert_allclose(getattr(part, name), getattr(left, name), rtol=1e-12, atol=1e-12)


def test_what_is_left_out_is_listed(left: RedundancyProblem) -> None:
    known = left.provenance["part"]
    assert len(known["coordinates"]) == 10
    assert len(known["muscles"]) == 10
    assert all(name.endswith("_r") for name in known["muscles"])
    (text,) = [line for line in solve_static(left).findings() if "are balanced" in line]
    assert text.startswith("4 of 14 coordinates are balanced, by 10 of 20 muscles. Left out of the balance: pelvis_t")


def test_nothing_is_extracted_for_muscles_without_force(two_leg: Any) -> None:
    options = ReadOptions(two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES, coordinates="left")
    trial = open_trial(replace(options, geometry="opensim"))
    assert open_trial(options).problem().muscles == trial.problem().muscles
    names = trial.model.description.muscles.names
    assert {names[index] for index in trial.extraction.choice.pairs.muscle} == set(trial.problem().muscles)
    assert not trial.extraction.choice.pairs.spanned[
        :, [index for index, name in enumerate(names) if name.endswith("_r")]
    ].any()


def test_checks_say_what_they_cannot_judge(whole: RedundancyProblem, left: RedundancyProblem) -> None:
    found = named(solve_static(left))
    assert found["loads cover"].passes is True
    for name, listed in (("residual force", "pelvis_tx"), ("residual moment", "pelvis_tilt")):
        assert found[name].verdict == "not known"
        assert found[name].found.startswith(f"not balanced: {listed}")
    assert found["largest reserve"].passes is not None
    some_base = named(solve_static(whole.part(["*_l", "pelvis_tx"])))["residual force"]
    assert "pelvis_tx at" in some_base.found
    assert some_base.found.endswith(", not balanced: pelvis_ty, pelvis_tz")
    assert named(solve_static(whole))["residual force"].passes is not None


def test_the_forces_of_a_part_are_put_back_into_opensim(
    left: RedundancyProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    solution = solve_static(left)
    assert solution.provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-9
    verify = left.source.verify  # type: ignore[union-attr]
    for wrong in (
        replace(solution, reserve_control=solution.reserve_control + 0.5),
        replace(solution, activation=solution.activation + 0.01),
    ):
        # What the solution says it misses is no excuse where it lies about it.
        lying = type("Lying", (type(wrong),), {"moment_residual": property(lambda _: solution.moment_residual)})
        forged = lying(**{own.name: getattr(wrong, own.name) for own in fields(wrong)})
        with pytest.raises(ModelError, match="forces that give the motion's accelerations") as raised:
            verify(forged)
        assert "_l'" in str(raised.value)  # on a coordinate that is balanced
    monkeypatch.setattr(PartSource, "missing", lambda *given: {})
    with pytest.raises(ModelError, match="forces that give the motion's accelerations"):
        verify(solution)


def test_actuators_of_the_model_that_act_on_both(two_leg: Any) -> None:
    """A torque on the left thigh acts on the pelvis too, where the check has to allow for it."""
    left = load_problem(two_leg.model, two_leg.motion, two_leg.loads, time_range=TIMES, coordinates="left")
    assert "thigh_torque" in left.reserves.names
    assert "hip_flexion_r_reserve" in left.provenance["part"]["actuators"]
    for part in (left, left.part("knee_angle_l")):  # and of a part of a part
        found = solve_static(part).provenance["self_check"]["solution"]
        assert found["largest_difference"]["accelerations"] < 1e-9


def test_left_out_coordinates_held_by_residuals(
    two_leg: Any, left: RedundancyProblem, tmp_path: Path, whole: RedundancyProblem
) -> None:
    held = load_problem(
        two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES, coordinates="left", left_out="residuals"
    )
    assert held.coordinates == whole.coordinates
    solution = solve_static(held)
    assert np.abs(solution.muscle_force - solve_static(left).muscle_force).max() < SAME
    assert solution.provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-9
    found = named(solution)
    assert found["residual force"].verdict == "not known"
    check = found["residuals of left-out coordinates"]
    peak = np.abs(held.generalized_force[:, list(held.coordinates).index("pelvis_tx")]).max()
    assert f"{peak:.3g} N (pelvis_tx at" in check.found
    assert found["largest reserve"].found == named(solve_static(left))["largest reserve"].found
    folder = solution.write(tmp_path / "held")
    few = np.arange(len(held)) < len(held) - 1
    for result in (Result.of(solution), Result.read(folder)):
        names = {one.name: one.found for one in checks_of(result, few)}
        assert names["residuals of left-out coordinates"].split(" at ")[0] == check.found.split(" at ")[0]


def test_opensims_tools_get_forces_that_give_the_accelerations(
    two_leg: Any, left: RedundancyProblem, tmp_path: Path
) -> None:
    """JointReaction computes accelerations from the forces: it must not get those of a part alone."""
    folder = solve_static(left).write(tmp_path / "left")
    assert not {"actuator_force.sto", "reserves.xml"} & {path.name for path in folder.iterdir()}
    held = load_problem(
        two_leg.model, two_leg.motion, two_leg.loads, time_range=TIMES, coordinates="left", left_out="residuals"
    )
    folder = solve_static(held).write(tmp_path / "held")
    forces = read_table(folder / "actuator_force.sto")
    everyone = load_problem(two_leg.model, two_leg.motion, two_leg.loads, time_range=TIMES, reserves=None).actuators
    assert set(everyone) <= set(forces.columns)
    assert (forces[held.provenance["part"]["muscles"]] == 0.0).all(axis=None)
    assert "residual_pelvis_ty" in (folder / "reserves.xml").read_text()


def test_muscles_alone(two_leg: Any) -> None:
    part = load_problem(two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES, muscles=["gastroc_l", "sol*_r"])
    assert part.muscles == ("soleus_r", "gastroc_l")
    assert set(part.coordinates) == {"knee_angle_l", "ankle_angle_l", "ankle_angle_r"}
    said = part.provenance["warnings"][-1]
    assert "3 of 14 coordinates are balanced, by 2 of 20 muscles." in said


def test_muscles_that_act_beyond_are_named(two_leg: Any) -> None:
    knee = load_problem(two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES, coordinates="knee_angle_l")
    assert set(knee.muscles) == {"rect_fem_l", "vasti_l", "hamstrings_l", "gastroc_l"}
    assert set(knee.provenance["part"]["acting_beyond"]) == {"rect_fem_l", "hamstrings_l", "gastroc_l"}
    assert "their moments are not balanced (3): " in knee.provenance["warnings"][-1]
    assert "accelerations" in solve_static(knee).provenance["self_check"]["solution"]["largest_difference"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"coordinates": "knee_l"}, r"expected coordinates among pelvis_tilt, .*, got knee_l\. Did you mean knee_"),
        ({"coordinates": "knee_beta_l"}, "expected free coordinates, got 'knee_beta_l', which is coupled. Give"),
        ({"muscles": ["gastrocs_l"]}, r"expected muscles among .*, got gastrocs_l\. Did you mean gastroc_l"),
        ({"muscles": ()}, r"expected muscles as names, patterns or a side, got \(\)"),
        ({"coordinates": ["pelvis_*"]}, "expected muscles with a moment arm about the coordinates, got none about pe"),
        ({"left_out": "none"}, "expected left_out among ignore, residuals, got 'none'"),
    ],
)
def test_wrong_names(two_leg: Any, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_problem(two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES, **given)


def test_a_model_without_sides(arm: Any) -> None:
    with pytest.raises(InputError, match=r"muscles of the left side, such as x_l or left_x, got none among TRIlong, "):
        load_problem(arm.model, arm.motion, time_range=(0.2, 0.3), muscles="left")


def test_the_elbow_alone(arm: Any) -> None:
    """Compared with the same arrays made by hand."""
    times = {"time_range": (0.2, 0.4)}
    elbow = load_problem(arm.model, arm.motion, coordinates="r_elbow_flex", **times)
    whole = load_problem(arm.model, arm.motion, **times)
    by_hand = RedundancyProblem.from_arrays(
        whole.moment_arm[:, 1:], whole.max_force, whole.generalized_force[:, 1:], bounds=(whole.lower, whole.upper),
        reserves=1.0, muscles=whole.muscles, coordinates=["r_elbow_flex"],
    )  # fmt: skip
    assert elbow.coordinates == ("r_elbow_flex",)
    assert elbow.muscles == whole.muscles
    solution = solve_static(elbow)
    assert np.abs(solution.activation - solve_static(by_hand).activation).max() < 1e-9
    assert solution.provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-6


@pytest.mark.slow
def test_the_elbow_alone_by_collocation(arm: Any) -> None:
    whole = load_problem(arm.model, arm.motion, time_range=(0.3, 0.6))
    names = ("r_elbow_flex", ["BIC*", "TRI*"])
    read = load_problem(arm.model, arm.motion, time_range=(0.3, 0.6), coordinates=names[0], muscles=names[1])
    options = {"muscles": {"ignore_passive_fiber_force": True}, "tendon": "rigid", "mesh_interval": 0.05}
    solutions = [
        solve_dynamic(part, **options)  # type: ignore[arg-type]
        for part in (read, whole.part(*names))
    ]
    assert [one.success for one in solutions] == [True, True]
    assert read.muscles == ("TRIlong", "TRIlat", "TRImed", "BIClong", "BICshort")
    assert np.abs(solutions[0].activation - solutions[1].activation).max() < 1e-9
    assert solutions[0].provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-6


def test_pieces_of_a_part_are_the_whole_of_it(two_leg: Any, left: RedundancyProblem, tmp_path: Path) -> None:
    summary, _ = osimopt.solve_to_folder(
        tmp_path / "left", two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES, coordinates="left", frames=8
    )
    forces = read_table(tmp_path / "left" / "muscle_force.sto")
    np.testing.assert_allclose(forces.to_numpy(), solve_static(left).muscle_force, atol=1e-6)
    written = json.loads((tmp_path / "left" / "solution.json").read_text())
    assert written["part"] == left.provenance["part"]
    assert written["options"]["coordinates"] == "left"
    assert sum("are balanced" in line for line in summary.findings()) == 1
    assert written["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-9


@pytest.mark.slow
def test_a_part_from_the_cache(two_leg: Any, tmp_path: Path) -> None:
    given = {"time_range": TIMES, "cache": tmp_path}
    first, again = (
        load_problem(two_leg.bare, two_leg.motion, two_leg.loads, coordinates="left", **given) for _ in range(2)
    )
    other = load_problem(two_leg.bare, two_leg.motion, two_leg.loads, coordinates="right", **given)
    assert again.source is None
    assert again.provenance["part"] == first.provenance["part"] != other.provenance["part"]
    assert again.muscles == first.muscles != other.muscles


def test_a_part_is_resampled_by_the_model(left: RedundancyProblem, whole: RedundancyProblem) -> None:
    times = left.time[:3] + 0.004
    made = left.resample(times)
    assert made.provenance["resampling"]["by"] == "model"
    expected = whole.resample(times).part("left")
    np.testing.assert_allclose(made.generalized_force, expected.generalized_force, atol=1e-9)
    np.testing.assert_allclose(made.moment_arm, expected.moment_arm, atol=1e-12)


@pytest.fixture
def without(two_leg: Any, whole: RedundancyProblem, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Motion and moments without some columns."""
    moments = write_arrays(whole, tmp_path / "arrays") / "generalized_force.sto"

    def cut(*names: str, motion: bool = True) -> dict[str, Any]:
        files = {"motion": two_leg.motion, "generalized_force": moments}
        for what in ("motion", "generalized_force") if motion else ("generalized_force",):
            table = read_table(files[what])
            files[what] = tmp_path / f"{what}.sto"
            degrees = bool(table.attrs["in_degrees"])
            kept = table.drop(columns=[name for name in names if name in table.columns])
            write_table(kept, files[what], name="generalized_force" if what != "motion" else "m", in_degrees=degrees)
        return files

    return cut


RIGHT = ("hip_flexion_r", "hip_adduction_r", "knee_angle_r", "ankle_angle_r")


def test_columns_of_left_out_coordinates_may_be_missing(
    two_leg: Any, left: RedundancyProblem, without: Callable[..., dict[str, Any]]
) -> None:
    with pytest.warns(UserWarning, match="no column for hip_flexion_r, .* which are left out; the model"):
        part = load_problem(two_leg.bare, **without(*RIGHT, "knee_beta_r"), time_range=TIMES, coordinates="left")
    assert np.abs(solve_static(part).muscle_force - solve_static(left).muscle_force).max() < 1e-3  # printed digits


def test_columns_that_muscles_cross_are_needed(two_leg: Any, without: Callable[..., dict[str, Any]]) -> None:
    files = without("hip_flexion_l")
    words = "column for every coordinate that the acting muscles cross, got none for 'hip_flexion_l', which .*hamstr"
    with pytest.warns(UserWarning, match="no column for hip_flexion_l"), pytest.raises(InputError, match=words):
        load_problem(two_leg.bare, **files, time_range=TIMES, coordinates="knee_angle_l")
    words = words.replace("hamstr", "")
    with pytest.warns(UserWarning, match="no column for hip_flexion_l"), pytest.raises(InputError, match=words):
        load_problem(two_leg.bare, **files, time_range=TIMES, muscles="*")
    with pytest.warns(UserWarning, match="no column for hip_flexion_l"):
        part = load_problem(two_leg.bare, **files, time_range=TIMES, coordinates="ankle*_l", muscles=["soleus_l"])
    assert part.muscles == ("soleus_l",)


def test_inverse_dynamics_needs_all_columns(two_leg: Any, without: Callable[..., dict[str, Any]]) -> None:
    motion = without(*RIGHT)["motion"]
    words = "got none for hip_flexion_r, .*left_out='residuals' also need coordinates that are left out"
    with pytest.raises(InputError, match=words):
        load_problem(two_leg.bare, motion, two_leg.loads, time_range=TIMES, coordinates="left")


def test_residuals_need_all_columns(two_leg: Any, without: Callable[..., dict[str, Any]]) -> None:
    """Joint power and OpenSim's tools take the motion of coordinates that residuals hold."""
    motion = {**without(), "motion": without(*RIGHT)["motion"]}
    with pytest.raises(InputError, match="a column for every free coordinate, got none for hip_flexion_r"):
        load_problem(two_leg.bare, **motion, time_range=TIMES, coordinates="left", left_out="residuals")


def test_moments_of_left_out_coordinates_are_not_read(two_leg: Any, without: Callable[..., dict[str, Any]]) -> None:
    files = without(*RIGHT, motion=False)
    table = read_table(files["generalized_force"])
    table["pelvis_tx"] = np.nan
    write_table(table, files["generalized_force"], name="generalized_force")
    part = load_problem(two_leg.bare, **files, time_range=TIMES, coordinates="left")  # without a warning
    found = named(solve_static(part))
    assert found["loads cover"].found == "moments from a file"
    assert found["residual force"].verdict == "not known"


def test_no_files_for_joint_reactions_where_moments_from_a_file_lack_coordinates(
    two_leg: Any, without: Callable[..., dict[str, Any]]
) -> None:
    """All that the file has is balanced, but forces about these coordinates alone give no accelerations."""
    with pytest.warns(UserWarning, match="no column for hip_flexion_r.*their balance is left out"):
        problem = load_problem(two_leg.bare, **without(*RIGHT, motion=False), time_range=TIMES)
    assert opensim_tables(solve_static(problem)) == {}


def test_a_leg_without_loads_is_warned_of(two_leg: Any, tmp_path: Path) -> None:
    """Its residuals would show it, but the pelvis is not balanced."""
    loads = tmp_path / "loads.xml"
    loads.write_text(two_leg.loads.read_text().replace("foot_r", "ground"))
    (tmp_path / "grf.mot").write_bytes(two_leg.grf.read_bytes())
    words = "No external load acts on the right side, which is balanced; external loads act on ground, foot_l."
    for source, part, warned in (
        (loads, {"coordinates": "right"}, True),
        (loads, {"muscles": ["soleus_r"]}, True),
        ((loads, read_table(two_leg.grf)), {"coordinates": "right"}, True),
        (loads, {"coordinates": "left"}, False),
        (loads, {"coordinates": "*"}, False),
    ):
        problem = load_problem(two_leg.bare, two_leg.motion, source, time_range=(0.1, 0.15), **part)
        assert (words in problem.provenance["warnings"]) is warned


@pytest.mark.slow
def test_one_leg_of_a_walk(real_data: Path) -> None:
    """80 muscles. The paths of gaslat leak onto the pelvis in OpenSim, by 0.3 mm, which couples the legs by 0.02 N."""
    folder = real_data / "walk_80muscles"
    names = ("walk_80muscles_with_reserves.osim", "coordinates_50hz.mot", "grf_walk.xml")
    files, times = [folder / name for name in names], {"time_range": (0.6, 1.0)}
    whole, left = load_problem(*files, **times), load_problem(*files, coordinates="left", **times)
    both, alone = solve_static(whole), solve_static(left)
    assert len(left.muscles) == 40
    assert np.abs(both.muscle_force[:, columns(whole, left)] - alone.muscle_force).max() < 0.1
    geometry = whole.geometry
    rows = [whole.coordinates.index(name) for name in left.coordinates]
    kept = geometry.crossing | np.isin(geometry.pair_coordinate, rows)
    pairs = {name: getattr(geometry, name)[kept] for name in ("pair_coordinate", "pair_muscle")}
    apart = replace(geometry, **pairs, moment_arms=geometry.moment_arms[:, kept], crossing=None)
    both = solve_static(replace(whole, geometry=apart))
    assert np.abs(both.muscle_force[:, columns(whole, left)] - alone.muscle_force).max() < SAME
    found = alone.provenance["self_check"]["solution"]
    assert found["largest_difference"]["accelerations"] < 1e-9


@pytest.mark.slow
def test_the_leg_with_loads_of_a_patient(real_data: Path) -> None:
    """Only the left foot's reaction is given: the pelvis and the right leg cannot be balanced."""
    folder = real_data / "knee_implant"
    files = [folder / name for name in ("GC5.osim", "GC5_ss1.mot", "GC5_ss1_loads.xml")]
    left = load_problem(*files, lowpass_hz=6, coordinates="left", time_range=(0.1, 0.9))
    solution = solve_static(left)
    found = named(solution)
    assert found["largest reserve"].passes is True
    assert found["residual force"].verdict == found["residual moment"].verdict == "not known"
    assert len(left.provenance["part"]["muscles"]) == 40
    assert {"pelvis_tx", "knee_angle_r"} <= set(left.provenance["part"]["coordinates"])
    assert "accelerations" in solution.provenance["self_check"]["solution"]["largest_difference"]


def test_reserves_on_left_out_coordinates_are_refused(two_leg: Any) -> None:
    words = "reserves on coordinates that are balanced, got hip_flexion_l"
    with pytest.raises(InputError, match=words):
        load_problem(
            two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES, coordinates="knee_angle_l",
            reserves={"hip_flexion_l": 5.0},
        )  # fmt: skip


def test_moments_that_a_file_lacks_are_left_out_too(two_leg: Any, tmp_path: Path) -> None:
    whole = load_problem(two_leg.bare, two_leg.motion, two_leg.loads, time_range=TIMES)
    knee = whole.generalized_force[:, [whole.coordinates.index("knee_angle_l")]]
    moments = time_table(whole.time, knee, ["knee_angle_l_moment"])
    given = {"generalized_force": moments, "time_range": TIMES, "coordinates": "knee_angle_l"}
    part = load_problem(two_leg.bare, two_leg.motion, **given)
    text = next(line for line in part.provenance["warnings"] if "are balanced" in line)
    assert text.startswith(f"1 of {len(whole.coordinates)} coordinates are balanced")
    assert "ankle_angle_l" in part.provenance["part"]["coordinates"]
