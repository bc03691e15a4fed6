"""torchaudio, imported here first: its compiled part fits some versions of torch only.

Without this, a pair that does not fit fails somewhere inside torchaudio or transformers.
"""

from importlib.metadata import PackageNotFoundError, version

from sercl.errors import PackagesError

__all__ = ["PAIRS", "torchaudio"]

PAIRS = {"2.11.0": ("2.11", "2.14"), "2.11.1": ("2.13", "2.15")}
"""Version of torchaudio -> first and last version of torch with which it loads, as measured."""


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def _message(error: Exception) -> str:
    """Return which versions were found, which pairs load, and how to install one."""
    reason = next(iter(str(error).strip().splitlines()), "no reason given").rstrip(".")
    pairs = "; ".join(
        f"torchaudio {own} with torch {first} to {last}" for own, (first, last) in PAIRS.items()
    )
    own, (first, _) = next(iter(PAIRS.items()))
    return (
        f"torchaudio cannot be loaded: {type(error).__name__}: {reason}. Installed: {_installed('torch')} "
        f"and {_installed('torchaudio')}. Pairs that load: {pairs}. Install one of them: "
        f"pip install torch=={first}.0 torchaudio=={own}"
    )


try:
    import torchaudio
    import torchaudio.functional
    import torchaudio.transforms
except (ImportError, OSError, RuntimeError) as error:
    raise PackagesError(_message(error)) from error
