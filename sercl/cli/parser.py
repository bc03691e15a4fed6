"""The parser of every command: wrong usage becomes one `UsageError`, not a page of usage and an exit."""

import os
from collections.abc import Iterable
from typing import Any, NoReturn

import jsonargparse

from sercl.cli.number_types import int_first
from sercl.cli.parser_messages import usage_error
from sercl.errors import SerclError, UsageError

IMPORTABLE = ("sercl", "lightning.pytorch", "torch.nn", "torch.optim")
"""Packages whose classes a YAML file or an option may name."""

IMPORT_VARIABLE = "SERCL_ALLOW_IMPORTS"
"""Environment variable with further packages, separated by commas, for classes of the user's own."""


class SerclParser(jsonargparse.ArgumentParser):
    """A jsonargparse parser that raises `UsageError`, and takes no abbreviated options.

    Put it first among the bases to give another jsonargparse parser the same manners.
    """

    def __init__(self, *args: Any, allow_abbrev: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=allow_abbrev, **kwargs)

    # jsonargparse gives argument groups this method, too.
    def add_argument(self, *args: Any, **kwargs: Any) -> Any:
        """Add an argument; where int or float goes, a whole number is an int: `1` batch, `1.0` of all."""
        if "type" in kwargs:
            kwargs["type"] = int_first(kwargs["type"])
        if hasattr(kwargs.get("action"), "_typehint"):  # of a parameter of a class
            kwargs["action"]._typehint = int_first(kwargs["action"]._typehint)
        return super().add_argument(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise a `UsageError` with one message that names the option, what is legal and the next step."""
        if not self.exit_on_error:  # an inner parser of jsonargparse: the outer one reports
            super().error(message, ex)
        raise _own(ex) or usage_error(message, self) from ex

    def instantiate(self, *args: Any, **kwargs: Any) -> Any:
        """Build the objects; an error of sercl in a constructor comes out as it was raised."""
        try:
            return super().instantiate(*args, **kwargs)
        except (ValueError, TypeError) as error:
            raise _own(error) or error from None

    def instantiate_classes(self, *args: Any, **kwargs: Any) -> Any:
        """Do what `instantiate` does: Lightning knows it by its former name, which warns."""
        return self.instantiate(*args, **kwargs)


def restrict_imports(extra: Iterable[str] = ()) -> None:
    """Let values of options and YAML files import nothing outside `IMPORTABLE`, for the rest of the process.

    Args:
        extra: Further packages or modules.

    Raises:
        UsageError: For a name in `extra` or in the variable `SERCL_ALLOW_IMPORTS` that is no import path.
    """
    named = [name.strip() for name in os.environ.get(IMPORT_VARIABLE, "").split(",") if name.strip()]
    try:
        jsonargparse.set_parsing_settings(
            import_path_denylist=["*"], import_path_allowlist=[*IMPORTABLE, *extra, *named]
        )
    except ValueError as error:
        raise UsageError(
            f"{IMPORT_VARIABLE}={','.join(named)}: {error} Legal: package names, separated by commas."
        ) from error


def _own(error: BaseException | None) -> SerclError | None:
    """Return the error of sercl that jsonargparse wrapped, if there is one."""
    while error is not None and not isinstance(error, SerclError):
        error = error.__cause__ or error.__context__
    return error
