"""Muscle paths over bodies of different size: split by body, degrees that bodies determine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from osimopt import ModelError
from osimopt.analysis.scaled_paths import check_factors, fit_bodies, join_bodies
from osimopt.polynomial.samples import PathSamples, measure_errors
from osimopt.polynomial.terms import list_exponents
from osimopt.surrogate.geometry_training import OPTIONS, train_geometry

#: m; what is asked of bodies that were not seen.
TOLERANCE = 1e-4


def body(thigh: float, shank: float, seed: int, count: int = 60) -> PathSamples:
    """A muscle from thigh to shank over the knee, whose length is that of the third side of a triangle."""
    knee = np.random.default_rng(seed).uniform(0.2, 2.0, count)
    a, b = 0.3 * thigh, 0.05 * shank
    length = np.sqrt(a**2 + b**2 + 2.0 * a * b * np.cos(knee))
    slope = -a * b * np.sin(knee) / length
    ends = np.array([0.2]), np.array([2.0])
    return PathSamples(("/f/ham",), ("/j/knee",), np.array([[True]]), *ends, knee[:, None], length[:, None],
                       slope[:, None], count - 10, np.array([5e-4]))  # fmt: skip


def bodies(count: int) -> tuple[list[Any], list[PathSamples], list[dict[str, float]]]:
    random = np.random.default_rng(1)
    factors = [{"thigh": 1.0, "shank": 1.0}]
    factors += [dict(zip(("thigh", "shank"), random.uniform(0.9, 1.1, 2).tolist(), strict=True)) for _ in range(count)]
    models = [SimpleNamespace(path=Path(f"body_{number}.osim")) for number in range(1 + count)]
    return models, [body(own["thigh"], own["shank"], seed) for seed, own in enumerate(factors)], factors


def test_every_fifth_body_is_held_out() -> None:
    models, sampled, factors = bodies(11)
    joined = join_bodies(models, sampled, factors)
    assert joined.coordinates == ("knee", "thigh", "shank")
    assert joined.fitted == 10 * 60
    held_out = np.unique(joined.value[joined.fitted :, 1:], axis=0)
    expected = np.array([list(factors[number].values()) for number in (4, 9)])
    np.testing.assert_allclose(held_out, expected[np.argsort(expected[:, 0])])
    assert np.isnan(joined.slope[:, 1:]).all()
    np.testing.assert_array_equal(joined.slope[:60, 0], sampled[0].slope[:, 0])
    assert joined.low[1] == min(own["thigh"] for own in factors)


def test_bodies_that_were_not_seen_are_met() -> None:
    joined = join_bodies(*bodies(20))
    polynomials = fit_bodies(joined, 2, 6)
    assert measure_errors(polynomials, joined).within(TOLERANCE).all()
    trained = train_geometry(polynomials, joined, conditions=("thigh", "shank"), options=replace(OPTIONS, epochs=2))
    assert trained.surrogate.coordinates == ("knee",)
    assert trained.errors.within(TOLERANCE).all()
    assert trained.surrogate.left == {}


def test_few_bodies_are_fitted_with_a_low_degree() -> None:
    """With a degree of 3 the 8 bodies fitted would be met, and no other."""
    joined = join_bodies(*bodies(9))
    own = fit_bodies(joined, 2, 6).polynomials[0]
    in_factors = list_exponents(3, own.order)[:, 1:].sum(axis=1)
    assert np.abs(own.coefficients[in_factors > 1]).max() < 1e-12
    assert measure_errors(fit_bodies(joined, 2, 6), joined).length_rms[0] < 5e-3


def test_a_muscle_that_is_inconsistent_in_one_body_is_left_out_of_all() -> None:
    models, sampled, factors = bodies(6)
    joined = join_bodies(models, [replace(sampled[0], mismatch=np.array([2e-3])), *sampled[1:]], factors)
    polynomials = fit_bodies(joined, 2, 6)
    assert polynomials.muscles == ()
    assert polynomials.left == {"ham": 2e-3}


def test_a_pair_that_only_some_bodies_have() -> None:
    models, sampled, factors = bodies(6)
    lacking = replace(sampled[1], spans=np.array([[False]]), slope=sampled[1].slope[:, :0])
    joined = join_bodies(models, [sampled[0], lacking, *sampled[2:]], factors)
    assert joined.spans.all()
    assert np.isnan(joined.slope[60:120]).all()


def test_another_model_is_refused() -> None:
    models, sampled, factors = bodies(6)
    other = replace(sampled[3], muscle_paths=("/f/quad",))
    with pytest.raises(ModelError, match=r"body_3\.osim: expected the muscles and coordinates of body_0\.osim"):
        join_bodies(models, [*sampled[:3], other, *sampled[4:]], factors)


def test_no_scaled_models_have_no_factors() -> None:
    assert check_factors([]) == ()
    assert check_factors([{"size": value} for value in (0.9, 1.0, 1.1, 1.2)]) == ("size",)
