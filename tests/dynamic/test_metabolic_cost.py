"""Metabolic rate in the objective: against its own integrals, differences, fewer watts, and wrong arguments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script
from limb_cases import limb

import osimopt
from osimopt import InputError, MetabolicCost, RedundancyProblem, solve_dynamic
from osimopt.muscle.metabolics import EXACT, PROBES, Effort, Smoothing, Tissue

#: kg.
BODY = 70.0


def swing(**options: Any) -> osimopt.DynamicSolution:
    given = {"time_range": (0.0, 0.8), "mesh_interval": 0.04, "initial_activation": "free"} | options
    return solve_dynamic(limb(121), **given)  # type: ignore[return-value]


def costing(probe: str, weight: float, **options: Any) -> MetabolicCost:
    return MetabolicCost(probe, weight, body_mass=BODY, **options)  # type: ignore[arg-type]


def efforts(count: int = 400) -> tuple[Effort, Tissue]:
    random = np.random.default_rng(3)
    level, activation = random.uniform(0.01, 1.0, (2, count))
    length, velocity = random.uniform(0.4, 1.7, count), random.uniform(-0.6, 0.6, count)
    active, passive = random.uniform(0.0, 900.0, count), random.uniform(0.0, 200.0, count)
    effort = Effort(level, activation, length, velocity, active, passive, np.exp(-5.0 * (length - 1.0) ** 2))
    return effort, Tissue(*(np.full(count, value) for value in (0.4, 0.4, 1000.0, 0.1, 10.0)))


# ------------------------------------------------------------------------------------------- the smooth rate


@pytest.mark.parametrize("probe", PROBES)
def test_the_smooth_rate_tends_to_the_probe(probe: str) -> None:
    effort, tissue = efforts()
    own = PROBES[probe]()
    exact = own.rate(effort, tissue)
    off = [
        np.abs(own.rate(effort, tissue, Smoothing(10.0 * k, 1.0 / k, 1.0 / k, 100.0 * k)) - exact).mean()
        for k in (1.0, 10.0, 1e4)
    ]
    assert off[0] > off[1] > off[2]
    assert off[0] < 0.1 * exact.mean()
    assert off[1] < 0.02 * exact.mean()
    np.testing.assert_array_equal(own.rate(effort, tissue, EXACT), exact)


# ------------------------------------------------------------------------------------------- in the objective


def test_the_program_has_the_objective_of_the_solution(tmp_path: Path) -> None:
    """Of elastic, rigid and mixed tendons, by both probes, and its gradient."""
    run_script(HERE / "metabolic_program.py", cwd=tmp_path)


@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
@pytest.mark.parametrize("probe", ["bhargava2004", pytest.param("umberger2010", marks=pytest.mark.slow)])
def test_as_the_objective_it_lowers_the_rate(probe: str, tendon: str) -> None:
    """The optimum of effort + w · rate has less rate and more effort, the more so the larger w."""
    found = [swing(tendon=tendon)]
    found += [swing(tendon=tendon, metabolic=costing(probe, weight)) for weight in (0.1, 10.0)]
    rates = [osimopt.metabolic_rate(one, probe, body_mass=BODY).attrs["mean_W_per_kg"] for one in found]  # type: ignore[arg-type]
    assert rates[0] > rates[1] > rates[2]
    others = [one.total_objective - one.integrals.get("metabolic", 0.0) for one in found]
    assert others[0] < others[1] < others[2]
    for weight, one in zip((0.1, 10.0), found[1:], strict=True):
        known = one.provenance["metabolic"]
        exact = known["mean_W_per_kg"] - known["basal_W_per_kg"]
        smooth = known["smooth_mean_W_per_kg"] - known["basal_W_per_kg"]
        assert smooth == pytest.approx(exact, rel=0.3)
        assert known["basal_W_per_kg"] == 1.2
        assert one.integrals["metabolic"] == pytest.approx(0.8 * weight * smooth, rel=0.05)  # Simpson, trapezoids


def test_neighbours_of_the_optimum_cost_more() -> None:
    """A solution that starts from the optimum of another weight ends at its own, below that one's objective."""
    few = swing(metabolic=costing("bhargava2004", 1.0))
    many = swing(metabolic=costing("bhargava2004", 2.0), initial_guess=few)
    at_few = few.total_objective + few.integrals["metabolic"]
    assert many.total_objective < at_few
    again = swing(metabolic=costing("bhargava2004", 1.0), initial_guess=many)
    assert again.total_objective == pytest.approx(few.total_objective, rel=1e-4)


def test_the_initial_activations_cost_heat() -> None:
    paid = swing(metabolic=costing("bhargava2004", 10.0), initial_activation="paid")
    free = swing(metabolic=costing("bhargava2004", 10.0))
    assert 0.0 < paid.integrals["start"] < paid.integrals["metabolic"]
    assert paid.activation[0].sum() < free.activation[0].sum()


@pytest.mark.slow
@pytest.mark.parametrize("transcription", ["trapezoidal", "hermite-simpson", "legendre-gauss-radau"])
@pytest.mark.parametrize("probe", PROBES)
def test_every_transcription_converges_with_nearly_nothing_else(probe: str, transcription: str) -> None:
    """Two seconds are solved in windows."""
    for weight in (1.0, 100.0):
        given = {"transcription": transcription, "time_range": (0.0, 2.4), "mesh_interval": 0.02}
        solution = swing(metabolic=costing(probe, weight), **given)
        assert solution.success
        assert solution.integrals["metabolic"] > 0.8 * solution.total_objective


def test_text_and_wrong_arguments() -> None:
    problem = limb(31)
    problem = replace(problem, provenance={**problem.provenance, "body_mass_kg": BODY})
    text = solve_dynamic(problem, "rigid", metabolic="umberger2010=0.5")
    same = solve_dynamic(problem, "rigid", metabolic=MetabolicCost("umberger2010", 0.5))
    np.testing.assert_array_equal(text.activation, same.activation)
    arrays = RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], [8.0, 12.0], time=[0.0, 0.2])
    for wrong, words, where in (
        ("walking=1", "umberger2010", problem), ("bhargava2004=much", "probe=weight", problem), (3, "text", problem),
        ("bhargava2004", "body mass", limb(31)), (costing("bhargava2004", 1.0), "read from a model", arrays),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            solve_dynamic(where, "rigid", metabolic=wrong)  # type: ignore[arg-type]
    for options in (
        {"weight": 0.0}, {"probe": "moco"}, {"slow_twitch": 2.0}, {"options": {"basal": True}},
        {"options": {"basal_rate_on": 1.0}}, {"smoothing": {"velocity": 0.0}}, {"density": -1.0},
    ):  # fmt: skip
        with pytest.raises(InputError):
            MetabolicCost(**options)  # type: ignore[arg-type]


def test_a_flag_of_dynamic_optimization() -> None:
    from osimopt.cli.solve import solve_options

    assert solve_options("dynamic", {"metabolic": "bhargava2004=10"}).metabolic == "bhargava2004=10"  # type: ignore[union-attr]
    with pytest.raises(InputError, match="--metabolic"):
        solve_options("static", {"metabolic": "bhargava2004=10"})
