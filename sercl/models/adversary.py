"""Domain-adversarial training (Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks").

A classifier learns to distinguish two corpora; its gradient is reversed before the features, which thereby
lose information about the corpus.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sercl.batch import SOURCE, TARGET
from sercl.errors import UsageError


@dataclass(frozen=True)
class AdversarialConfig:
    """Strength of the domain classifier in adversarial training.

    Args:
        weight: Strength at the end of the ramp, relative to the emotion loss; 0 for no adversarial training,
            1 as in Ganin et al.
        gamma: Steepness of the ramp from 0, weight x (2 / (1 + exp(-gamma p)) - 1) where p is the fraction
            of all steps completed; 10 in the paper.
        hidden: Width of the domain classifier's hidden layer.

    Raises:
        UsageError: For a number out of its range.
    """

    weight: float = 0.0
    gamma: float = 10.0
    hidden: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise UsageError(f"adversarial.weight is {self.weight}; it must be 0 or more.")
        if not 0 < self.gamma < math.inf:
            raise UsageError(f"adversarial.gamma is {self.gamma}; it must be above 0.")
        if self.hidden < 1:
            raise UsageError(f"adversarial.hidden is {self.hidden}; it must be 1 or more.")

    def strength(self, step: int, total_steps: float) -> float:
        """Return the factor of the reversed gradient at a step (0-based).

        Args:
            step: Optimiser steps done.
            total_steps: Those of the whole training; infinite if it has no fixed end, and then there is no
                ramp.
        """
        progress = min(1.0, step / total_steps) if 0 < total_steps < math.inf else 1.0
        return self.weight * (2 / (1 + math.exp(-self.gamma * progress)) - 1)


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """Return `x` unchanged; its gradient is multiplied by `-strength`."""
    return _Reversal.apply(x, strength)  # type: ignore[no-any-return, no-untyped-call]


class Adversary(nn.Module):
    """One domain classifier per head, with the same input as that head.

    Args:
        heads: Number of heads.
        dim: Size of a head's input.
        hidden: Width of the hidden layer.
    """

    def __init__(self, heads: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.classifiers = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 1)) for _ in range(heads)
        )

    def forward(self, features: Tensor, strength: float) -> Tensor:
        """Return logits of the target domain, `[batch, heads]`, from features `[batch, heads, dim]`.

        Args:
            features: Input of the heads.
            strength: Factor of the reversed gradient.
        """
        reversed_features = reverse_gradient(features, strength)
        each = [classifier(reversed_features[:, i]) for i, classifier in enumerate(self.classifiers)]
        return torch.cat(each, dim=1)


def build_adversary(config: AdversarialConfig, heads: int, dim: int, frozen: bool) -> Adversary | None:
    """Return the domain classifier, or None if the weight is 0.

    Args:
        config: Options of adversarial training.
        heads: Number of heads of the model.
        dim: Input size of a head.
        frozen: Whether the encoder is frozen.

    Raises:
        UsageError: For a frozen encoder, which cannot adapt.
    """
    if not config.weight:
        return None
    if frozen:
        raise UsageError(
            "adversarial training changes the encoder, and with --model.adapter none it stays as it is. "
            "Choose an adapter (--model.adapter lora), or --model.adversarial.weight 0."
        )
    return Adversary(heads, dim, config.hidden)


def domain_losses(logits: Tensor, domains: Tensor) -> Tensor:
    """Return what the source and the target add to the binary cross-entropy of each head, `[2, heads]`.

    Both have equal weight: a domain adds the mean over its utterances, divided by the number of domains that
    have any; one without adds 0.

    Args:
        logits: Logits of the target domain, `[batch, heads]`.
        domains: `SOURCE` or `TARGET` for each utterance, `[batch]`.
    """
    truth = domains.to(logits.dtype).unsqueeze(1).expand_as(logits)
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    sums = torch.stack([each[domains == domain].sum(dim=0) for domain in (SOURCE, TARGET)])
    return sums / domain_weights(domains).clamp(min=1).unsqueeze(1)


def domain_weights(domains: Tensor) -> Tensor:
    """Return the divisors in `domain_losses`, `[2]`: utterances of the domain x number of domains present."""
    counts = torch.stack([(domains == domain).sum() for domain in (SOURCE, TARGET)])
    return counts * (counts > 0).sum()


def domain_accuracy(logits: Tensor, domains: Tensor) -> Tensor:
    """Return the balanced accuracy over domains, averaged over heads; 0.5 is chance. Arguments as above."""
    right = ((logits > 0) == (domains == TARGET).unsqueeze(1)).float()
    present = [domain for domain in (SOURCE, TARGET) if bool((domains == domain).any())]
    return torch.stack([right[domains == domain].mean() for domain in present]).mean()
