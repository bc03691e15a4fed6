"""How many processes may decode audio; free of imports, for configurations."""

MOST_WORKERS = 256
"""Most processes that decode audio for one training."""
