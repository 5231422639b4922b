"""A result in memory and one read back from its folder say the same; checks judge both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from emg_cases import walk

from osimopt import InputError, Result, solve_static
from osimopt.solution.checks import PEAK_FORCE, RESERVE_SHARE, Evidence, checks_of
from osimopt.solution.summary import Summary


def test_read_back(tmp_path: Path) -> None:
    solution = solve_static(walk())
    memory, read = Result.of(solution), Result.read(solution.write(tmp_path / "walk"))
    assert read.name == "walk"
    assert (read.muscles, read.coordinates, read.formula) == (memory.muscles, memory.coordinates, memory.formula)
    for name in ("time", "activation", "muscle_force", "generalized_force", "carried", "solved", "pcsa", "served"):
        np.testing.assert_allclose(getattr(read, name), getattr(memory, name), rtol=1e-12, err_msg=name)
    assert Result.of(read) is read
    assert dict(read.summary)["findings"] == memory.summary["findings"]
    assert repr(read) == "<Result walk: 1201 of 1201 frames solved, Σ a²>"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"solution\.json"):
        Result.read(tmp_path)
    folder = solve_static(walk()).write(tmp_path / "walk")
    (folder / "generalized_force.sto").unlink()
    with pytest.raises(InputError, match=r"no generalized_force\.sto"):
        Result.read(folder)
    folder = solve_static(walk()).write(folder, overwrite=True)
    lines = (folder / "status.csv").read_text().splitlines()
    (folder / "status.csv").write_text("\n".join(lines[:-3]))
    with pytest.raises(InputError, match="as many frames"):
        Result.read(folder)


def found(result: Result) -> dict[str, bool | None]:
    return {check.name: check.passes for check in checks_of(result)}


def judged(result: Result, **changes: object) -> Result:
    """A result whose checks are to be made anew, with another summary."""
    summary = {name: own for name, own in result.summary.items() if name != "checks"}
    return replace(result, summary={**summary, **changes})


def test_checks() -> None:
    result = Result.of(solve_static(walk()))
    assert found(result) == {"frames solved": True, "largest reserve": True, "residuals": None}
    assert found(replace(judged(result), solved=np.zeros(1201, dtype=bool)))["frames solved"] is False


def test_the_largest_reserve_is_named_with_its_share_and_time() -> None:
    """Peaks count, whatever their sign and time: 3 of 20 N·m, and 9 % on another coordinate."""
    moment, carried = np.array([[10.0, 1.0], [-20.0, 0.0]]), np.array([[1.0, 0.0], [-3.0, 0.09]])
    time, both = np.array([0.0, 0.5]), np.ones(2, dtype=bool)
    units = {"units": {"knee": "N·m"}}
    evidence = Evidence.of(time, both, ("knee", "hip"), both, moment, carried, units)
    (check,) = [check for check in evidence.checks() if check.name == "largest reserve"]
    assert check.found == "15 % of knee (3 of 20 N·m, at 0.5 s) and 1 more above the limit"
    assert (check.limit, check.passes, check.verdict) == ("≤ 5 % of its peak moment", False, "fails")


@pytest.mark.parametrize("strength", [1.0, 20.0, 100.0])
def test_checks_are_the_same_wherever_they_are_read(tmp_path: Path, strength: float) -> None:
    """In memory, in the folder, piece by piece, and made anew from the folder's arrays."""
    problem = walk().with_reserves(strength)
    whole = solve_static(problem)
    halves = [solve_static(problem.frames(slice(*ends))) for ends in ((0, 500), (500, 1201))]
    memory = Result.of(whole)
    read = Result.read(whole.write(tmp_path / "walk"))
    pieces = (Summary.of(halves[0]) + Summary.of(halves[1])).checks()
    assert checks_of(memory) == checks_of(read) == pieces == checks_of(judged(read))


@pytest.mark.parametrize("share", [0.049, 0.062, 0.12])
def test_one_limit_for_findings_and_checks(share: float) -> None:
    """Of two reserves on a coordinate their sum counts; a reserve of 6.2 % fails everywhere, or passes everywhere."""
    solution = solve_static(walk().with_reserves(100.0))
    evidence = Summary.of(solution).evidence
    size = evidence.moment.size * [share, 0.01]
    changed = replace(Summary.of(solution), evidence=replace(evidence, carried=replace(evidence.carried, size=size)))
    (check,) = [check for check in changed.checks() if check.name == "largest reserve"]
    assert check.passes is (share <= RESERVE_SHARE)
    assert any("reserve_ankle_angle_r" in line for line in changed.findings()) is not check.passes
    assert f"{100 * share:.3g} % of ankle_angle_r" in check.found


def test_residuals_are_those_of_the_floating_base() -> None:
    result = Result.of(solve_static(walk()))
    units = {"ankle_angle_r": "N", "knee_angle_r": "N·m"}
    base = judged(result, floating=["ankle_angle_r", "knee_angle_r"], units=units)
    passes = found(base)
    assert passes["residual force"] is bool(np.abs(base.generalized_force[:, 0]).max() <= PEAK_FORCE)
    assert passes["residual moment"] is True
    assert passes["loads cover"] is None, "nobody knows where the ground pushes"
    still = np.abs(base.generalized_force[:, 0]) < PEAK_FORCE
    assert {check.name: check.passes for check in checks_of(base, still)}["residual force"] is True
    assert found(judged(base, inputs={"external_loads": {}}))["loads cover"] is True


def test_no_frames_at_all() -> None:
    """As where no stride lies within what is compared."""
    result = Result.of(solve_static(walk()))
    nothing = np.zeros(len(result.time), dtype=bool)
    assert [check.found for check in checks_of(result, nothing)][:2] == ["0 of 0", "no frame solved"]
    assert isinstance(Summary.of(solve_static(walk())).evidence, Evidence)
