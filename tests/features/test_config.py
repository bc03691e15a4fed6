import subprocess
import sys
from pathlib import Path

import pytest

from sercl.errors import UnknownNameError, UsageError
from sercl.features.config import FeatureConfig, default_folder


def test_the_store_lies_in_the_users_cache(user_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FeatureConfig().folder == default_folder() == user_cache / "sercl" / "features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_folder() == Path("/home/someone/.cache/sercl/features")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/not/legal")
    assert default_folder() == Path("/home/someone/.cache/sercl/features")


def test_it_can_be_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert FeatureConfig(dir="~/store").folder == Path("/home/someone/store")


def test_wrong_values_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"'fp64'.*Valid: fp32, bf16, fp16"):
        FeatureConfig(precision="fp64")
    with pytest.raises(UsageError, match=r"features\.batch_seconds is -1"):
        FeatureConfig(batch_seconds=-1)
    with pytest.raises(UsageError, match=r"features\.workers is -1"):
        FeatureConfig(workers=-1)
    with pytest.raises(UsageError, match=r"features\.workers is 1000000000; at most 256"):
        FeatureConfig(workers=10**9)


def test_the_options_import_nothing_heavy() -> None:
    code = (
        "import sys, sercl.features.config; "
        "print(sorted({'torch', 'pyarrow', 'numpy', 'lightning', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
