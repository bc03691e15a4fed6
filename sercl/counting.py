"""Numbers with their nouns, for messages and reports."""


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: "1 seed", "2,000 utterances".

    Args:
        number: How many there are.
        noun: What they are, in the singular.
        plural: In the plural; the noun with an s unless given.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
