"""How many processes may decode audio. No imports, since configurations need it."""

MOST_WORKERS = 256
"""Maximum number of processes that decode audio for one training."""
