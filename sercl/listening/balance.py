"""Which stimuli: as many of each class as wanted, spread evenly over gender, speakers and sentences.

The numbers are exact optima, not the result of a draw: a flow of stimuli from classes over genders to
speakers, of least cost, where the cost of each count is its square. Each class comes before all of them
together: where one class has few men, more men in another would even out the sum, but the gender would then
tell which emotion it is. Even genders count for more than even speakers. Then, with these numbers, comes a
flow from the speakers of each class to sentences; both at once are no flow. Chance decides, by the seed, only
between equally even choices.
"""

from collections import Counter, deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from sercl.listening.order import draw, shuffled

UNKNOWN = "unknown"
_GENDER, _ALL_GENDERS, _SPEAKER, _ALL_SPEAKERS = 10**24, 10**16, 10**8, 1
"""Costs of uneven genders and speakers, within a class and in all; an earlier one always decides."""

Cell = tuple[str, str, str]
"""Class, gender, speaker."""

Spoken = tuple[Cell, str]
"""Cell and sentence."""


@dataclass(frozen=True)
class Candidate:
    """What is known of a possible stimulus when it is chosen.

    Attributes:
        id: Unique among the candidates.
        label: Class.
        speaker: "corpus speaker", None where unknown.
        gender: None where unknown.
        language: ISO 639-1 code.
        dialect: None where unknown or standard.
        sentence: What is said, or its code in the corpus; None where unknown.
    """

    id: str
    label: str
    speaker: str | None
    gender: str | None
    language: str
    dialect: str | None
    sentence: str | None = None

    @property
    def cell(self) -> Cell:
        """What it is balanced by."""
        return self.label, self.gender or UNKNOWN, self.speaker or UNKNOWN

    @property
    def group(self) -> tuple[str, str | None]:
        """Language and dialect, whose stimuli are chosen apart from others."""
        return self.language, self.dialect


def groups_of(candidates: Sequence[Candidate]) -> dict[tuple[str, str | None], list[Candidate]]:
    """Return the candidates of each language and dialect, sorted; standard speech comes first."""
    found: dict[tuple[str, str | None], list[Candidate]] = {}
    for item in sorted(candidates, key=lambda item: (item.language, item.dialect or "", item.id)):
        found.setdefault(item.group, []).append(item)
    return found


def select(
    candidates: Sequence[Candidate], classes: Sequence[str], wanted: int, seed: int
) -> list[Candidate]:
    """Choose up to `wanted` candidates of each class, as evenly as possible.

    Args:
        candidates: Of one language and dialect.
        classes: The classes, in order.
        wanted: Of each class.
        seed: Decides between equally even choices.

    Returns:
        The chosen ones, class by class; the order within a class is that of the draw.
    """
    own = [item for item in candidates if item.label in classes]
    numbers = most_even(Counter(item.cell for item in own), wanted, seed)
    found: dict[Spoken, dict[str, Candidate]] = {}
    for item in own:
        found.setdefault((item.cell, item.sentence or UNKNOWN), {})[item.id] = item
    chosen: dict[str, list[Candidate]] = {name: [] for name in classes}
    available = {spoken: len(items) for spoken, items in found.items()}
    for spoken, count in most_even_sentences(available, numbers, seed).items():
        ids = shuffled(found[spoken], seed, "utterance")[:count]
        chosen[spoken[0][0]] += [found[spoken][id] for id in ids]
    return [
        item
        for own in chosen.values()
        for item in sorted(own, key=lambda item: draw(seed, "chosen", item.id))
    ]


