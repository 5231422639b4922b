"""Which experiments answer which question, and how much is spent on each.

Learning rates are swept first, as many for every network and for every optimizer, on one seed and by the validation
loss; everything after that uses the rate found. A sweep's own best run is the first seed of what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .augmentation import Arm
from .experiment import Experiment
from .noise import Kind
from .optimizers import Optimizer

#: What is trained in all parts that compare something else.
HYBRID = "cnn+lstm+attention"
NETWORKS = (
    "mlp", "cnn", "elman", "lstm", "attention", "cnn+lstm", "cnn+attention", "lstm+attention", HYBRID,
)  # fmt: skip
#: The middle of each optimizer's sweep, which spans two decades.
MIDDLE: dict[Optimizer, float] = {
    "sgd": 0.3, "momentum": 0.3, "adam": 3e-3, "adamw": 3e-3, "adagrad": 3e-2, "rmsprop": 1e-3, "lbfgs": 0.3,
}  # fmt: skip
#: Decoupled weight decay of AdamW, the others have none: half of it is λ of equation (7).
ADAMW_DECAY = 1e-2
#: Windows of a batch in the optimizers' sweep and on 25 times the data, and the rate there.
BATCH, LARGE_RATE = 128, 1e-2
#: Of six blocks one is the least: shares up to this are the next one's.
LEAST_SHARE = 0.05
#: Gradients that one epoch of L-BFGS takes, about: it makes as many fewer of them.
LBFGS_GRADIENTS = 20
#: The arms of the noise study: noise in training, and denoising.
ARMS: tuple[tuple[Kind, bool], ...] = tuple(
    (kind, denoised) for denoised in (False, True) for kind in ("none", "gaussian", "salt-and-pepper")
)

#: Results by experiment.
Results = Mapping[Experiment, dict[str, Any]]
#: Trains what has no result yet.
Train = Callable[[Sequence[Experiment]], Results]


@dataclass(frozen=True)
class Budget:
    """How much is spent: ``tuning`` epochs per method and seed, ``large`` epochs by network on 25 times the data."""

    seeds: int = 5
    epochs: int = 50
    networks: tuple[str, ...] = NETWORKS
    rates: tuple[float, ...] = (3e-3, 1e-2, 3e-2)
    steps: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0)
    balances: tuple[float, ...] = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)
    penalties: tuple[float, ...] = (1e-6, 1e-5)
    shares: tuple[float, ...] = (0.05, 0.1, 0.5, 1.0)
    tuning: int = 160
    large: Mapping[str, int] = field(default_factory=lambda: {"mlp": 150, HYBRID: 30})
    weights: int = 20_000
    simulation: str = "simulation"

    def __hash__(self) -> int:
        return hash(repr(self))


FULL = Budget()
QUICK = Budget(
    seeds=2, epochs=12, networks=("mlp", "cnn", "lstm", HYBRID), rates=(1e-2,), steps=(0.3, 1.0, 3.0),
    balances=(0.0, 1.0, 100.0), penalties=(1e-5,), shares=(0.1, 1.0), tuning=40, large={"mlp": 6},
)  # fmt: skip
TINY = Budget(
    seeds=1, epochs=2, networks=("mlp", HYBRID), rates=(3e-3,), steps=(1.0,), balances=(1.0,), penalties=(1e-5,),
    shares=(1.0,), tuning=4, large={}, weights=1000, simulation="simulation, tiny",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The experiments of a budget on the data sets that there are."""

    budget: Budget
    datasets: tuple[str, ...]

    @property
    def simulation(self) -> str:
        """The simulated set, which is always there."""
        return self.budget.simulation

    @property
    def with_displacement(self) -> str:
        """The set whose objective has both terms, where there is one."""
        return "gait" if "gait" in self.datasets else self.simulation

    def of(self, dataset: str, network: str = HYBRID, **options: Any) -> Experiment:
        """An experiment with the budget's own settings."""
        return Experiment(dataset, network, **{"epochs": self.budget.epochs, "weights": self.budget.weights, **options})

    def network_sweep(self) -> list[Experiment]:
        """Learning rates of every network on every set."""
        return [
            self.of(dataset, network, learning_rate=rate)
            for dataset in self.datasets
            for network in self.budget.networks
            for rate in self.budget.rates
        ]

    def optimizer_sweep(self) -> list[Experiment]:
        """Learning rates of every optimizer, held constant, on the sets of the paper's tables 3 and 4."""
        return [
            self.of(
                dataset, optimizer=optimizer, learning_rate=middle * step, schedule="constant", batch_size=BATCH,
                penalty=0.5 * ADAMW_DECAY if optimizer == "adamw" else 0.0,
                epochs=-(-self.budget.epochs // LBFGS_GRADIENTS) if optimizer == "lbfgs" else self.budget.epochs,
            )
            for dataset in self.datasets if dataset != "emg"
            for optimizer, middle in MIDDLE.items()
            for step in self.budget.steps
        ]  # fmt: skip

    def seeded(self, experiments: Sequence[Experiment]) -> list[Experiment]:
        """Each with every seed."""
        return [replace(one, seed=seed) for one in experiments for seed in range(self.budget.seeds)]

    def best(self, sweep: Sequence[Experiment], results: Results) -> list[Experiment]:
        """Of each network and optimizer on each set, the rate with the least validation loss."""
        chosen: dict[tuple[str, str, str], Experiment] = {}
        for one in sweep:
            key = (one.dataset, one.network, one.optimizer)
            if key not in chosen or lowest(results[one]) < lowest(results[chosen[key]]):
                chosen[key] = one
        return list(chosen.values())

    def balance(self, hybrid: Mapping[str, Experiment]) -> list[Experiment]:
        """λ of equation (2)."""
        if self.with_displacement == self.simulation:
            return []  # activations alone
        return [replace(hybrid[self.with_displacement], balance=balance) for balance in self.budget.balances]

    def constraints(self, hybrid: Mapping[str, Experiment]) -> list[Experiment]:
        """Equation (3) by construction, and λ of equation (7)."""
        own = hybrid[self.simulation]
        return [replace(own, bounded=True), *(replace(own, penalty=penalty) for penalty in self.budget.penalties)]

    def noise(self, hybrid: Mapping[str, Experiment]) -> list[Experiment]:
        """Trained clean or with noise, with and without denoising, on the sets of the paper's table 5."""
        own = [hybrid[name] for name in ("running", self.simulation) if name in hybrid]
        return [replace(one, noise=noise, denoised=denoised) for one in own for noise, denoised in ARMS]

    def augmentation(self, hybrid: Mapping[str, Experiment]) -> list[Experiment]:
        """Shares of the trials, with nothing added, a generative network's windows, or the model's if there is one."""
        arms: dict[str, tuple[Arm, ...]] = {self.simulation: ("none", "gan", "physics"), "gait": ("none", "gan")}
        return [
            replace(hybrid[name], share=share, augmentation=arm)
            for name, own in arms.items() if name in hybrid
            for share in self.budget.shares if name == self.simulation or share > LEAST_SHARE
            for arm in own
        ]  # fmt: skip

    def large(self) -> list[Experiment]:
        """What 25 times the simulated data are worth."""
        return [
            self.of("simulation, 25 times", network, epochs=epochs, learning_rate=LARGE_RATE, batch_size=BATCH)
            for network, epochs in self.budget.large.items()
        ]


@dataclass(frozen=True)
class Trained:
    """The experiments of each part, without their seeds, and all results."""

    plan: Plan
    parts: Mapping[str, list[Experiment]]
    results: Results

    def hybrid(self, dataset: str) -> Experiment:
        """The hybrid network on a set, with the rate found."""
        return next(one for one in self.parts["networks"] if (one.dataset, one.network) == (dataset, HYBRID))

    def over_seeds(self, experiment: Experiment) -> list[dict[str, Any]]:
        """Results of one experiment."""
        return [self.results[one] for one in self.plan.seeded([experiment])]


def train_all(plan: Plan, train: Train) -> Trained:
    """Sweep, then everything else with the rates found."""
    sweeps = plan.network_sweep(), plan.optimizer_sweep()
    found = train([*sweeps[0], *sweeps[1]])
    networks, optimizers = (plan.best(sweep, found) for sweep in sweeps)
    own = {(one.dataset, one.network): one for one in networks}
    hybrid = {dataset: own[dataset, HYBRID] for dataset in plan.datasets}
    parts = {
        "networks": networks,
        "optimizers": optimizers,
        "balance": plan.balance(hybrid),
        "constraints": plan.constraints(hybrid),
        "noise": plan.noise(hybrid),
        "augmentation": plan.augmentation(hybrid),
        "large": plan.large(),
    }
    results = train(plan.seeded([one for part in parts.values() for one in part]))
    return Trained(plan, {"network sweep": sweeps[0], "optimizer sweep": sweeps[1], **parts}, {**found, **results})


def lowest(result: Mapping[str, Any]) -> float:
    """The least validation loss of a training."""
    return float(min(result["history"]["validation"]))
