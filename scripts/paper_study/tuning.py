"""Three ways to look for a network's settings, at one budget: passes over the training set, not trials."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from osimopt.errors import InputError, MissingDependencyError, SolverError, explain
from osimopt.files.storage import write_atomically
from osimopt.surrogate.training import TrainingOptions

from .controller import Controller
from .experiment import Experiment
from .objective import loss_of
from .preprocessing import Pipeline

if TYPE_CHECKING:
    from .windows import Sets

Method = Literal["random", "tpe + hyperband", "controller"]
METHODS: tuple[Method, ...] = get_args(Method)
Settings = dict[str, Any]
#: Told (epoch, validation loss); True to give up.
Report = Callable[[int, float], bool]
#: Loss of settings trained for some epochs.
Objective = Callable[[Settings, int, Report], float]

SPACE: dict[str, tuple[Any, ...]] = {
    "network": ("mlp", "cnn", "lstm", "cnn+lstm", "cnn+lstm+attention"),
    "weights": (5_000, 20_000, 60_000),
    "learning_rate": (5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "batch_size": (32, 64, 128, 256),
    "penalty": (0.0, 1e-6, 1e-5),
}
#: Epochs of a whole trial, and the fewest after which Hyperband gives one up.
LONGEST, SHORTEST, REDUCTION = 20, 2, 3


@dataclass(frozen=True, eq=False)
class Tuned:
    """The best settings, their loss, and after each trial (epochs used, least loss so far)."""

    method: Method
    seed: int
    settings: Settings
    value: float
    history: list[tuple[int, float]]


def tune(method: Method, objective: Objective, budget: int, seed: int, longest: int = LONGEST) -> Tuned:
    """Look for settings until ``budget`` epochs are used; the last trial may be cut short.

    Raises
    ------
    InputError
        An unknown method, or a budget below one epoch.
    MissingDependencyError
        Optuna is not installed.
    """
    if method not in METHODS:
        raise InputError(explain(f"a method among {', '.join(METHODS)}", repr(method), "Choose one of them."))
    if budget < 1:
        raise InputError(explain("a budget of one epoch or more", str(budget), "Give more."))
    propose = {"random": _random, "controller": _controlled, "tpe + hyperband": _optuna}[method](seed, longest)
    used, history = 0, []
    best: tuple[float, Settings] = (math.inf, {})
    while used < budget:
        settings, watch, told = propose()
        allowed = min(longest, budget - used)
        reached = 0

        def report(epoch: int, value: float, watch: Report = watch) -> bool:
            nonlocal reached
            reached = epoch
            return watch(epoch, value)

        value = objective(settings, allowed, report)
        used += max(1, reached)
        told(value)
        if value < best[0] or not best[1]:
            best = value, settings
        history.append((used, best[0]))
    return Tuned(method, seed, best[1], best[0], history)


#: Settings, whether to give them up on the way, and where their loss is told.
_Proposal = tuple[Settings, Report, Callable[[float], None]]


def _random(seed: int, longest: int) -> Callable[[], _Proposal]:
    random = np.random.default_rng(seed)

    def propose() -> _Proposal:
        settings = {name: choices[int(random.integers(len(choices)))] for name, choices in SPACE.items()}
        return settings, lambda *_: False, lambda _: None

    return propose


def _controlled(seed: int, longest: int) -> Callable[[], _Proposal]:
    controller = Controller(SPACE, seed)

    def propose() -> _Proposal:
        places = controller.ask()
        settings = {name: SPACE[name][place] for name, place in places.items()}
        return settings, lambda *_: False, lambda value: controller.tell(places, -math.log(max(value, 1e-12)))

    return propose


def _optuna(seed: int, longest: int) -> Callable[[], _Proposal]:
    try:
        import optuna
    except ImportError:
        fix = "pip install 'osimopt[study]'"
        raise MissingDependencyError(
            explain("Optuna, for tuning by TPE and Hyperband", "it is not installed", fix)
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=f"seed {seed}",  # Hyperband sorts trials into brackets by it
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(min_resource=SHORTEST, max_resource=longest, reduction_factor=REDUCTION),
    )

    def propose() -> _Proposal:
        trial = study.ask()
        settings = {name: trial.suggest_categorical(name, choices) for name, choices in SPACE.items()}
        given_up = False

        def watch(epoch: int, value: float) -> bool:
            nonlocal given_up
            trial.report(value, epoch)
            given_up = trial.should_prune()
            return given_up

        def told(value: float) -> None:
            state = optuna.trial.TrialState.PRUNED if given_up else optuna.trial.TrialState.COMPLETE
            study.tell(trial, None if given_up else value, state=state)

        return settings, watch, told

    return propose


class _GivenUpError(Exception):
    pass


def objective_of(sets: Sets, seed: int) -> Objective:
    """Train settings on a set, and give the least validation loss."""
    pipeline = Pipeline.of(sets.training)
    training, validation = (
        (pipeline.inputs(one), pipeline.scaling.targets(one)) for one in (sets.training, sets.validation)
    )

    def objective(settings: Settings, epochs: int, report: Report) -> float:
        from .last_frame import fitted

        options = TrainingOptions(
            epochs=epochs, batch_size=settings["batch_size"], optimizer="adam", seed=seed, patience=epochs,
            learning_rate=settings["learning_rate"], weight_decay=2.0 * settings["penalty"],
        )  # fmt: skip
        least = math.inf

        def progress(epoch: int, _: int, __: float, value: float) -> None:
            nonlocal least
            least = min(least, value) if math.isfinite(value) else least
            if report(epoch, value if math.isfinite(value) else 1e9):
                raise _GivenUpError

        loss = loss_of(len(sets.training.loads))
        with contextlib.suppress(_GivenUpError, SolverError):
            fitted(settings["network"], training, validation, loss, options, settings["weights"], progress=progress)
        return least if math.isfinite(least) else 1e9

    return objective


def tuned(method: Method, sets: Sets, budget: int, seed: int, longest: int, folder: Path) -> Tuned:
    """Look for settings on a set, or read what an earlier call kept in ``folder``."""
    path = folder / f"{sets.training.name}_{method.replace(' + ', '_')}_{budget}_{longest}_{seed}.json"
    if path.is_file():
        told = json.loads(path.read_text(encoding="utf-8"))
        return Tuned(**{**told, "history": [tuple(row) for row in told["history"]]})
    found = tune(method, objective_of(sets, seed), budget, seed, longest)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asdict(found)) + "\n")
    return found


def as_experiment(found: Tuned, like: Experiment) -> Experiment:
    """An experiment with the settings found."""
    return replace(like, **found.settings, seed=found.seed)