def spread(candidates: Sequence[Candidate], classes: Sequence[str], count: int, seed: int) -> list[Candidate]:
    """Choose `count` candidates in all, the classes in turn, each by `select`; fewer if there are no more."""
    whole = select(candidates, classes, -(-count // max(1, len(classes))), seed)
    by_class = {name: deque(item for item in whole if item.label == name) for name in classes}
    rounds = [
        own.popleft() for _ in range(count) for own in (by_class[name] for name in classes) if own
    ]  # fmt: skip
    return rounds[:count]


def most_even(available: Mapping[Cell, int], wanted: int, seed: int) -> dict[Cell, int]:
    """Return how many stimuli of each class, gender and speaker make the most even choice.

    As many as possible up to `wanted` of each class; among such choices the one with the least sum of squares
    of the counts of genders within each class, then in all, then of speakers within each class, then in all.

    Args:
        available: Class, gender and speaker -> number of candidates.
        wanted: Stimuli of each class.
        seed: Decides between equally even choices.
    """
    network = _Network()
    for cell in sorted(available, key=lambda cell: draw(seed, "cell", *cell)):
        label, gender, speaker = cell
        network.add("start", ("class", label), wanted, 0)
        network.add(("class", label), ("class", label, gender), wanted, _GENDER)
        network.add(("class", label, gender), cell, wanted, _SPEAKER)
        network.add(cell, ("speaker", gender, speaker), available[cell], 0)
        network.add(("speaker", gender, speaker), ("gender", gender), None, _ALL_SPEAKERS)
        network.add(("gender", gender), "end", None, _ALL_GENDERS)
    while network.push("start", "end"):
        pass
    flows = {cell: network.flow(cell, ("speaker", cell[1], cell[2])) for cell in available}
    return {cell: count for cell, count in sorted(flows.items()) if count}


def most_even_sentences(
    available: Mapping[Spoken, int], wanted: Mapping[Cell, int], seed: int
) -> dict[Spoken, int]:
    """Return how many stimuli of each class, gender, speaker and sentence make the most even choice.

    The least sum of squares of the counts of sentences (within each class, and in all).

    Args:
        available: Cell and sentence -> number of candidates.
        wanted: Cell -> number of stimuli, of which there are enough.
        seed: Decides between equally even choices.
    """
    network = _Network()
    for cell, sentence in sorted(available, key=lambda own: draw(seed, "sentence", *own[0], own[1])):
        network.add("start", ("cell", cell), wanted.get(cell, 0), 0)
        network.add(("cell", cell), ("class", cell[0], sentence), available[cell, sentence], 0)
        network.add(("class", cell[0], sentence), ("sentence", sentence), None, 1)
        network.add(("sentence", sentence), "end", None, 1)
    while network.push("start", "end"):
        pass
    flows = {own: network.flow(("cell", own[0]), ("class", own[0][0], own[1])) for own in available}
    return {own: count for own, count in sorted(flows.items()) if count}


@dataclass
class _Arc:
    """An arc of the network: `weight` x flow squared is its cost; `limit` None for no limit."""

    limit: int | None
    weight: int
    flow: int = 0

    def cost(self, forward: bool) -> int | None:
        """Return what one unit more (or less, if not `forward`) costs; None if it cannot be."""
        if forward:
            return None if self.flow == self.limit else self.weight * (2 * self.flow + 1)
        return None if self.flow == 0 else -self.weight * (2 * self.flow - 1)


@dataclass
class _Network:
    """Successive shortest paths: as costs are convex, the flow is the cheapest after each unit."""

    arcs: dict[tuple[Hashable, Hashable], _Arc] = field(default_factory=dict)
    near: dict[Hashable, dict[Hashable, None]] = field(default_factory=dict)

    def add(self, tail: Hashable, head: Hashable, limit: int | None, weight: int) -> None:
        """Add an arc, unless it is there."""
        self.arcs.setdefault((tail, head), _Arc(limit, weight))
        self.near.setdefault(tail, {})[head] = None
        self.near.setdefault(head, {})[tail] = None

    def flow(self, tail: Hashable, head: Hashable) -> int:
        """Return the units on an arc."""
        return self.arcs[tail, head].flow

    def push(self, start: Hashable, end: Hashable) -> bool:
        """Send one unit more along the cheapest path; return whether there is one."""
        before = self._cheapest(start)
        if end not in before:
            return False
        node = end
        while node != start:
            last = before[node]
            if (last, node) in self.arcs:
                self.arcs[last, node].flow += 1
            else:
                self.arcs[node, last].flow -= 1
            node = last
        return True

    def _cheapest(self, start: Hashable) -> dict[Hashable, Hashable]:
        """Return the node before each one on the cheapest path from the start (Bellman-Ford)."""
        costs: dict[Hashable, int] = {start: 0}
        before: dict[Hashable, Hashable] = {}
        queue, waiting = deque([start] if start in self.near else []), {start}
        while queue:
            node = queue.popleft()
            waiting.discard(node)
            for head in self.near[node]:
                step = self._step(node, head)
                if step is not None and (head not in costs or costs[node] + step < costs[head]):
                    costs[head], before[head] = costs[node] + step, node
                    if head not in waiting:
                        waiting.add(head)
                        queue.append(head)
        return before

    def _step(self, node: Hashable, head: Hashable) -> int | None:
        forward = self.arcs.get((node, head))
        return forward.cost(True) if forward else self.arcs[head, node].cost(False)


def counts(chosen: Sequence[Candidate], name: str) -> dict[str, Counter[str]]:
    """Return label -> number of chosen stimuli by "speaker", "gender" or "sentence"."""
    found: dict[str, Counter[str]] = {}
    for item in chosen:
        found.setdefault(item.label, Counter())[getattr(item, name) or UNKNOWN] += 1
    return found
