"""Which package may import which: imports point downwards, and a wrong one fails here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sercl"
MODULES = sorted(PACKAGE.rglob("*.py"))

BOTTOM = {
    "version",
    "errors",
    "files",
    "json_text",
    "locks",
    "memory",
    "batch",
    "documents",
    "counting",
    "plugins",
    "imports",
    "type_hints",
    "ahead",
    "stopping",
    "threads",
    "connections",
}
CORPORA = {*BOTTOM, "corpora"}
AUDIO = {*BOTTOM, "torch_pair", "audio"}
METRICS = {*BOTTOM, "metrics"}
DIARIZATION = {*CORPORA, *METRICS, "diarization"}
DATA = {*CORPORA, *AUDIO, *METRICS, *DIARIZATION, "data"}
MODELS = {*AUDIO, *METRICS, "models"}
FEATURES = {*CORPORA, *MODELS, "features"}
TASKS = {*CORPORA, *MODELS, *DIARIZATION, "tasks"}
TOP = {*DATA, *FEATURES, *TASKS, "launchers", "studies", "listening", "reports"}

# Package or module directly below sercl -> what it may import.
LAYERS: dict[str, set[str]] = {
    "version": set(),
    "errors": set(),
    "counting": set(),
    "ahead": set(),
    "stopping": {"errors"},
    "connections": {"errors"},
    "threads": set(),
    "files": {"errors"},
    "locks": {"errors", "files"},
    "memory": {"errors"},
    "imports": {"errors", "plugins", "type_hints"},
    "type_hints": set(),
    "documents": {"errors"},
    "batch": {"errors"},
    "json_text": set(),
    "plugins": {"errors"},
    "torch_pair": {"errors"},
    "launchers": {"errors", "files", "ahead", "stopping", "connections"},
    "corpora": CORPORA,
    "audio": AUDIO,
    "metrics": METRICS,
    "diarization": DIARIZATION,
    "data": DATA,
    "models": MODELS,
    "features": FEATURES,
    "tasks": TASKS,
    "studies": TOP - {"listening", "reports"},
    "listening": TOP - {"launchers", "reports"},
    "reports": TOP,
    "testing": TOP,
    "cli": {*TOP, "cli"},
    "__init__": {"version", "corpora", "features", "tasks", "studies"},
    "__main__": {"cli"},
}
NO_TORCH = (
    "corpora",
    "listening/protocol.py",
    "listening/order.py",
    "listening/balance.py",
    "listening/instructions.py",
    "listening/webmushra.py",
    "listening/plain.py",
    "listening/convert.py",
    "listening/ratings.py",
    "listening/serving",
    "cli/main.py",
    "cli/commands.py",
    "cli/help.py",
    "errors.py",
    "files.py",
    "counting.py",
    "json_text.py",
    "memory.py",
    "plugins.py",
)
HEAVY = {"torch", "torchaudio", "lightning", "transformers", "peft"}


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Yield every module a file imports, also inside functions and type-checking blocks, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layers_imported(path: Path) -> set[str]:
    parts = (module.split(".") for module in imported(path))
    return {part[1] for part in parts if part[0] == "sercl" and len(part) > 1}


def is_heavy(path: Path) -> bool:
    return bool(HEAVY & {module.split(".")[0] for module in imported(path)})


def test_every_layer_is_known() -> None:
    found = {layer_of(path) for path in MODULES}
    assert found <= set(LAYERS), "say in LAYERS, and in docs/architecture.md, what a new package may import"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path: Path) -> None:
    layer = layer_of(path)
    assert layers_imported(path) - LAYERS[layer] - {layer} == set()


@pytest.mark.parametrize("path", sorted((PACKAGE / "metrics" / "functional").glob("*.py")), ids=name_of)
def test_metric_functions_do_not_know_their_classes(path: Path) -> None:
    inner = {module for module in imported(path) if module.startswith("sercl.metrics.")}
    assert all(module.startswith("sercl.metrics.functional") for module in inner)


@pytest.mark.parametrize(
    "path", [path for path in MODULES if name_of(path).startswith(NO_TORCH)], ids=name_of
)
def test_corpora_and_the_dispatcher_import_no_torch(path: Path) -> None:
    assert not is_heavy(path)


def test_only_cli_prints() -> None:
    calls = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if layer_of(path) not in {"cli", "testing"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert calls == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_postponed_annotations(path: Path) -> None:
    # jsonargparse would execute imports under TYPE_CHECKING to resolve them.
    assert "__future__" not in set(imported(path))


def test_what_others_wrote_is_read_through_documents() -> None:
    readers = {"json": {"load", "loads"}, "yaml": {"load", "safe_load", "full_load", "unsafe_load"}}
    own_text = {
        "models/encoders/fingerprint.py",
        "models/encoders/load.py",
        "cli/option_table.py",
        "cli/siblings.py",
    }
    calls = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if name_of(path) not in {"documents.py", "cli/demo.py", *own_text}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.attr in readers.get(node.value.id, ())
    ]
    assert calls == []


def test_no_module_is_called_utils() -> None:
    assert [name_of(path) for path in MODULES if "util" in path.stem] == []
