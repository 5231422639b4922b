"""``osimopt train``, ``predict`` and ``solve --method surrogate``: what they write, print and refuse."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from test_cli import PNG, RESULT, files

import osimopt
from osimopt.cli.terminal import progress

TRAINING = ("--frames", 200, "--epochs", 2, "--depth", 2, "--width", 8)
SURROGATE = {"surrogate.json", "weights.safetensors", "training.json", "training.png"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def trained(arm, call) -> Path:
    done = call("train", arm.model, arm.motion, *TRAINING, "--figure", "--out", "network")
    assert done.code == 0, done.err
    return Path("network")


@pytest.mark.slow
def test_train_predict_and_solve(arm, call, trained: Path) -> None:
    assert files(trained) == SURROGATE
    assert (trained / "training.png").read_bytes().startswith(PNG)
    told = json.loads((trained / "training.json").read_text())
    assert len(told["validation"]) == 2
    assert told["accuracy"]["largest_difference_from_exact"] < 1e-6
    assert not list(Path().glob(".*training*"))
    done = call("solve", arm.model, arm.motion, "--method", "surrogate", "--surrogate", trained, "-o", "solved")
    assert done.code == 0, done.err
    assert files(Path("solved")) >= RESULT
    summary = json.loads(Path("solved/solution.json").read_text())
    assert summary["method"] == "surrogate"
    assert summary["surrogate"]["network"] == "set"
    exact = call("solve", arm.model, arm.motion, "-o", "exact")
    assert exact.code == 0
    ours, theirs = (osimopt.read_table(f"{folder}/activation.sto") for folder in ("solved", "exact"))
    assert ours.to_numpy() == pytest.approx(theirs.to_numpy(), abs=1e-6)
    alone = call("predict", trained, arm.model, arm.motion, "-o", "predicted")
    beyond = json.loads(Path("predicted/solution.json").read_text())["surrogate"]["frames_beyond_polish"]
    assert alone.code == (1 if beyond else 0)


@pytest.mark.slow
def test_training_goes_on_where_it_was_stopped(arm, call, trained: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("osimopt.surrogate.folder.Checkpoint.write", _writing_then(stop))
        stopped = call("train", arm.model, arm.motion, *TRAINING, "--out", "again")
    assert stopped.code == 130
    assert not Path("again").exists()
    assert (Path(".again.training") / "checkpoint.safetensors").is_file()
    done = call("train", arm.model, arm.motion, *TRAINING, "--out", "again")
    assert done.code == 0, done.err
    assert Path("again/weights.safetensors").read_bytes() == (trained / "weights.safetensors").read_bytes()


def _writing_then(stop):
    from osimopt.surrogate.folder import Checkpoint

    write = Checkpoint.write

    def both(self, *given) -> None:
        write(self, *given)
        stop()

    return both


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--optimizer", "magic"), "optimizer among adam"),
        (("--architecture", "magic"), "an architecture among set"),
        (("--cost", "sum_force"), "a cost of exponent 2"),
        (("--epochs", 0), "epochs as a whole number"),
        (("--mixed-precision",), "mixed_precision on an accelerator"),
        (("--device", "nowhere"), "device among 'cpu'"),
        (("-g", "a.sto", "-g", "b.sto"), "1 of --generalized-force, as there are motions"),
    ],
)
def test_wrong_options_of_training(arm, call, words: tuple[object, ...], said: str) -> None:
    done = call("train", arm.model, arm.motion, *words, "--out", "network")
    assert done.code == 2
    assert said in done.err
    assert not Path("network").exists()


def test_an_existing_folder_is_not_overwritten(arm, call) -> None:
    Path("network").mkdir()
    Path("network/mine.txt").write_text("precious")
    done = call("train", arm.model, arm.motion, "--out", "network")
    assert done.code == 2
    assert "a new or empty folder" in done.err


def test_wrong_surrogates(arm, call, trained: Path) -> None:
    for words, said in (
        (("predict", "nothing", arm.model, arm.motion), "no such folder"),
        (("predict", ".", arm.model, arm.motion), "no surrogate.json"),
        (("solve", arm.model, arm.motion, "--method", "surrogate"), "--surrogate with --method surrogate"),
        (("solve", arm.model, arm.motion, "--surrogate", trained), "no --surrogate with --method static"),
        (("solve", arm.model, arm.motion, "--geometry", trained), "a surrogate of kind 'geometry', got 'static'"),
        (
            ("solve", arm.model, arm.motion, "--method", "surrogate", "--surrogate", trained, "-p", 3),
            "no --exponent with --method surrogate",
        ),
    ):
        done = call(*words)
        assert done.code == 2, words
        assert said in done.err
    weights = bytearray((trained / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (trained / "weights.safetensors").write_bytes(weights)
    damaged = call("predict", trained, arm.model, arm.motion)
    assert damaged.code == 2
    assert "the weights that were saved" in damaged.err


@pytest.mark.slow
def test_networks_for_muscle_paths(arm, call) -> None:
    fitted = call("fit-geometry", arm.model, "--motion", arm.motion, "--networks", "--postures", 128, "-o", "paths")
    assert fitted.code == 0, fitted.err
    assert "of 6 muscles within 0.1 mm on postures held out" in fitted.out.replace("\n", " ")
    done = call("solve", arm.model, arm.motion, "--geometry", "paths", "-o", "out")
    assert done.code == 0, done.err
    refused = call("predict", "paths", arm.model, arm.motion)
    assert refused.code == 2
    assert "a surrogate of static or dynamic optimization" in refused.err


@pytest.mark.parametrize("terminal", [True, False])
def test_the_line_of_epochs_is_for_terminals(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    written = StringIO()
    console = Console(file=written, force_terminal=terminal, width=120)
    monkeypatch.setattr(sys.modules[progress.__module__], "messages", console)
    with progress("Solving training data") as moved:
        moved(1, 2, 0.5, 0.4)
    assert ("Training, loss 0.5, validation 0.4" in written.getvalue()) is terminal


QUICK = ("--kind", "dynamic", "--quick", "--duration", 0.2, "--epochs", 4, "--width", 8, "--depth", 2)


@pytest.mark.slow
def test_dynamic_surrogates_are_trained_and_used(arm, call, tmp_path: Path) -> None:
    """Five trials, split as wholes; what does not hold goes to collocation, or stays NaN."""
    motions = [arm.motion] * 5
    done = call("train", arm.model, *motions, *QUICK, "--solutions", "kept", "--figure", "--out", "network")
    assert done.code == 0, done.err
    assert "static optimization" in done.out
    assert files(Path("network")) == SURROGATE
    assert len(list(Path("kept").glob("*_????.npz"))) + len(list(Path("kept").glob("*.failed"))) == 10
    told = json.loads(Path("network/training.json").read_text())["accuracy"]
    assert {"force", "static", "mean", "ridge"} <= set(told)
    again = call("train", arm.model, *motions, *QUICK, "--solutions", "kept", "--out", "again")
    assert again.code == 0, again.err
    assert Path("network/weights.safetensors").read_bytes() == Path("again/weights.safetensors").read_bytes()
    assert osimopt.Surrogate.load("network").kind == "dynamic"
    alone = call("predict", "network", arm.model, arm.motion, "-o", "predicted")
    status = pd.read_csv("predicted/status.csv")
    assert alone.code == (0 if (status["status"] == "solved").all() else 1), alone.err
    assert {"missed", "tendon_residual", "excitation_residual", "outside_training"} <= set(status.columns)
    failed = (status["status"] != "solved").to_numpy()
    force = osimopt.read_table("predicted/muscle_force.sto").to_numpy()
    assert np.isnan(force[failed]).all()
    assert np.isfinite(force[~failed]).all()
    solved = call("solve", arm.model, arm.motion, "--method", "surrogate", "--surrogate", "network", "-o", "solved")
    assert solved.code == 0, solved.err
    assert ("collocation" in solved.err) == bool(failed.any())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "dynamic", "--frames", 10), "expected options of --kind dynamic, got --frames"),
        (("--kind", "dynamic", "--cost", "activation_power"), "expected options of --kind dynamic, got --cost"),
        (("--kind", "dynamic", "--architecture", "set"), "an architecture for series"),
        (("--kind", "dynamic", "--passive-force"), "no forces of the model's own muscles"),
        (("--solutions", "kept"), "expected options of --kind static, got --solutions"),
        (("--sizes", 0.9, 1.1), "expected options of --kind static, got --sizes"),
        (
            ("--kind", "dynamic", "--time-range", 0, 0.8),
            "trials of 0.96 s or more: a window of at least 0.08 s and 0.12",
        ),
        (
            ("--kind", "dynamic", "--time-range", 0, 0.8),
            "arm26_elbow_flexion.mot with 0.80 s. Give longer trials, or 5",
        ),
        (("--kind", "dynamic", "--duration", 1.2), "trials of 4.32 s or more: a window of 1.2 s"),
        (("--kind", "dynamic", "--duration", 1.2), "or a duration (--duration) of at most 0.26 s, or 5 trials or more"),
        (("--kind", "dynamic", "--duration", -1), "a duration (--duration) of 0.08 s or more, got -1"),
        (("--kind", "dynamic", "--sizes", 1.1, 0.9), "sizes (--sizes) as two factors from 0.5 to 2, the smaller one"),
        (
            ("--kind", "dynamic", "--sizes", 0.9, 1.1, "--geometry", "opensim"),
            "exact geometry with --sizes, got --geom",
        ),
        (("--time-range", 0, 0.3), "trials of 50 frames or more, to be split by time, got"),
    ],
)
def test_what_does_not_go_together_is_refused(arm, call, words: tuple[object, ...], said: str) -> None:
    """Before anything is read or solved, and nothing is left."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("osimopt.adapters.load.read_problem", None)
        done = call("train", arm.model, arm.motion, *words, "--out", "network")
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert not list(Path().iterdir())


