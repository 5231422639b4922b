"""Joint reactions as an option of reading: whole, in pieces, at other times, from a file, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from multibody_cases import four_bar

import osimopt
from osimopt.adapters.exact_reactions import reacting_joints
from osimopt.adapters.options import ReadOptions
from osimopt.adapters.trial import Trial
from osimopt.datasets import Example
from osimopt.errors import InputError, ModelError
from osimopt.paths.points import points_in_ground
from osimopt.paths.solve import SolvedPaths
from osimopt.problem.arrays import Kinematics
from osimopt.problem.reactions import JointReactions

pytestmark = pytest.mark.usefixtures("short_self_check")

#: N, N·m per N: rounding.
ROUNDING = 1e-13
ARRAYS = ("effect", "constant", "rotation", "place", "origin")


@pytest.fixture(scope="module")
def carrying(arm: Example) -> osimopt.RedundancyProblem:
    return osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.5), joint_reactions="all")


def reactions(problem: osimopt.RedundancyProblem) -> JointReactions:
    assert problem.reactions is not None
    return problem.reactions


def same(one: JointReactions, other: JointReactions, tolerance: float = 0.0) -> None:
    assert (one.joints, one.muscles, one.bodies) == (other.joints, other.muscles, other.bodies)
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0.0, atol=tolerance)


def test_what_a_problem_carries_is_what_its_model_gives(carrying: osimopt.RedundancyProblem, tmp_path: Path) -> None:
    known, bare = reactions(carrying), osimopt.load_problem(**read_again(carrying))
    assert bare.reactions is None
    same(known, reactions(bare.with_reactions()))
    same(known, reactions(osimopt.read_problem(osimopt.write_problem(carrying, tmp_path / "arm.npz"))))
    trial = carrying.source
    assert isinstance(trial, Trial)
    pieces = [reactions(piece) for piece in trial.pieces(8)]
    for name in ARRAYS:
        whole = np.concatenate([getattr(one, name) for one in pieces])
        np.testing.assert_allclose(whole, getattr(known, name), rtol=0.0, atol=ROUNDING)
    alone = pickle.loads(pickle.dumps(trial.piece(slice(8, 16)))).own_frames()
    same(reactions(alone), known.moved(lambda array: array[8:16]), ROUNDING)


def read_again(problem: osimopt.RedundancyProblem) -> dict:
    """The arguments with which a problem was read, but for joint_reactions."""
    options = problem.source.options  # type: ignore[union-attr]
    return {"model": options.model, "motion": options.motion, "time_range": options.time_range}


def test_at_other_times_reactions_are_the_models(carrying: osimopt.RedundancyProblem) -> None:
    times = carrying.time[4] + np.linspace(0.0, 0.1, 7)
    moved = carrying.resample(times)
    bare = osimopt.load_problem(**read_again(carrying)).resample(times)
    same(reactions(moved), reactions(bare.with_reactions()))
    part = carrying.part("r_elbow_flex")
    same(reactions(part.resample(times)), reactions(moved))
    name = carrying.muscles[0]
    weaker = part.source.reactions(carrying.frames(slice(3, 5)), ["r_elbow"])  # type: ignore[union-attr]
    assert weaker.joints == ("r_elbow",)
    assert name in weaker.muscles


def test_pulls_on_points_and_objects_have_the_same_resultant(carrying: osimopt.RedundancyProblem) -> None:
    """A second way: forces on each node of the paths, where they meet wrap objects too, one by one."""
    trial, known = carrying.source, reactions(carrying)
    assert isinstance(trial, Trial)
    chain = trial.extraction.chain
    assert chain is not None
    assert chain.reactions is not None
    paths, joints = chain.paths, chain.reactions.joints
    at, solved = paths.solve(trial.motion.value)
    every, _ = points_in_ground(paths.arrangement, at)
    assert every.shape[1] == len(paths.arrangement.body)
    assert any(one.touched.any() for one in solved)
    beyond, place = joints.beyond, np.moveaxis(known.place[:, :, 1], 0, -1)
    found = np.zeros((len(joints.names), len(paths.muscles), 6, len(carrying)))
    for one in solved:
        for node, body in enumerate(bodies_of_nodes(one)):
            for number, muscle in enumerate(one.bundle.rows.tolist()):
                force, here = one.pull[:, node, number], np.nan_to_num(one.place[:, node, number])
                for joint in np.flatnonzero(beyond[:, body[number]]).tolist():
                    moment = np.cross(here - place[joint], force, axis=0)
                    found[joint, muscle] -= np.concatenate([force, moment])
    dense = np.zeros_like(found)
    dense[known.pair_joint, known.pair_source] = np.moveaxis(known.effect, 0, -1)
    np.testing.assert_allclose(dense, found, rtol=0.0, atol=ROUNDING)


def bodies_of_nodes(solved: SolvedPaths) -> list[np.ndarray]:
    """Bodies (m,) of the nodes of paths: of the points, then of each object, twice."""
    objects = solved.bundle.object_body.T
    return [*solved.bundle.body.T, *(body for body in objects for _ in range(2))]


def test_names_are_checked_before_anything_is_computed(arm: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osimopt.adapters.load.read_motion", lambda *_, **__: pytest.fail("it read the motion"))
    with pytest.raises(InputError, match=r"joints among .*got r_elbo\. Did you mean r_elbow"):
        osimopt.load_problem(arm.model, arm.motion, joint_reactions="r_elbo")


def test_moments_from_a_file_do_not_tell_what_loads_act(arm: Example) -> None:
    with pytest.raises(InputError, match="the loads, with joint_reactions, got generalized_force"):
        ReadOptions(arm.model, arm.motion, generalized_force=arm.motion, joint_reactions="all")


def still(value: list[list[float]]) -> Kinematics:
    values = np.array(value)
    names = tuple("abc"[: values.shape[1]])
    return Kinematics(0.1 * np.arange(len(values)), names, values, 0.0 * values, 0.0 * values)


def test_joints_that_the_motion_leaves_open_are_left_out_with_a_warning_or_refused_by_name() -> None:
    multibody, motion = four_bar((0.2, 0.45, 0.3), 0.4), still([[0.4, 1.2, 1.0], [0.45, 1.2, 1.0]])
    with pytest.warns(UserWarning, match="the motion does not say how 'ring' load them: pin0, pin1, pin2"):
        assert reacting_joints(multibody, None, motion, [1, 2]).names == ()
    with pytest.warns(UserWarning, match="pin1"):
        assert reacting_joints(multibody, "pin*", motion, [1, 2]).names == ()
    with pytest.raises(ModelError, match="got pin1, in a loop whose forces 'ring' share with joints in any way"):
        reacting_joints(multibody, ["pin1"], motion, [1, 2])
