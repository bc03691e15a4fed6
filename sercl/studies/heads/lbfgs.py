"""L-BFGS for many small problems at once."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Objective = Callable[[Tensor], Tensor]
"""Parameters `[models, size]` -> values `[models]`, each of which depends on its own row only."""

MEMORY = 10
"""Number of earlier steps that approximate the curvature."""

_SUFFICIENT = 1e-4
"""Fraction of the decrease predicted by the gradient that a step must reach (Armijo)."""

_HALVINGS = 40


@dataclass(frozen=True)
class Minimum:
    """Where the minimisation ended.

    Attributes:
        parameters: `[models, size]`.
        converged: `[models]` bool, whether the gradient is below the tolerance.
        steps: Steps of the slowest model.
    """

    parameters: Tensor
    converged: Tensor
    steps: int


def minimize(objective: Objective, start: Tensor, tolerance: float = 1e-6, max_steps: int = 1000) -> Minimum:
    """Minimise smooth functions with L-BFGS (Nocedal and Wright 2006, algorithm 7.5) and backtracking.

    Args:
        objective: The functions; differentiable by autograd.
        start: `[models, size]` float64.
        tolerance: A model has converged when no element of its gradient is larger.
        max_steps: Maximum number of steps.
    """
    point = start.detach().clone()
    value, slope = _evaluate(objective, point)
    history: list[tuple[Tensor, Tensor]] = []
    steps = 0
    while steps < max_steps and bool((moving := slope.abs().amax(dim=1) > tolerance).any()):
        direction = torch.where(moving[:, None], -_curved(slope, history), 0.0)
        moved, lower, steeper = _line_search(objective, point, value, slope, direction)
        if torch.equal(moved, point):
            break  # rounding errors: no model gets lower
        history = [*history, (moved - point, steeper - slope)][-MEMORY:]
        point, value, slope = moved, lower, steeper
        steps += 1
    return Minimum(point, slope.abs().amax(dim=1) <= tolerance, steps)


def _evaluate(objective: Objective, point: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        leaf = point.detach().requires_grad_()
        values = objective(leaf)
        (slopes,) = torch.autograd.grad(values.sum(), leaf)
    return values.detach(), slopes


def _curved(slope: Tensor, history: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the inverse Hessian that the history approximates times the gradient (algorithm 7.4)."""
    result, back = slope.clone(), []
    scale = torch.ones_like(slope[:, 0])
    for step, change in history:
        curvature = _dot(step, change)
        valid = curvature > torch.finfo(slope.dtype).eps * _dot(change, change)
        back.append((step, change, torch.where(valid, 1 / curvature, 0.0)))
        scale = torch.where(valid, curvature / _dot(change, change), scale)
    amounts = []
    for step, change, inverse in reversed(back):
        amounts.append(inverse * _dot(step, result))
        result -= amounts[-1][:, None] * change
    result *= scale[:, None]
    for (step, change, inverse), amount in zip(back, reversed(amounts), strict=True):
        result += (amount - inverse * _dot(change, result))[:, None] * step
    return result


def _line_search(
    objective: Objective, point: Tensor, value: Tensor, slope: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the next points, with values and gradients; a model that gets no lower is left where it is."""
    predicted = _dot(slope, direction)
    rate = torch.ones_like(value)
    for _ in range(_HALVINGS):
        moved = point + rate[:, None] * direction
        lower, steeper = _evaluate(objective, moved)
        sound = lower <= value + _SUFFICIENT * rate * predicted
        if bool(sound.all()):
            return moved, lower, steeper
        rate = torch.where(sound, rate, rate / 2)
    keep = sound[:, None]
    return (
        torch.where(keep, moved, point),
        torch.where(sound, lower, value),
        torch.where(keep, steeper, slope),
    )


def _dot(one: Tensor, two: Tensor) -> Tensor:
    return (one * two).sum(dim=1)
