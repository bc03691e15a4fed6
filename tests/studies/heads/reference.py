"""The plain way to train a probe: one at a time, with torch's own modules and optimiser."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sercl.models.heads import build_head
from sercl.models.readout import WeightedSum
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.parts import Parts


@dataclass
class Alone:
    """A probe that was trained alone."""

    state: dict[str, Tensor]
    best_epoch: int
    epochs: int
    at_limit: bool
    validation_loss: float
    validation_accuracy: float
    predicted: Tensor


class Mixed(nn.Module):
    def __init__(self, states: int, head: nn.Module) -> None:
        super().__init__()
        self.mix, self.head = WeightedSum(states), head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(x.unbind(dim=1)))


def train_alone(
    features: Tensor,
    labels: Tensor,
    fold: Parts,
    config: ProbeConfig,
    classes: int,
    seed: int,
    start: dict[str, Tensor] | None = None,
) -> Alone:
    """Train on features `[utterances, dim]`, or `[utterances, states, dim]` with a weighted sum."""
    train, validation, test = (torch.tensor(rows) for _, rows in fold.items())
    if config.standardize:
        known = features[train].double()
        features = (features - known.mean(0).float()) / known.std(0, correction=0).float()
    torch.manual_seed(seed)
    model: nn.Module = build_head(config.head, features.shape[-1], classes)
    if start is not None:
        model.load_state_dict(start)
    groups = [{"params": list(model.parameters()), "lr": config.lr}]
    if features.ndim == 3:
        model = Mixed(features.shape[1], model)
        groups.append({"params": list(model.mix.parameters()), "lr": config.mix_lr})
    optimizer = torch.optim.AdamW(groups, eps=config.eps, weight_decay=config.weight_decay)
    best_loss, best_score, waited, result = np.inf, -np.inf, 0, None
    for epoch in range(config.max_epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(train))
        for batch in train[torch.from_numpy(order)].split(config.batch_size):
            optimizer.zero_grad()
            F.cross_entropy(model(features[batch]), labels[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            logits = model(features[validation])
            loss = F.cross_entropy(logits, labels[validation]).item()
            accuracy = (logits.argmax(1) == labels[validation]).float().mean().item()
            predicted = model(features[test]).argmax(1)
        score = -loss if config.select == "loss" else accuracy
        if score > best_score:
            best_score = score
            state = {name: value.clone() for name, value in model.state_dict().items()}
            result = (state, epoch, loss, accuracy, predicted)
        waited = 0 if loss < best_loss else waited + 1
        best_loss = min(loss, best_loss)
        if waited >= config.patience:
            break
    state, best_epoch, loss, accuracy, predicted = result
    return Alone(state, best_epoch, epoch + 1, waited < config.patience, loss, accuracy, predicted)
