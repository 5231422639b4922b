"""Architectures: sequences in, sequences out; causal means exactly causal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import nn

from osimopt import InputError
from osimopt.surrogate.architecture import Architecture, Attention, Convolution, build

KINDS = ("mlp", "cnn", "lstm", "attention", "cnn+lstm", "cnn+attention", "lstm+attention", "cnn+lstm+attention")
#: Sums of a dozen terms in double precision, in another order.
ROUNDING = 1e-12
INPUTS, OUTPUTS = 3, 2


def made(kind: str, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    chosen: dict[str, Any] = {"width": 8, "depth": 2, "kernel": 4, "heads": 2, **settings}
    return build(Architecture(kind, **chosen), INPUTS, OUTPUTS).double().eval()


def sequence(frames: int, batch: int = 2, seed: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, INPUTS, generator=random, dtype=torch.float64)


# -------------------------------------------------------------------------------------------- shapes and gradients


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 9])
def test_as_many_frames_out_as_in(kind: str, causal: bool, frames: int) -> None:
    out = made(kind, causal=causal)(sequence(frames))
    assert out.shape == (2, frames, OUTPUTS)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.slow
def test_gradients(kind: str, causal: bool) -> None:
    assert torch.autograd.gradcheck(made(kind, causal=causal, width=4), (sequence(4).requires_grad_(),))


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_used(kind: str) -> None:
    network = made(kind, depth=3)
    network(sequence(5)).square().sum().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().max() > 0.0, name


@pytest.mark.parametrize(
    ("kind", "layer", "expected"),
    [("mlp", nn.Linear, 4), ("cnn", nn.Conv1d, 3), ("lstm", nn.LSTM, 3), ("cnn+lstm", nn.Conv1d, 3)],
)
def test_depth(kind: str, layer: type[nn.Module], expected: int) -> None:
    found = [one for one in made(kind, depth=3).modules() if isinstance(one, layer)]
    count = sum(one.num_layers if isinstance(one, nn.LSTM) else 1 for one in found)
    assert count == expected


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_draws_in_training_only(kind: str) -> None:
    network, x = made(kind, dropout=0.5, depth=1), sequence(6)
    assert torch.equal(network(x), network(x))
    network.train()
    torch.manual_seed(0)
    assert not torch.equal(network(x), network(x))


# ----------------------------------------------------------------------------------------------- what comes later


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("later", [1e3, float("nan"), float("inf")])
def test_causal_is_exactly_causal(kind: str, later: float) -> None:
    network, x = made(kind, causal=True), sequence(12)
    before = network(x)
    for frame in range(12):
        other = x.clone()
        other[:, frame + 1 :] = later
        assert torch.equal(network(other)[:, : frame + 1], before[:, : frame + 1])


@pytest.mark.parametrize("kind", KINDS)
def test_causal_gradients_are_exactly_zero(kind: str) -> None:
    x = sequence(7, batch=1).requires_grad_()
    out = made(kind, causal=True)(x)
    for frame in range(7):
        (slope,) = torch.autograd.grad(out[0, frame].sum(), x, retain_graph=True)
        assert torch.equal(slope[0, frame + 1 :], torch.zeros_like(slope[0, frame + 1 :]))
        assert slope[0, frame].abs().max() > 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("causal", [False, True])
def test_how_far_a_network_sees(kind: str, causal: bool) -> None:
    """A perceptron one frame, two convolutions of four frames seven, the others all that they may."""
    x = sequence(20, batch=1).requires_grad_()
    (slope,) = torch.autograd.grad(made(kind, causal=causal)(x)[0, 10].sum(), x)
    seen = torch.nonzero(slope[0].abs().sum(dim=1)).flatten().tolist()
    reach = {"mlp": (0, 0), "cnn": (6, 0) if causal else (2, 4)}
    before, after = reach.get(kind, (10, 0 if causal else 9))
    assert seen == list(range(10 - before, 10 + after + 1))


def test_a_perceptron_sees_frames_one_by_one() -> None:
    network, x, order = made("mlp"), sequence(9), torch.randperm(9)
    assert torch.allclose(network(x[:, order]), network(x)[:, order], atol=ROUNDING, rtol=0.0)


@pytest.mark.parametrize("kernel", [1, 2, 5])
@pytest.mark.parametrize("causal", [False, True])
def test_convolution_repeats_the_ends(kernel: int, causal: bool) -> None:
    torch.manual_seed(0)
    layer = Convolution(INPUTS, Architecture("cnn", width=4, kernel=kernel, causal=causal)).double()
    still = layer(sequence(1).expand(-1, 8, -1))
    assert torch.allclose(still, still[:, :1].expand_as(still), atol=ROUNDING, rtol=0.0)


# ------------------------------------------------------------------------------------------------------ attention


def attention(causal: bool = False) -> Attention:
    torch.manual_seed(0)
    return Attention(Architecture("cnn+lstm+attention", width=8, heads=2, causal=causal)).double()


def test_attention_knows_no_order() -> None:
    block = attention()
    torch.manual_seed(2)
    x, order = torch.randn(3, 11, 8, dtype=torch.float64), torch.randperm(11)
    assert torch.allclose(block(x[:, order]), block(x)[:, order], atol=ROUNDING, rtol=0.0)
    assert not torch.allclose(attention(causal=True)(x[:, order]), attention(causal=True)(x)[:, order], atol=1e-3)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_that_of_torch(causal: bool) -> None:
    block = attention(causal)
    torch.manual_seed(2)
    x = torch.randn(3, 11, 8, dtype=torch.float64)
    asked = block.ask(block.norm(x)).reshape(3, 11, 3, 2, 4).permute(2, 0, 3, 1, 4)
    seen = nn.functional.scaled_dot_product_attention(*asked, is_causal=causal)
    expected = x + block.out(seen.transpose(1, 2).reshape(3, 11, 8))
    assert torch.allclose(block(x), expected, atol=ROUNDING, rtol=0.0)


def test_a_frame_that_is_no_number_stays_one() -> None:
    x = sequence(6)
    x[:, 3] = float("nan")
    lost = torch.isnan(made("cnn+lstm+attention", causal=True)(x)).all(dim=2).all(dim=0)
    assert lost.tolist() == [False, False, False, True, True, True]
    assert torch.isnan(made("cnn+lstm+attention")(x)).all()


# ------------------------------------------------------------------------------------------------------- settings


def test_as_plain_data_and_back() -> None:
    one = Architecture("cnn+lstm", width=6, depth=1, kernel=3, causal=True, dropout=0.1)
    assert Architecture(**asdict(one)) == one


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "transformer"}, r"an architecture among set, mlp.*got 'transformer'"),
        ({"width": 0}, "width as a whole number ≥ 1, got 0"),
        ({"depth": True}, "depth as a whole number"),
        ({"kernel": 2.0}, "kernel as a whole number"),
        ({"heads": "4"}, "heads as a whole number"),
        ({"dropout": 1.0}, "dropout from 0 to below 1, got 1.0"),
        ({"dropout": float("nan")}, "dropout from 0 to below 1, got nan"),
        ({"dropout": "much"}, "dropout from 0 to below 1, got 'much'"),
        ({"kind": "cnn+lstm+attention", "width": 10}, "a width that heads divide, got 10 and 4"),
        ({"kind": "lstm", "width": 7}, "an even width.*got 7"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Architecture(**settings)


def test_an_odd_width_will_do_for_one_direction() -> None:
    assert made("lstm", width=7, causal=True)(sequence(3)).shape == (2, 3, OUTPUTS)


def test_parts_are_combined_in_any_order() -> None:
    layers = [type(layer).__name__ for layer in made("mlp+attention+lstm", depth=2)]  # type: ignore[attr-defined]
    assert layers == ["Sequential", "Sequential", "Attention", "Recurrence", "Linear"]


def test_sets_are_made_elsewhere() -> None:
    with pytest.raises(InputError, match="an architecture for sequences"):
        build(Architecture("set"), INPUTS, OUTPUTS)
