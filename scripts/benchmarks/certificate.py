"""Is the certificate true? Random problems against exact references: gaps, bounds, and proofs of infeasibility.

usage: python scripts/benchmarks/certificate.py [--frames 10000] [--seed 0]

Half the frames have p = 2, half a random p in [1.2, 10]; reserves are absent, bounded or unbounded; some muscles are
parallel, some act on nothing, weights vary, and a quarter of the targets may not be reachable. References: DAQP through
qpsolvers for p = 2 (pip install osimopt[bench]); for other p SciPy's SLSQP finished by Newton steps on the optimality
conditions (``solver="slsqp"``); linear programs (HiGHS) for infeasibility.
"""

import argparse
import json
import warnings
from dataclasses import dataclass, field

import numpy as np
from qpsolvers import solve_qp
from scipy.optimize import linprog
from threadpoolctl import threadpool_limits

import osimopt
from osimopt.problem.costs import Cost, get_cost, scale_of_unknowns

#: Frames of one random structure.
FRAMES = 20
#: Relative; how far a reference may be from the optimum itself, or an answer from its bounds in rounding.
ROUNDING = 1e-9
#: N·m; a program that misses the moments by less at best is feasible, by more is not; between, it is undecided.
FEASIBLE = 1e-7
#: Activations are compared up to this exponent; beyond it the cost is so flat that a reference does not determine them.
LARGEST_COMPARED = 3.0
#: How far DAQP's activations may be from the optimum (rounding, times the condition of the program).
REFERENCE = 1e-8


@dataclass
class Count:
    """What was seen."""

    frames: int = 0
    solved: int = 0
    infeasible: int = 0
    failed: int = 0
    wrongly_infeasible: int = 0
    wrongly_solved: int = 0
    uncertified: int = 0
    compared: int = 0
    no_reference: int = 0
    reference_worse: int = 0
    activations_compared: int = 0
    negative_gaps: int = 0
    gap_bound_violated: int = 0
    activation_bound_violated: int = 0
    bounds_passed: int = 0
    residual_above_1e_9: int = 0
    gaps: list[float] = field(default_factory=list)

    def report(self) -> dict[str, object]:
        """Everything in plain data."""
        gaps = np.array(self.gaps)
        summary: dict[str, object] = {k: int(v) for k, v in vars(self).items() if k != "gaps"}
        summary["certified_gap_at_most_1e-6"] = round(float(np.mean(gaps <= 1e-6)), 5) if gaps.size else None
        summary["largest_certified_gap"] = float(gaps.max()) if gaps.size else None
        return summary


def random_problem(rng: np.random.Generator) -> tuple[osimopt.RedundancyProblem, np.ndarray]:
    """A problem of FRAMES frames and the weights of its muscles."""
    muscles, coordinates = int(rng.integers(3, 25)), int(rng.integers(1, 6))
    arm = rng.normal(0.0, 0.03, (FRAMES, coordinates, muscles)) * (rng.random((coordinates, muscles)) < 0.5)
    if rng.random() < 0.3:
        arm[:, :, 1] = arm[:, :, 0]  # two heads of one muscle
    if rng.random() < 0.2:
        arm[:, :, 2] = 0.0
    force = rng.uniform(50.0, 3000.0, (FRAMES, muscles))
    lower = rng.choice([0.0, 0.01])
    activation = np.clip(rng.uniform(-0.3, 0.8, (FRAMES, muscles)), lower, 1.0)
    stretch = np.where(rng.random(FRAMES) < 0.25, rng.uniform(1.0, 3.0, FRAMES), 1.0)
    moment = np.einsum("tdm,tm->td", arm, force * activation) * stretch[:, None]
    problem = osimopt.RedundancyProblem.from_arrays(arm, force, moment, bounds=(lower, 1.0))
    kind = rng.integers(3)
    if kind:
        bounds = (-np.inf, np.inf) if kind == 1 else (-5.0, 5.0)
        problem = problem.with_reserves(float(rng.choice([0.1, 1.0, 10.0])), bounds)
    return problem, rng.uniform(0.2, 5.0, muscles)


def shortest_miss(problem: osimopt.RedundancyProblem, frame: int) -> float:
    """Least sum of missed moments that any unknowns within their bounds leave (linear program)."""
    A, b = problem.system(frame)
    lower, upper = problem.bounds()
    rows, unknowns = A.shape
    slack = np.hstack([np.eye(rows), -np.eye(rows)])
    bounds = [*zip(lower, upper, strict=True), *[(0.0, None)] * (2 * rows)]
    cost = np.concatenate([np.zeros(unknowns), np.ones(2 * rows)])
    found = linprog(cost, A_eq=np.hstack([A, slack]), b_eq=b, bounds=bounds, method="highs")
    return float(found.fun) if found.success else np.nan


