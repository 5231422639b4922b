"""The paper's tables 1 to 6, beside its own figures, what anybody gets without a network, and the exact solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import printed
from .baselines import BASELINES, baselines
from .experiment import Experiment
from .measures import errors, spread
from .plan import HYBRID, MIDDLE, Trained
from .preprocessing import Pipeline
from .table import Row, Table, at, over, ratio
from .windows import Sets

#: Share of the mean's validation loss by which optimizers are timed; fixed before anything was run.
THRESHOLD = 0.1
#: The paper's units.
MSE, MAE = 1e3, 1e2
_MSE, _MAE = "MSE (1e-3)", "MAE (1e-2)"

AllSets = Mapping[str, Sets]
#: As of :func:`paper_study.dual.dual`, one for each seed.
Duals = Sequence[Mapping[str, Any]]
DUAL = "osimopt's dual network"


def datasets(sets: AllSets) -> Table:
    """Table 1."""
    rows = []
    for name, own in sets.items():
        whole = own.training
        trials = [len(set(part.trial.tolist())) for part in (own.training, own.validation, own.test)]
        rows.append({
            "set": name, "signals": len(whole.signals), "what": _few(whole.signals), "asked": _few(whole.targets),
            "ahead (s)": whole.ahead, "windows": len(own.training) + len(own.validation) + len(own.test),
            "to learn from": len(own.training), "to choose by": len(own.validation), "to judge by": len(own.test),
            "trials or blocks": "+".join(map(str, trials)),
            "unseen": ", ".join(f"{what} ({len(windows)})" for what, windows in own.unseen.items()) or "none",
            "from": _origin(whole.provenance),
        })  # fmt: skip
    return Table("table1_datasets", "Table 1. Data sets", (
        "Windows of 20 frames, 0.01 s apart, cut by trial or block of time: none is learned from next to one that "
        "is judged by. The paper has 1000, 800, 1200 and 1500 samples and names neither its data nor a split."
    ), rows)  # fmt: skip


def accuracy(trained: Trained, sets: AllSets, duals: Duals) -> Table:
    """Table 2: every network, what is trivial, what osimopt does, and the exact solver."""
    rows: list[Row] = []
    for name in trained.plan.datasets:
        key = _paper_name(name)
        if key in printed.ACCURACY:
            mse, mae, psnr, _ = printed.ACCURACY[key]
            rows.append({"set": name, "who": "the paper", _MSE: mse, _MAE: mae, "PSNR (dB)": psnr})
        rows += [{"set": name, "who": who, **told} for who, told in _trivial(sets[name]).items()]
        own = [one for one in trained.parts["networks"] if one.dataset == name]
        rows += [{"set": name, "who": one.network, **_errors(trained, one)} for one in own]
        for one in trained.parts["large"] if name == trained.plan.simulation else []:
            rows.append({"set": name, "who": f"{one.network}, 25 times the data", **_errors(trained, one)})
        if name == trained.plan.simulation:
            rows.append({"set": name, "who": DUAL, **_measures(duals)})
            cell = over(trained.over_seeds(own[-1]), at("finished", "test", "finished_mse"), MSE)
            rows.append({"set": name, "who": "any network, finished exactly", _MSE: cell})
    return Table("table2_accuracy", "Table 2. Accuracy on held-out trials", (
        "On the scale [0, 1] of the training windows; PSNR = 10 log10(1 / MSE) says what the MSE says. R and R² are "
        "means over targets, % of peak is the root mean square error in shares of a target's range. RMSE/MAE is "
        "1.25 where errors are Gaussian; the paper's figures give 4.1 to 4.5. Persistence and extrapolation see "
        "what the target was 0.01 s (simulation) or 0.05 s (others) before, which networks of the gait and "
        "simulation sets do not."
    ), rows)  # fmt: skip


def optimizers(trained: Trained, sets: AllSets) -> Table:
    """Tables 3 and 4."""
    rows = []
    for one in trained.parts["optimizers"]:
        paper = printed.OPTIMIZERS.get((_paper_name(one.dataset), one.optimizer))
        limit, results = threshold(sets[one.dataset], one.balance), trained.over_seeds(one)
        passes = [passes_to(told, limit) for told in results]
        rows.append({
            "set": one.dataset, "optimizer": one.optimizer, "best rate": one.learning_rate,
            _MSE: over(results, at("test", "mse"), MSE), _MAE: over(results, at("test", "mae"), MAE),
            "passes to threshold": spread(passes),
            "reached by": f"{sum(count is not None for count in passes)} of {len(passes)}",
            "ms per pass": over(results, lambda told: told["seconds"] / told["history"]["gradients"][-1], 1e3),
            "paper: MSE (1e-3)": paper[0] if paper else None, "paper: epochs": paper[3] if paper else None,
        })  # fmt: skip
    return Table("table3_4_optimizers", "Tables 3 and 4. Optimizers", (
        f"The hybrid network, trained with each optimizer at {len(trained.plan.budget.steps)} constant learning "
        f"rates around its usual one ({', '.join(f'{name} {rate:g}' for name, rate in MIDDLE.items())}); the best by "
        "validation loss is repeated with every seed. A pass is a gradient over all training windows. The threshold "
        "is a tenth of the validation loss of the mean, the same for all. Times are of training: how long an answer "
        "takes does not depend on the optimizer, as it does in the paper's table 3."
    ), rows)  # fmt: skip


def noise(trained: Trained) -> Table:
    """Table 5."""
    rows = []
    for one in trained.parts["noise"]:
        results = trained.over_seeds(one)
        plain = trained.over_seeds(_plain(one, trained))
        base = float(np.median([told["test"]["mse"] for told in plain]))
        for kind in ("none", "gaussian", "salt-and-pepper"):
            if one.noise not in ("none", kind):
                continue  # learned with one noise and judged under another
            own = ("test",) if kind == "none" else ("noise", kind)
            cell = over(results, at(*own, "mse"), MSE)
            rows.append({
                "set": one.dataset, "judged under": kind, "trained under": one.noise,
                "denoised": "yes" if one.denoised else "no", _MSE: cell,
                _MAE: over(results, at(*own, "mae"), MAE),
                "times its own without noise": over(results, ratio(at(*own, "mse"), at("test", "mse"))),
                "times the plain network without noise": cell["median"] / (MSE * base),
                "paper: MSE (1e-3)": printed.NOISE.get((_paper_name(one.dataset), kind)),
            })  # fmt: skip
    return Table("table5_noise", "Table 5. Noise on the inputs", (
        "Gaussian noise of 0.05 on the scale [0, 1], or every tenth value 0 or 1; what is asked stays clean. "
        "Denoised: median of 5 frames, then soft thresholds on db2 wavelets, within the window. The plain network "
        "is trained clean and without filters."
    ), rows)  # fmt: skip


def generalisation(trained: Trained, duals: Duals) -> Table:
    """Table 6: the hybrid on what it never saw, and what osimopt does."""
    rows: list[Row] = []
    for one in (own for own in trained.parts["networks"] if own.network == HYBRID):
        rows += _by_what_is_unseen(one.dataset, "the hybrid", trained.over_seeds(one))
    rows += _by_what_is_unseen(trained.plan.simulation, DUAL, duals)
    rows.append({"set": "the paper's new sports data", "unseen": "task", "paper: MSE (1e-3)": printed.UNSEEN})
    return Table("table6_generalisation", "Table 6. What was never seen", (
        "Another subject of the simulation set is drawn with strengths 30 % apart, another model with moment arms "
        "10 % apart; the hybrid is told of neither, osimopt's network of both. Finished exactly: a Newton solver "
        "goes on from the network's activations to the optimum of the subject's own problem, whatever the network "
        "said. The paper's new sports data have an epoch at which training converged, so that they were trained "
        "on."
    ), rows)  # fmt: skip


def _by_what_is_unseen(name: str, who: str, results: Sequence[Mapping[str, Any]]) -> list[Row]:
    rows: list[Row] = []
    key = _paper_name(name)
    for what in ("test", *results[0]["unseen"]):
        own = ("test",) if what == "test" else ("unseen", what)
        finished = [told["finished"][what] for told in results if told["finished"]]
        paper = printed.ACCURACY[key][0] if what == "test" and who == "the hybrid" else None
        rows.append({
            "set": name, "who": who, "unseen": "trial" if what == "test" else what,
            _MSE: over(results, at(*own, "mse"), MSE), _MAE: over(results, at(*own, "mae"), MAE),
            "R": over(results, at(*own, "r")),
            "times the unseen trial": over(results, ratio(at(*own, "mse"), at("test", "mse"))),
            "moments missed (N·m)": over(finished, at("moment_missed_rms")),
            "MSE, finished exactly": over(finished, at("finished_mse")),
            "paper: MSE (1e-3)": paper,
        })  # fmt: skip
    return rows


def threshold(sets: Sets, balance: float = 1.0) -> float:
    """The validation loss that optimizers are timed by."""
    from .objective import objective

    scaling = Pipeline.of(sets.training).scaling
    asked, middle = scaling.targets(sets.validation), scaling.targets(sets.training).mean(axis=0)
    return THRESHOLD * float(objective(middle[None], asked, len(sets.training.loads), balance))


def passes_to(told: Mapping[str, Any], limit: float) -> float | None:
    """Passes over the data until the validation loss is below a limit; None where it never is."""
    history = told["history"]
    return next((p for p, v in zip(history["gradients"], history["validation"], strict=True) if v <= limit), None)


def _errors(trained: Trained, one: Experiment) -> dict[str, Any]:
    return {**_measures(trained.over_seeds(one)), "rate": one.learning_rate}


def _measures(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def of(what: str, times: float = 1.0) -> dict[str, float]:
        return over(results, at("test", what), times)

    return {
        _MSE: of("mse", MSE), _MAE: of("mae", MAE), "PSNR (dB)": of("psnr"), "R": of("r"), "R²": of("r2"),
        "% of peak": of("share_of_peak", 100.0),
        "RMSE/MAE": over(results, lambda told: told["test"]["mse"] ** 0.5 / told["test"]["mae"]),
        "weights": float(results[0]["weights"]),
    }  # fmt: skip


def _trivial(sets: Sets) -> dict[str, dict[str, Any]]:
    pipeline = Pipeline.of(sets.training)
    asked = pipeline.scaling.targets(sets.test)
    made = baselines(sets.training, sets.validation, pipeline.inputs, pipeline.scaling.targets)
    told = {name: errors(made[name](sets.test), asked) for name in BASELINES}
    return {
        name: {
            _MSE: MSE * own["mse"], _MAE: MAE * own["mae"], "PSNR (dB)": own["psnr"],
            "R": own["r"] if name != "mean" else None, "R²": own["r2"], "% of peak": 100.0 * own["share_of_peak"],
            "RMSE/MAE": own["mse"] ** 0.5 / own["mae"],
        }
        for name, own in told.items()
    }  # fmt: skip


def _plain(one: Experiment, trained: Trained) -> Experiment:
    """The arm without noise and filters."""
    return next(
        own for own in trained.parts["noise"]
        if own.dataset == one.dataset and own.noise == "none" and not own.denoised
    )  # fmt: skip


def _paper_name(name: str) -> str:
    return name.split(",")[0]


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, … ({len(names)})"


def _origin(provenance: Mapping[str, Any]) -> str:
    if "files" in provenance:
        return ", ".join(f"{name} ({digest[:8]})" for name, digest in provenance["files"].items())
    return f"{provenance['model']} ({provenance['sha256'][:8]}), solved exactly for {provenance['cost']}"
