"""The adapter methods, their options, and the names that stand for combinations of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, make_dataclass
from typing import Any

from sercl.errors import UnknownNameError, UsageError
from sercl.models.adapters.base import BlockAdapter, EncoderAdapter, HookAdapter
from sercl.models.adapters.bottleneck.config import BottleneckConfig
from sercl.models.adapters.bottleneck.layer import BottleneckAdapter
from sercl.models.adapters.full.config import FullConfig
from sercl.models.adapters.gating.config import GatingConfig
from sercl.models.adapters.gating.layer import GatingAdapter
from sercl.models.adapters.lora.config import LoraConfig
from sercl.models.adapters.lora.layer import LoraAdapter
from sercl.models.adapters.peft.config import check_method
from sercl.models.adapters.peft.config import depends_on_length as peft_depends_on_length
from sercl.models.adapters.peft.layer import PeftAdapter
from sercl.plugins import ADAPTERS, Registry, adopt_named

ALONE = ("none", "full")
"""Choices that are no adapter: a frozen encoder, and training the encoder itself."""


@dataclass(frozen=True)
class AdapterMethod:
    """An adapter method.

    Attributes:
        name: What the user writes; letters only.
        config: Frozen dataclass of its options, with the default of each; or `dict` for options by name.
        build: Called as `build(hidden_size, config)` once per block, or, for what `follows` its name, as
            `build(word, config)` once for all blocks.
        follows: None; or what checks the word that follows the name and a colon ("dora" of "peft:dora"), and
            raises a `SerclError` for one that is not valid.
        excludes: Methods that it cannot be combined with.
        depends_on_length: None; or what is called with that word and the options as plain data, and returns
            whether a training step depends on the length of the training.
    """

    name: str
    config: type[Any]
    build: Callable[[Any, Any], BlockAdapter | EncoderAdapter]
    follows: Callable[[str], None] | None = None
    excludes: tuple[str, ...] = ()
    depends_on_length: Callable[[str, Mapping[str, Any]], bool] | None = None

    def __post_init__(self) -> None:
        if not self.name.isalpha() or self.name in ALONE:
            raise UsageError(
                f"adapter {self.name!r}: not a valid name. Valid: letters only, but not {' or '.join(ALONE)}."
            )


def _build_configs(options: Any) -> None:
    for name, kind in _configs.items():
        value = getattr(options, name)
        if isinstance(value, Mapping):
            object.__setattr__(options, name, kind(**value))


def _dataclass_of(configs: Mapping[str, type[Any]]) -> Any:
    return make_dataclass(
        "_Options",
        [
            (name, dict[str, Any] if kind is dict else kind, field(default_factory=kind))
            for name, kind in configs.items()
        ],
        namespace={"__post_init__": _build_configs},
        frozen=True,
    )


_OWN = (
    # In the order of attaching: what replaces modules before what hooks them.
    AdapterMethod("lora", LoraConfig, LoraAdapter),
    AdapterMethod("peft", dict, PeftAdapter, check_method, ("lora",), peft_depends_on_length),
    AdapterMethod("bottleneck", BottleneckConfig, BottleneckAdapter),
    AdapterMethod("gating", GatingConfig, GatingAdapter),
)
_configs: dict[str, type[Any]] = {"full": FullConfig} | {method.name: method.config for method in _OWN}
_Options: Any = _dataclass_of(_configs)


class AdapterOptions(_Options):
    """Options of "full" and of each adapter method, in a field of its name.

    Those of methods that are not chosen must be at their defaults (`refuse_unused`). A field may be given as
    a plain mapping, as checkpoints hold it.
    A method that is registered later adds its field to this class and to objects that exist already.

    Args:
        peft: Arguments of the configuration in peft of --model.adapter peft:METHOD, such as r; or folder, an
            adapter in peft's own format to continue from.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in type(self).__dataclass_fields__:
            raise AttributeError(f"AdapterOptions has no {name!r}")
        return _configs[name]()  # of a method that was registered after this object was made


def _add_options(method: AdapterMethod) -> None:
    _configs[method.name] = method.config
    # The class itself must stay the same: signatures name it, and parsers are built from them at any time.
    AdapterOptions.__bases__ = (_dataclass_of(_configs),)


def _adopt(name: str, thing: object) -> AdapterMethod:
    method = adopt_named(AdapterMethod)(name, thing)
    _add_options(method)
    return method


METHODS: Registry[AdapterMethod] = Registry(
    "adapter", ADAPTERS, _adopt, {method.name: method for method in _OWN}
)
"""Every adapter method by name, in the order in which a combination attaches them."""


def register(name: str, config: type[Any], build: Callable[[int, Any], BlockAdapter]) -> None:
    """Add an adapter method; at any time, for this process.

    Args:
        name: What the user writes; letters only.
        config: Frozen dataclass of its options.
        build: Class or function that makes the adapter of one block from its width and a `config`.

    Raises:
        UsageError: For a name that is taken or is not made of letters.
    """
    method = AdapterMethod(name, config, build)
    METHODS.register(name, method)
    _add_options(method)


