"""Reactions of joints in solutions, of plain arrays: labels, words, findings, result folders, files."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import osimopt
from osimopt import InputError, RedundancyProblem, RedundancySolution, Result, read_problem, solve_static, write_problem
from osimopt.problem.reactions import JointReactions
from osimopt.solution.folder import write_pieces
from osimopt.solution.summary import Summary

MUSCLES = ("bic", "bra", "vas")
JOINTS = ("elbow_r", "knee_l", "hip_l")
BODIES = (("arm", "hand"), ("femur_l", "tibia_l"), ("pelvis", "femur_l"))
#: Of rounding, where the same sums are done in another order.
SAME = 1e-12


def reactions(frames: int = 4) -> JointReactions:
    """Of three joints, the first in 0, the last a muscle more than the knee."""
    random = np.random.default_rng(5)
    turned = np.linalg.qr(random.normal(size=(frames, 3, 2, 3, 3)))[0]
    return JointReactions(
        joints=JOINTS, bodies=BODIES, muscles=MUSCLES, actuators=(),
        pair_joint=np.array([0, 0, 1, 2, 2]), pair_source=np.array([0, 1, 2, 1, 2]),
        effect=random.normal(size=(frames, 5, 6)), constant=100.0 * random.normal(size=(frames, 3, 6)),
        rotation=turned, place=random.normal(size=(frames, 3, 2, 3)), origin=random.normal(size=(frames, 3, 2, 3)),
        body_weight=650.0,
    )  # fmt: skip


def problem(moments: tuple[float, ...] = (10.0, 12.0, 14.0, 16.0), **changes: Any) -> RedundancyProblem:
    """Three muscles about one coordinate, with reactions."""
    made = RedundancyProblem.from_arrays(
        [0.05, 0.04, 0.03], [1000.0, 500.0, 800.0], np.array(moments)[:, None], muscles=MUSCLES,
        coordinates=["flexion"], time=0.1 * np.arange(len(moments)),
    )  # fmt: skip
    return replace(made, reactions=reactions(len(moments)), **changes)


@pytest.fixture(scope="module")
def solution() -> RedundancySolution:
    """Frame 2 has failed."""
    return solve_static(problem((10.0, 12.0, 900.0, 16.0)), on_failure="return")


def test_columns_are_forces_by_opensims_labels(solution: RedundancySolution) -> None:
    known, table = reactions(), solution.joint_reactions(["hip_l", "elbow_r"])
    assert list(table)[:10:9] == ["hip_l_on_femur_l_in_ground_fx", "elbow_r_on_hand_in_ground_fx"]
    assert [label.rsplit("_", 1)[1] for label in table][:9] == ["fx", "fy", "fz", "mx", "my", "mz", "px", "py", "pz"]
    assert table.index.name == "time"
    assert table.attrs == {"body_weight_N": 650.0}
    force = solution.muscle_force
    hip = known.constant[:, 2] + known.effect[:, 3] * force[:, [1]] + known.effect[:, 4] * force[:, [2]]
    np.testing.assert_allclose(table.to_numpy()[:, :6], hip, rtol=SAME)
    np.testing.assert_array_equal(table.to_numpy()[:, 6:9], known.place[:, 2, 1])
    assert np.isnan(table.to_numpy()[2, [0, 5, 9, 14]]).all()


def test_the_parent_feels_the_opposite_in_its_own_axes(solution: RedundancySolution) -> None:
    """Action is minus reaction: about one point both wrenches add to zero, in any axes."""
    known, table = reactions(), solution.joint_reactions("knee_l", on="parent", frame="parent")
    assert table.columns[0] == "knee_l_on_femur_l_in_femur_l_fx"
    child = solution.joint_reactions("knee_l", frame="parent").to_numpy()
    axes, parent = known.rotation[:, 1, 0], table.to_numpy()
    np.testing.assert_allclose(parent[:, :3], -child[:, :3], rtol=SAME)
    away = np.einsum("tji,tj->ti", axes, known.place[:, 1, 1] - known.place[:, 1, 0])
    np.testing.assert_allclose(
        parent[:, 3:6] + child[:, 3:6] + np.cross(away, child[:, :3]), np.where(np.isnan(child[:, :3]), np.nan, 0.0),
        atol=1e-9,
    )  # fmt: skip
    place = np.einsum("tji,tj->ti", axes, known.place[:, 1, 0] - known.origin[:, 1, 0])
    np.testing.assert_allclose(parent[:, 6:], place, rtol=1e-9)


@pytest.mark.parametrize(
    ("given", "joints"),
    [(None, JOINTS), ("all", JOINTS), ("*_l", JOINTS[1:]), ("left", JOINTS[1:]),
     ("hip_l, elbow_r", ("hip_l", "elbow_r")), (("knee*", "elbow_r"), ("knee_l", "elbow_r")),
     ("hip_l,left", ("hip_l", "knee_l")), (("hip_l, knee_l", "elbow_r"), ("hip_l", "knee_l", "elbow_r"))],
)  # fmt: skip
def test_joints_by_name_pattern_or_side(solution: RedundancySolution, given: Any, joints: tuple[str, ...]) -> None:
    table = solution.joint_reactions(given)
    assert tuple(dict.fromkeys(label.split("_on_")[0] for label in table)) == joints


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"joints": "knee"},
            r"joints among elbow_r, .*, got knee. Did you mean knee_l\? The problem carries no others",
        ),
        ({"joints": ["elbow_r", "foot*"]}, r"a pattern that matches joints among elbow_r, .*, got foot\*"),
        ({"joints": []}, r"joints as names, patterns or a side, got \[\]"),
        ({"joints": "hip_l,"}, "names, patterns or a side of joints between commas, got 'hip_l,'"),
        ({"joints": 3}, "joints as names, patterns or a side, got 3"),
        ({"on": "Child"}, r"on among parent, child, got 'Child'. Did you mean child\?"),
        ({"frame": "tibia_l"}, "frame among ground, parent, child, got 'tibia_l'"),
    ],
)
def test_wrong_words(solution: RedundancySolution, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        solution.joint_reactions(**given)


def test_a_problem_without_reactions_and_without_a_model() -> None:
    bare = solve_static(replace(problem(), reactions=None))
    with pytest.raises(InputError, match=r"a problem with joint reactions, got one without a model\. Load it with"):
        bare.joint_reactions()
    assert Result.of(bare).joint_reactions is None
    assert Result.of(bare).joint_forces == {}


def test_reactions_of_other_frames_are_refused() -> None:
    with pytest.raises(InputError, match=r"constant joint reactions of shape \(3, 3, 6\), got \(4, 3, 6\)"):
        replace(problem((1.0, 2.0, 3.0)), reactions=reactions(4))


def test_they_move_with_the_problem(solution: RedundancySolution) -> None:
    some = problem().frames(slice(1, 3))
    np.testing.assert_array_equal(some.reactions.constant, reactions().constant[1:3])
    table = solve_static(problem()).joint_reactions()
    pd.testing.assert_frame_equal(solve_static(some).joint_reactions(), table.iloc[1:3])
    pd.testing.assert_frame_equal(solve_static(problem()).to("torch").joint_reactions(), table)
    pd.testing.assert_frame_equal(solve_static(problem().to("torch")).joint_reactions(), table, rtol=1e-6)
    assert problem().with_reserves(1.0).reactions is not None


def test_files_of_problems_keep_them_bit_by_bit(tmp_path: Path) -> None:
    path, known = write_problem(problem(), tmp_path / "problem.npz"), reactions()
    found = read_problem(path).reactions
    for own in fields(JointReactions):
        ours, theirs = getattr(known, own.name), getattr(found, own.name)
        assert np.array_equal(ours, theirs), own.name
        assert type(ours) is type(theirs), own.name
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    del header["problem"]["reactions"]  # as osimopt 0.2 wrote it
    np.savez(path, header=np.array(json.dumps(header)), **arrays)
    assert read_problem(path).reactions is None


def test_result_folders_have_them(solution: RedundancySolution, tmp_path: Path) -> None:
    folder = solution.write(tmp_path / "result")
    table, read = solution.joint_reactions(), Result.read(folder)
    for found in (osimopt.read_table(folder / "joint_reactions.sto"), read.joint_reactions):
        pd.testing.assert_frame_equal(found, table, check_flags=False, rtol=0.0)
    assert read.joint_reactions.attrs == table.attrs
    assert read.body_weight == 650.0
    assert list(read.joint_forces) == list(JOINTS)
    knee = table.filter(like="knee_l").to_numpy()[:, :3]
    np.testing.assert_allclose(read.joint_forces["knee_l"], np.linalg.norm(knee, axis=1), rtol=SAME)
    pd.testing.assert_frame_equal(Result.of(solution).joint_reactions, table)
    assert replace(solution, problem=replace(solution.problem, reactions=None)).write(folder, overwrite=True)
    assert not (folder / "joint_reactions.sto").exists()
    assert Result.read(folder).joint_reactions is None


def test_on_and_frame_are_those_of_the_problem(tmp_path: Path) -> None:
    seen = solve_static(replace(problem(), reactions=replace(reactions(), on="parent", frame="child")))
    found = Result.read(seen.write(tmp_path / "result"))
    pd.testing.assert_frame_equal(found.joint_reactions, seen.joint_reactions(on="parent", frame="child"), rtol=0.0)
    assert found.summary["joint_reactions"] == {
        "joints": list(JOINTS), "on": "parent", "frame": "child", "body_weight_N": 650.0
    }  # fmt: skip


def test_pieces_give_the_same_file(tmp_path: Path) -> None:
    whole = problem((10.0, 12.0, 900.0, 16.0))
    folder = solve_static(whole, on_failure="return").write(tmp_path / "whole")
    pieces = (solve_static(whole.frames(keep), on_failure="return") for keep in (slice(0, 1), slice(1, 4)))
    write_pieces(pieces, 4, tmp_path / "pieces")
    name = "joint_reactions.sto"
    assert (folder / name).read_bytes() == (tmp_path / "pieces" / name).read_bytes()
    whole, pieces = (Result.read(tmp_path / which) for which in ("whole", "pieces"))
    assert pieces.summary["peak_joint_force"] == whole.summary["peak_joint_force"]
    for joint, peak in pieces.summary["peak_joint_force"].items():
        size = pieces.joint_forces[joint]
        assert peak["N"] == pytest.approx(np.nanmax(size), abs=1e-3)
        assert peak["body_weights"] == pytest.approx(peak["N"] / 650.0, abs=1e-5)
        assert peak["time_s"] == pieces.time[np.nanargmax(size)]


def test_what_is_left_out_is_named() -> None:
    part = problem().part(muscles=["bic", "bra"])
    (text,) = [text for text in solve_static(part).findings() if "Joint reactions" in text]
    expected = "Joint reactions are without the force of muscles and actuators that are left out: "
    assert text == f"{expected}knee_l (vas), hip_l (vas)."
    assert not any("Joint reactions" in text for text in solve_static(problem()).findings())
    table = solve_static(part).joint_reactions("knee_l").to_numpy()
    np.testing.assert_array_equal(table[:, :6], reactions().constant[:, 1])


@pytest.mark.parametrize(("share", "told"), [(0.04, False), (0.06, True)])
def test_reserves_in_place_of_muscles(share: float, told: bool) -> None:
    """Beyond the limit of a reserve's share, their finding says what that means for reactions."""
    both = problem((10.0,), reserves=problem((10.0,)).with_reserves(10.0 * share, (1.0, 1.0)).reserves)
    summary = Summary.of(solve_static(both))
    codes = [finding.code for finding in summary.entries()]
    assert ("reactions_by_reserves" in codes) is ("reserves" in codes) is told
    without = Summary.of(solve_static(replace(both, reactions=None))).entries()
    assert "reactions_by_reserves" not in [finding.code for finding in without]
