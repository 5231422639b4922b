"""A small conditional generative adversarial network that makes windows with their targets.

Conditioned on the last frame: asked for a posture and its moments, it makes a window that ends there, and what is asked
of it. The hinge loss with spectral normalisation of the critic trains without a gradient penalty (Miyato et al. 2018,
arXiv:1802.05957). Windows are sums of slow cosines: noise between frames would give the generator away at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from osimopt.errors import InputError, SolverError, explain

Array = NDArray[np.float64]

#: Numbers that a sample is drawn from, units of a layer, cosines in time.
LATENT, WIDTH, COSINES = 16, 128, 8
STEPS, BATCH, RATE, BETAS = 1500, 128, 5e-4, (0.5, 0.9)
#: Standard deviation of what is added to the last frames that are asked for, on the scale [0, 1].
JITTER = 0.02


@dataclass(frozen=True, eq=False)
class Gan:
    """A trained generator, with the last frames (N, C) of the windows that it learned from."""

    network: nn.Module
    known: Array
    frames: int
    targets: int

    def sample(self, count: int, seed: int) -> tuple[Array, Array]:
        """Windows (n, T, C) and targets (n, K), ending near last frames that it has learned."""
        random = np.random.default_rng(seed)
        condition = self.known[random.integers(len(self.known), size=count)]
        condition = condition + JITTER * random.standard_normal(condition.shape)
        latent = random.standard_normal((count, LATENT))
        told = torch.as_tensor(np.hstack([latent, condition]), dtype=torch.float32)
        with torch.no_grad():
            made = self.network(told).double().numpy()
        return _unpacked(made, condition, self.frames, self.targets)


def train_gan(inputs: Array, targets: Array, seed: int, steps: int | None = None) -> Gan:
    """Train on scaled windows (N, T, C) and targets (N, K), for ``STEPS`` steps by default.

    Raises
    ------
    InputError
        Fewer than two windows, or values that are no numbers.
    SolverError
        Training diverged.
    """
    if len(inputs) < 2 or not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
        got = f"{len(inputs)} of which {int((~np.isfinite(inputs)).sum())} values are none"
        raise InputError(explain("two windows or more, all numbers", got, "Fill gaps first."))
    frames, signals = inputs.shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        normed = nn.utils.parametrizations.spectral_norm
        size = COSINES * signals + targets.shape[1]
        generator = nn.Sequential(
            nn.Linear(LATENT + signals, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, size)
        )
        critic = nn.Sequential(
            normed(nn.Linear(size + signals, WIDTH)), nn.LeakyReLU(0.2), normed(nn.Linear(WIDTH, WIDTH)),
            nn.LeakyReLU(0.2), normed(nn.Linear(WIDTH, 1)),
        )  # fmt: skip
        real = torch.as_tensor(_packed(inputs, targets), dtype=torch.float32)
        ends = torch.as_tensor(inputs[:, -1], dtype=torch.float32)
        makers = [torch.optim.Adam(one.parameters(), RATE, betas=BETAS) for one in (generator, critic)]
        for _ in range(STEPS if steps is None else steps):
            keep = torch.randint(len(real), (BATCH,))
            end = ends[keep]
            made = generator(torch.cat([torch.randn(BATCH, LATENT), end], dim=1))
            of_real, of_made = critic(torch.cat([real[keep], end], 1)), critic(torch.cat([made.detach(), end], 1))
            loss = torch.relu(1.0 - of_real).mean() + torch.relu(1.0 + of_made).mean()
            _step(makers[1], loss)
            _step(makers[0], -critic(torch.cat([made, end], 1)).mean())
        if not all(bool(torch.isfinite(weight).all()) for weight in generator.parameters()):
            raise SolverError("Training of the generative network diverged. Give more windows, or another seed.")
    return Gan(generator.eval(), inputs[:, -1], frames, targets.shape[1])


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _basis(frames: int) -> Array:
    """(T, n) cosines over a window, orthonormal."""
    time = (np.arange(frames) + 0.5) / frames
    waves = np.cos(math.pi * time[:, None] * np.arange(COSINES)) * np.sqrt(2.0 / frames)
    waves[:, 0] /= math.sqrt(2.0)
    return np.asarray(waves)


def _packed(inputs: Array, targets: Array) -> Array:
    """(N, n C + K) cosines of windows less their last frame, and targets."""
    away = inputs - inputs[:, -1:]
    coefficients = np.einsum("tk,ntc->nkc", _basis(inputs.shape[1]), away)
    packed: Array = np.hstack([coefficients.reshape(len(inputs), -1), targets])
    return packed


def _unpacked(made: Array, ends: Array, frames: int, targets: int) -> tuple[Array, Array]:
    coefficients = made[:, : made.shape[1] - targets].reshape(len(made), COSINES, -1)
    away = np.einsum("tk,nkc->ntc", _basis(frames), coefficients)
    return ends[:, None] + away - away[:, -1:], made[:, made.shape[1] - targets :]