def load_methods() -> None:
    """Import the packages that add adapters, so that parsers have their options; warns of unusable ones."""
    list(METHODS)


def adapter_names() -> list[str]:
    """Return every valid name in a combination, of installed packages, too; imports nothing."""
    return [*ALONE, *METHODS.names()]


def parse_adapter(spec: str) -> tuple[str, ...]:
    """Return the adapter methods that `spec` names, in the order in which they are attached.

    Args:
        spec: "none"; "full"; or registered methods joined by "+" in any order ("peft:dora+gating").

    Returns:
        () for "none", ("full",) for "full", else the methods, with the word that follows the name of some.

    Raises:
        UnknownNameError: For a name that is not registered.
        UsageError: For methods that cannot be combined, or "none" or "full" beside another.
    """
    parts = [part.strip() for part in spec.split("+")]
    words = {part.partition(":")[0]: part for part in parts}
    known = adapter_names()
    for name in words:
        if name not in known:
            raise _unknown(name, known)
    _check_together(spec, parts)
    for name, part in words.items():
        _check_word(name, part)
    if set(words) <= set(ALONE):
        return () if "none" in words else ("full",)
    chosen = [METHODS[name] for name in METHODS.names() if name in words]
    # What replaces modules comes before what hooks them.
    return tuple(words[method.name] for method in sorted(chosen, key=_hooks))


def _hooks(method: AdapterMethod) -> bool:
    return isinstance(method.build, type) and issubclass(method.build, HookAdapter)


def method_of(part: str) -> str:
    """Return the name of the method that an item of `parse_adapter` stands for: "peft" of "peft:dora"."""
    return part.partition(":")[0]


def methods_of(spec: str) -> set[str]:
    """Return the names of the methods in a combination, or "full"; raises as `parse_adapter`."""
    return {method_of(part) for part in parse_adapter(spec)}


def depends_on_length(spec: str, options: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether what an adapter does at a step depends on the length of the training.

    Args:
        spec: A combination, as `parse_adapter` takes it.
        options: Method -> its options as plain data; those at their defaults may be missing.
    """
    found = [(part, METHODS[method_of(part)]) for part in parse_adapter(spec) if method_of(part) not in ALONE]
    return any(
        method.depends_on_length(part.partition(":")[2], options.get(method.name, {}))
        for part, method in found
        if method.depends_on_length is not None
    )


def refuse_unused(specs: Iterable[str], options: AdapterOptions) -> None:
    """Raise unless the options of all methods that are not in use are at their defaults.

    Args:
        specs: Every combination that is used, as `parse_adapter` takes it.
        options: The options.

    Raises:
        UsageError: For an option without effect; and as `parse_adapter`.
    """
    specs = list(specs)
    used = {method for spec in specs for method in methods_of(spec)}
    for method, kind in _configs.items():
        if method not in used and (changed := _changed(getattr(options, method), kind())):
            name, value = changed[0]
            raise UsageError(
                f"--model.adapters.{method}.{name} {value}: has no effect with adapter {' or '.join(specs)}. "
                f"Leave it out, or choose an adapter with {method}."
            )


def _changed(options: Any, default: Any) -> list[tuple[str, Any]]:
    given, usual = (each if isinstance(each, dict) else asdict(each) for each in (options, default))
    return [(name, value) for name, value in given.items() if name not in usual or value != usual[name]]


def _unknown(name: str, known: list[str]) -> UsageError:
    followed = [method.name for method in _OWN if method.follows is not None]
    for outer in followed:
        if _is_valid(f"{outer}:{name.lower()}"):
            return UsageError(f"unknown adapter {name!r}. Did you mean '{outer}:{name.lower()}'?")
    valid = [f"{each}:METHOD" if each in followed else each for each in known]
    return UnknownNameError("adapter", name, valid, "Join several by '+'.")


def _is_valid(part: str) -> bool:
    try:
        _check_word(method_of(part), part)
    except UsageError:
        return False
    return True


def _check_together(spec: str, parts: list[str]) -> None:
    names = [method_of(part) for part in parts]
    written = dict(zip(names, parts, strict=True))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        what = f"only one {twice[0]}:METHOD can" if ":" in written[twice[0]] else "each method can"
        raise UsageError(f"adapter {spec!r}: {what} be named, and only once.")
    if len(names) > 1 and set(names) & set(ALONE):
        raise UsageError(
            f"adapter {spec!r}: 'none' and 'full' cannot be combined; only {', '.join(METHODS.names())} can "
            f"be joined."
        )
    for name in (each for each in names if each not in ALONE):
        if others := [each for each in METHODS[name].excludes if each in names]:
            raise UsageError(
                f"adapter {spec!r}: {written[name]!r} and {written[others[0]]!r} change the same matrices; "
                "choose one of them."
            )


def _check_word(name: str, part: str) -> None:
    _, colon, word = part.partition(":")
    follows = None if name in ALONE else METHODS[name].follows
    if follows is not None:
        follows(word)
    elif colon:
        raise UsageError(f"adapter {part!r}: nothing follows {name!r}; leave {colon + word!r} out.")
