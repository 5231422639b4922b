"""Synergies by factorisation: planted ones are found again, a second algorithm, definitions, files, the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import osimopt
from osimopt import InputError, RedundancyProblem, Result, find_synergies, solve_static, synergy_fit
from osimopt.cli import make_app
from osimopt.problem.arrays import Array
from osimopt.problem.synergies import Synergies, read_synergies

TIME = np.linspace(0.0, 1.0, 101)


def planted(noise: float = 0.0, seed: int = 0) -> tuple[pd.DataFrame, Array, Array]:
    """Activities of two legs of six muscles, three synergies each with bursts at different times, and both factors."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 1.0, (6, 3)) * np.kron(np.eye(3), np.ones((2, 1)))
    weights /= weights.max(axis=0)
    bursts = np.array([np.exp(-(((TIME - at) / 0.1) ** 2)) for at in (0.2, 0.5, 0.8)]).T
    values = bursts @ weights.T
    both = np.hstack([values, 0.5 * values]) + noise * rng.uniform(0.0, 1.0, (101, 12))
    names = [f"m{k}_{side}" for side in "lr" for k in range(6)]
    return pd.DataFrame(both, index=TIME, columns=names), weights, bursts


def test_planted_synergies_are_found() -> None:
    table, weights, bursts = planted()
    found = find_synergies(table, n=3)
    assert found.synergies.names == ("left_1", "left_2", "left_3", "right_1", "right_2", "right_3")
    assert found.synergies.number == {"left": 3, "right": 3}
    assert min(found.vaf.values()) > 0.99999
    for first, size in ((0, 1.0), (3, 0.5)):
        rows = slice(0, 6) if first == 0 else slice(6, 12)
        own = found.synergies.weights[rows, first : first + 3]
        order = np.argmax(own.T @ weights, axis=0)
        assert sorted(order) == [0, 1, 2]
        assert own[:, order] == pytest.approx(weights, abs=0.02)
        assert found.activation[:, first + order] == pytest.approx(size * bursts, abs=0.02)
    assert (found.synergies.weights.max(axis=0) == 1.0).all()


def test_variance_accounted_for_is_that_of_its_definition() -> None:
    table, _, _ = planted(noise=0.3)
    found = find_synergies(table, n=2, groups={"left": "*_l", "right": "*_r"})
    near = found.activation @ found.synergies.weights.T
    missed = table.to_numpy() - near
    for side, rows in (("left", slice(0, 6)), ("right", slice(6, 12))):
        own = 1.0 - (missed[:, rows] ** 2).sum() / (table.to_numpy()[:, rows] ** 2).sum()
        assert found.vaf[side] == pytest.approx(own, abs=1e-9)
    one = 1.0 - (missed[:, 4] ** 2).sum() / (table["m4_l"] ** 2).sum()
    assert found.muscle_vaf["m4_l"] == pytest.approx(one, abs=1e-9)
    h = found.synergies.activations(table.to_numpy(), np.zeros(12))
    assert h == pytest.approx(found.activation, abs=0.02)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_error_is_no_larger_than_that_of_multiplicative_updates(count: int) -> None:
    """Lee & Seung's updates from ten random starts; one synergy against the singular value decomposition."""
    table, _, _ = planted(noise=0.4, seed=3)
    E = table.to_numpy()[:, :6]
    found = find_synergies(table.iloc[:, :6], n=count, groups=None)
    own = float(np.linalg.norm(E - found.activation @ found.synergies.weights.T))
    if count == 1:
        least = float(np.sqrt((np.linalg.svd(E, compute_uv=False)[1:] ** 2).sum()))
        assert own == pytest.approx(least, rel=1e-4)
    rng, best = np.random.default_rng(0), np.inf
    for _ in range(10):
        H, W = rng.uniform(0.1, 1.0, (len(E), count)), rng.uniform(0.1, 1.0, (count, 6))
        for _ in range(600):
            H *= (E @ W.T) / (H @ W @ W.T)
            W *= (H.T @ E) / (H.T @ H @ W)
        best = min(best, float(np.linalg.norm(E - H @ W)))
    assert own <= best * 1.002


def test_the_same_input_gives_the_same_synergies() -> None:
    table, _, _ = planted(noise=0.3)
    one, two = find_synergies(table), find_synergies(table)
    assert np.array_equal(one.synergies.weights, two.synergies.weights)
    assert one.synergies.provenance() == two.synergies.provenance()


def test_number_against_variance() -> None:
    table, _, _ = planted(noise=0.02)
    fit = synergy_fit(table, most=5)
    assert fit.attrs["enough"] == {"left": 3, "right": 3}
    assert fit.attrs["enough_each"] == {"left": 3, "right": 3}
    for side in ("left", "right"):
        assert (np.diff(fit.loc[side, "vaf"]) > 0.0).all()
        assert fit.loc[(side, 3), "vaf"] == pytest.approx(find_synergies(table, n=3).vaf[side], abs=1e-12)
        assert (fit.loc[side, "least_vaf"] <= fit.loc[side, "vaf"] + 1e-12).all()
    assert synergy_fit(table, most=2).attrs["enough"] == {"left": None, "right": None}


