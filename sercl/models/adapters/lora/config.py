from dataclasses import dataclass

from sercl.errors import UsageError


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adaptation (Hu et al. 2021) of the attention projections and feed-forward matrices.

    Trains rank * (inputs + outputs) parameters per matrix. The defaults are those of arXiv 2409.16920.

    Args:
        rank: Rank of the update, at least 1.
        alpha: The update is scaled by alpha / rank; above 0.
        dropout: Probability with which an input of the update is dropped in training, 0 to below 1.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UsageError(f"LoRA rank {self.rank}: at least 1 is needed.")
        if not self.alpha > 0:
            raise UsageError(f"LoRA alpha {self.alpha}: it must be above 0.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"LoRA dropout {self.dropout}: valid: 0 <= dropout < 1.")
