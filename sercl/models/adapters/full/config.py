from dataclasses import dataclass


@dataclass(frozen=True)
class FullConfig:
    """Training of the encoder itself.

    Args:
        parts: What is trained: "blocks" (all but the convolutional front end), "all", or "top:K" (the last K
            blocks).
    """

    parts: str = "blocks"