def solution() -> osimopt.RedundancySolution:
    rng = np.random.default_rng(1)
    moment = 6.0 + 4.0 * np.column_stack([np.sin(6.0 * TIME), np.cos(6.0 * TIME)])
    arms = np.kron(np.eye(2), rng.uniform(0.02, 0.05, (1, 4)))
    names = [f"m{k}_{side}" for side in "lr" for k in range(4)]
    problem = RedundancyProblem.from_arrays(
        arms, 400.0 * np.ones(8), moment, bounds=(0.01, 1.0), time=TIME, muscles=names, coordinates=("hip_l", "hip_r")
    )
    return solve_static(problem)


def test_lower_bounds_failed_frames_and_folders(tmp_path: Path) -> None:
    """What exceeds the lower bounds is factorised, from memory and from a result folder alike."""
    own = solution()
    found = find_synergies(own, n=1)
    assert found.vaf == pytest.approx({"left": 1.0, "right": 1.0}, abs=1e-3)  # but where a muscle is on its bound
    whole = own.problem.lower + found.activation @ found.synergies.weights.T
    assert whole == pytest.approx(own.activation, abs=0.02)
    read = find_synergies(Result.read(own.write(tmp_path / "out")), n=1)
    assert read.synergies.weights == pytest.approx(found.synergies.weights, abs=1e-9)
    own.activation[5] = np.nan
    assert len(find_synergies(own, n=1).time) == len(TIME) - 1


@pytest.mark.parametrize("normalize", ["peak", "deviation"])
def test_weights_are_those_of_the_activity_itself(normalize: str) -> None:
    table, weights, _ = planted()
    table["m0_l"] *= 0.01
    found = find_synergies(table, n=3, normalize=normalize)  # type: ignore[arg-type]
    near = found.activation @ found.synergies.weights.T
    assert near == pytest.approx(table.to_numpy(), abs=2e-3)
    assert weights.shape == (6, 3)


def test_a_file_holds_every_digit(tmp_path: Path) -> None:
    table, _, _ = planted(noise=0.3)
    synergies = find_synergies(table).synergies
    read = read_synergies(synergies.write(tmp_path / "w.csv"))
    assert read is not None
    assert np.array_equal(read.weights, synergies.weights)
    assert (read.muscles, read.names) == (synergies.muscles, synergies.names)
    again = read_synergies(synergies.to_dataframe())
    assert again is not None
    assert np.array_equal(again.weights, synergies.weights)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"n": 7}, "from 1 to 6"),
        ({"n": 0}, "from 1 to 6"),
        ({"n": {"left": 2}}, "right"),
        ({"groups": {"left": "*_x"}}, "pattern"),
        ({"groups": "legs"}, "groups"),
        ({"normalize": "max"}, "normalize"),
        ({"groups": {"some": "*_l", "all": "*"}}, "in several"),
    ],
)
def test_refusals(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        find_synergies(planted()[0], **wrong)  # type: ignore[arg-type]


def test_refuses_what_is_no_activity() -> None:
    with pytest.raises(InputError, match="Clip"):
        find_synergies(planted()[0] - 0.5)
    with pytest.raises(InputError, match="excitations"):
        find_synergies(solution(), quantity="excitation")


@pytest.mark.parametrize("text", ["", "muscle\nm0\n", "name,left_1\nm0,1\n", "muscle,left_1\nm0,1,2\n"])
def test_refuses_other_files(text: str, tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"w\.csv"):
        read_synergies(path)


def test_command(tmp_path: Path) -> None:
    own, out = solution(), tmp_path / "synergies.csv"
    folder = own.write(tmp_path / "results")
    command = ["synergies", str(folder), "-n", "1", "--most", "3", "-o", str(out)]
    done = CliRunner().invoke(make_app(["synergies", "info"]), command)
    assert done.exit_code == 0, done.output
    assert "left: 1 account for more than 90 %; 1 for " in done.output
    read = read_synergies(out)
    assert read is not None
    assert read.names == ("left_1", "right_1")
    assert solve_static(own.problem.with_reserves(1.0), synergies=out).success
    with pytest.raises(InputError, match="--overwrite"):
        CliRunner().invoke(make_app(["synergies", "info"]), command, catch_exceptions=False)
    for name, options, word in (
        ("absent/w.csv", [], "Create it first"), (".", ["--overwrite"], "that of a folder"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=word):
            CliRunner().invoke(
                make_app(["synergies", "info"]),
                [*command[:-1], str(tmp_path / name), *options],
                catch_exceptions=False,
            )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"w\.csv.*no such file"):
        read_synergies(tmp_path / "w.csv")


def test_what_is_given() -> None:
    data = planted()[0]
    assert find_synergies(data, np.int64(2)).synergies.number == find_synergies(data, 2).synergies.number
    assert len(synergy_fit(data, np.int64(1), None)) == 1
    with pytest.raises(InputError, match="DataFrame of numbers"):
        find_synergies(data.assign(side="left"), 1, None)
    with pytest.raises(InputError, match=r"osimopt\.Result\.read"):
        find_synergies("results")  # type: ignore[arg-type]


def test_one_synergy_is_no_synergies() -> None:
    one = Synergies(np.ones((2, 1)), ("a_l", "b_l"), ("left_1",))
    assert one.text() == "1 synergy of left"
    assert Synergies(np.eye(2), ("a_l", "b_l"), ("left_1", "left_2")).text() == "2 synergies of left"