SHORT = ("--kind", "dynamic", "--quick", "--epochs", 2, "--width", 4, "--depth", 1)


@pytest.mark.slow
def test_windows_fit_the_trial_and_bodies_are_varied(arm, call) -> None:
    """1.5 s of one motion are enough, with windows that are printed; other sizes are flagged later."""
    done = call("train", arm.model, arm.motion, *SHORT, "--sizes", 0.9, 1.1, "--strengths", 0.8, 1.2, "-o", "network")
    assert done.code == 0, done.err
    out = " ".join(done.out.split())
    assert "Windows of 0.2 s, instead of 1.2 s, as the shortest trial has 1.50 s" in out
    assert "Bodies of training, relative to arm26.osim: sizes 0." in out
    assert not list(Path().glob(".*training*"))
    described = json.loads(Path("network/surrogate.json").read_text())
    assert 0.8 < described["bodies"]["low"][0] < 1.0 < described["bodies"]["high"][0] < 1.25
    alone = call("predict", "network", arm.model, arm.motion, "-o", "predicted")
    assert alone.code in (0, 1), alone.err


@pytest.mark.slow
def test_a_stopped_training_of_other_options(arm, call) -> None:
    """What differs is named, and what to do about it; solutions outlast other options of the training alone."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("osimopt.surrogate.folder.Checkpoint.write", _writing_then(stop))
        stopped = call("train", arm.model, arm.motion, *SHORT, "--out", "network")
    assert stopped.code == 130
    folder = Path(".network.training")
    solved = {path.name: path.stat().st_mtime_ns for path in (folder / "solutions").glob("*_????.npz")}
    assert len(solved) == 10
    for words, said in (
        (("--seed", 1), "got --seed 1 in place of None. Give the same options to go on, or --overwrite to begin anew"),
        (("--optimizer", "adam"), "got --optimizer 'adam' in place of None. Give the same options to go on, or "
         "--overwrite to train anew on the solutions in it, or delete this folder."),
        (("--lowpass-hz", 6), "got --lowpass-hz 6.0 in place of None."),
    ):  # fmt: skip
        other = call("train", arm.model, arm.motion, *SHORT, *words, "--out", "network")
        assert other.code == 2
        assert said in " ".join(other.err.split())
    copied = Path("other.mot")
    copied.write_text(arm.motion.read_text() + "\n")
    other = call("train", arm.model, copied, *SHORT, "--out", "network")
    assert "other files or contents (other.mot)" in " ".join(other.err.split())
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "solutions").glob("*_????.npz")} == solved
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("osimopt.training.dynamic_solutions.solve_dynamic", None)  # nothing is solved again
        anew = call("train", arm.model, arm.motion, *SHORT, "--optimizer", "adam", "--overwrite", "--out", "network")
    assert anew.code == 0, anew.err
    assert "It goes on from" in anew.out
    assert not folder.exists()


def test_a_failed_training_leaves_nothing(arm, call) -> None:
    """After an error before the first solution the same or another command can be given."""

    def fail(*_: object, **__: object) -> None:
        raise osimopt.SolverError("No solution.")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("osimopt.training.dynamic_solutions.solve_dynamic", fail)
        done = call("train", arm.model, arm.motion, *SHORT, "--out", "network")
    assert done.code == 2
    assert "none of 6 for training" in " ".join(done.err.split())
    assert "the first: No solution. Give other trials, another seed (--seed)" in " ".join(done.err.split())
    assert not list(Path().iterdir())


@pytest.mark.slow
def test_variants_of_one_set_of_muscles(arm, call) -> None:
    """Several models are trained on together if their muscles are the same; others are refused, leaving nothing."""
    text = arm.model.read_text()
    Path("strong.osim").write_text(text.replace("<max_isometric_force>", "<max_isometric_force> 1"))
    done = call("train", arm.model, arm.motion, *SHORT, "--variant", "strong.osim", "--sizes", 1, 1, "--out", "network")
    assert done.code == 0, done.err
    assert "Training on 2 trials" in done.out
    high = json.loads(Path("network/surrogate.json").read_text())["bodies"]["high"]
    assert high[1] > 1.5  # 798 N became 1798 N
    Path("other.osim").write_text(text.replace("TRIlong", "longus"))
    other = call("train", arm.model, arm.motion, *SHORT, "--variant", "other.osim", "--out", "another")
    assert other.code == 2
    said = " ".join(other.err.split())
    assert "trials of the same muscles and coordinates, got 'longus' as name 1 in place of 'TRIlong'" in said
    assert not list(Path().glob(".another*"))
