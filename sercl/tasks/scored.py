"""A prediction beside its truth."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scored:
    """One utterance with its truth and the model's probabilities per class."""

    id: str
    truth: int
    probabilities: list[float]

    @property
    def predicted(self) -> int:
        """Index of the most probable class."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)