def by_daqp(problem: osimopt.RedundancyProblem, scale: np.ndarray, frame: int) -> np.ndarray | None:
    """The p = 2 optimum (U,), or None where DAQP gives none that meets the moments."""
    A, b = problem.system(frame)
    lower, upper = problem.bounds()
    s = np.where(scale[frame] > 0.0, scale[frame], 1.0)
    hessian, gradient = np.eye(len(s)), np.zeros(len(s))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = solve_qp(
            hessian, gradient, A=A / s, b=b, lb=lower * s, ub=upper * s, solver="daqp", primal_tol=1e-11, dual_tol=1e-11
        )
    if y is None or np.abs(A @ (y / s) - b).max() > ROUNDING * max(1.0, np.abs(b).max()):
        return None
    return np.asarray(y / s)


def check(problem: osimopt.RedundancyProblem, exponent: float, count: Count) -> None:
    """Solve a problem, compare every frame with the references, count."""
    solution = osimopt.solve_static(problem, exponent=exponent, solver="newton", on_failure="return")
    cost = get_cost("activation_power", exponent)
    scale = scale_of_unknowns(problem, cost)
    other = None
    if exponent != 2.0:
        other = osimopt.solve_static(problem, exponent=exponent, solver="slsqp", on_failure="return")
    lower, upper = problem.bounds()
    allowed = ROUNDING * max(1.0, np.abs(problem.generalized_force).max())
    for frame in range(len(problem)):
        count.frames += 1
        status = solution.status[frame]
        miss = shortest_miss(problem, frame)
        if not status.ok:
            count.infeasible += status is osimopt.Status.INFEASIBLE
            count.failed += status is not osimopt.Status.INFEASIBLE
            count.wrongly_infeasible += status is osimopt.Status.INFEASIBLE and miss <= 0.01 * FEASIBLE
            continue
        count.solved += 1
        count.wrongly_solved += miss > FEASIBLE * max(1.0, np.abs(problem.generalized_force[frame]).max())
        x = np.concatenate([solution.activation[frame], solution.reserve_control[frame]])
        count.bounds_passed += bool(((x < lower - 1e-12) | (x > upper + 1e-12)).any())
        count.residual_above_1e_9 += bool(np.abs(solution.moment_residual[frame]).max() > allowed)
        gap = np.nan if solution.gap is None else solution.gap[frame]
        if not np.isfinite(gap):
            count.uncertified += 1
            continue
        count.gaps.append(float(gap))
        count.negative_gaps += gap < 0.0
        if other is None:
            best = by_daqp(problem, scale, frame)
        else:
            best = np.concatenate([other.activation[frame], other.reserve_control[frame]])
            best = best if other.status[frame].ok else None
        if best is None:
            count.no_reference += 1
            continue
        count.compared += 1
        compare(problem, cost, solution, frame, best, count)


def compare(
    problem: osimopt.RedundancyProblem,
    cost: Cost,
    solution: osimopt.RedundancySolution,
    frame: int,
    best: np.ndarray,
    count: Count,
) -> None:
    """Count where the reference is further away than the certificate allows."""
    own = problem.frames(slice(frame, frame + 1))
    muscles = len(problem.muscles)
    terms = cost.terms(own, best[None, :muscles], best[None, muscles:])
    reference = float(cost.total(terms)[0])
    A, b = problem.system(frame)
    assert solution.multipliers is not None
    unmet = float(np.abs(solution.multipliers[frame] @ (A @ best - b)))  # what the reference gains by missing moments
    p, slack = cost.exponent, ROUNDING * max(1.0, abs(reference)) + unmet
    above = (float(solution.objective[frame]) - reference) / p
    assert solution.gap is not None
    assert solution.activation_error is not None
    count.gap_bound_violated += above > solution.gap[frame] + slack
    if above < -slack:
        count.reference_worse += 1
    elif p <= LARGEST_COMPARED:
        away = float(np.abs(solution.activation[frame] - best[:muscles]).max())
        own_error = REFERENCE if p == 2.0 else slack ** (1.0 / max(2.0, p))  # as far as the reference may be itself
        count.activations_compared += 1
        count.activation_bound_violated += away > solution.activation_error[frame] + own_error


def main() -> None:
    """Run the study and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    counts = {"p = 2": Count(), "1.2 ≤ p ≤ 10": Count()}
    with threadpool_limits(1):
        for number in range(arguments.frames // FRAMES):
            problem, weights = random_problem(rng)
            exponent = float(rng.uniform(1.2, 10.0))
            square = number % 2 == 0
            check(
                problem.with_weights(weights),
                2.0 if square else exponent,
                counts["p = 2" if square else "1.2 ≤ p ≤ 10"],
            )
    print(json.dumps({name: count.report() for name, count in counts.items()}, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
