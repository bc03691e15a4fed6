"""Simulated listeners who take part in a test: nobody listens to it. For the demo and for tests. No torch.

The log-odds of a right answer are a listener's ability plus the ease of a recording, less what a language
costs that is not the own one. Wrong answers are mostly of similar arousal: happy for angry, neutral for sad.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from sercl.errors import UsageError
from sercl.listening.instructions import LEVELS
from sercl.listening.protocol import ATTENTION, SEGMENTS, Item, Protocol, verify
from sercl.listening.ratings import SIMULATED
from sercl.listening.serving import questionnaire
from sercl.listening.serving.sessions import Given, Rules, add_links
from sercl.listening.serving.store import Change, Store

_BETWEEN_LISTENERS, _BETWEEN_ITEMS = 0.5, 0.8
"""Standard deviations of ability and ease, in log-odds."""
_AROUSED = frozenset(("angry", "happy", "fearful", "surprised"))
_LIKELIER = 3.0
"""How much more often a wrong answer is of the same arousal."""
_CARELESS_SECONDS = 0.3
_QUESTIONS = (
    questionnaire.Question("native", questionnaire.LANGUAGE, {}),
    questionnaire.Question(SIMULATED, questionnaire.TEXT, {}),
)


@dataclass(frozen=True)
class Audience:
    """Simulated listeners of one native language.

    Attributes:
        native: ISO 639-1 code.
        listeners: Their number.
        ability: Mean log-odds of a right answer to items of their own language.
        foreign: What an item of another language costs them, in log-odds.
        is_careless: Whether they answer by chance, at once, also what an attention check asks for.
    """

    native: str
    listeners: int
    ability: float = 1.6
    foreign: float = 0.9
    is_careless: bool = False


def take_part(test: Path, answers: Path, audiences: Sequence[Audience], seed: int = 0) -> None:
    """Store the answers of simulated listeners, whole sessions, as the server stores those of people.

    Args:
        test: Folder of a test of choices.
        answers: Folder of the answers, which no server has open.
        audiences: Who takes part.
        seed: The same seed gives the same answers.

    Raises:
        OutputError: If the answers cannot be written.
        ResultsError: If the test or its answers are damaged.
        UsageError: For a test in which parts are marked.
    """
    protocol = verify(test)
    if SEGMENTS in protocol.tasks:
        raise UsageError(f"{test}: parts are marked in it; simulated listeners only choose emotions.")
    rng = np.random.default_rng(seed)
    ease = {name: rng.normal(0, _BETWEEN_ITEMS) for name in sorted({own.utterance for own in protocol.items})}
    people = [own for own in audiences for _ in range(own.listeners)]
    with Store(answers) as store:
        for own, token in zip(people, store.write(add_links(len(people))), strict=True):
            ability = own.ability + rng.normal(0, _BETWEEN_LISTENERS)
            given = [
                _given(protocol, each, own, ability + ease[each.utterance], rng) for each in protocol.items
            ]
            for step in _session(protocol, token, own, given):
                store.write(step)


def _session(protocol: Protocol, token: str, own: Audience, given: Sequence[Given]) -> Iterator[Change]:
    rules = Rules(protocol, _QUESTIONS)
    yield rules.begin(token, next(iter(protocol.languages)))
    yield rules.background(token, {"native": own.native, SIMULATED: "yes"})
    yield rules.answers(token, given)
    yield rules.finish(token)


def _given(protocol: Protocol, item: Item, own: Audience, ability: float, rng: np.random.Generator) -> Given:
    log_odds = ability - own.foreign * (item.language != own.native)
    is_right = rng.random() < expit(log_odds)
    if own.is_careless:
        answer, seconds = str(rng.choice(protocol.answers)), _CARELESS_SECONDS
    else:
        answer, seconds = _answer(protocol, item, bool(is_right), rng), item.seconds + rng.exponential(1.5)
    sure = 1 + int((LEVELS - 1) * expit(log_odds + rng.normal()) + 0.5)
    return Given(f"simulated-{item.key}", item.key, answer, sure if protocol.confidence else None, seconds, 1)


def _answer(protocol: Protocol, item: Item, is_right: bool, rng: np.random.Generator) -> str:
    """Return the answer of somebody who listens."""
    truth = str(item.truth)
    if is_right or item.kind == ATTENTION:
        return truth
    wrong = [answer for answer in protocol.answers if answer != truth]
    weights = np.array([_LIKELIER if (name in _AROUSED) == (truth in _AROUSED) else 1.0 for name in wrong])
    return str(rng.choice(wrong, p=weights / weights.sum()))
