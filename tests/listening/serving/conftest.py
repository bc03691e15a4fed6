import dataclasses
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile

from sercl.listening import instructions
from sercl.listening import protocol as protocols
from sercl.listening.serving.serve import ServeOptions, opened
from tests.listening.samples import protocol
from tests.listening.serving.walk import one_browser

SECONDS = 0.4


def written(folder, marked=False, **more):
    """Write a small test with real audio, of which items are marked or chosen; return its protocol."""
    plan = protocol(**{"items": 2, "repeats": 1, "checks": 1, "practice": 1, **more})
    (folder / "audio").mkdir(parents=True)
    (folder / "instructions").mkdir()
    items = []
    for number, item in enumerate(plan.items):
        path = folder / item.file
        time = np.arange(int(16000 * SECONDS)) / 16000
        soundfile.write(path, 0.1 * np.sin(2 * np.pi * (200 + 20 * number) * time), 16000)
        task = protocols.SEGMENTS if marked and item.kind == protocols.ITEM else protocols.CHOICE
        items.append(dataclasses.replace(item, digest=protocols.file_hash(path), seconds=SECONDS, task=task))
    languages = {}
    for code in plan.languages:
        path = protocols.text_file(folder, code)
        shutil.copy(instructions.PACKAGED / f"{code}.yaml", path)
        languages[code] = protocols.file_hash(path)
    return protocols.write(dataclasses.replace(plan, items=tuple(items), languages=languages), folder)


@pytest.fixture
def folder(tmp_path):
    """A test folder that is ready to be served."""
    written(tmp_path / "test")
    return tmp_path / "test"


@pytest.fixture(scope="module")
def _one_browser():
    """Keep a browser for all tests of a file."""
    with one_browser():
        yield


@contextmanager
def client(folder, root_path="", **options):
    """Yield (client of the served test, what it works with)."""
    from fastapi.testclient import TestClient

    from sercl.listening.serving.app import application

    with (
        opened(folder, ServeOptions(**options)) as server,
        TestClient(application(server, root_path)) as browser,
    ):
        yield browser, server


BACKGROUND = {"native": "de", "others": [["en", "good"]], "dialects": "", "age": "30-39", "hearing": "normal"}


def answer_of(item, answers, number=0):
    """Return an answer to an item of a plan."""
    parts = [{"start": 0.0, "end": 0.2, "answer": "angry"}, {"start": 0.2, "end": 0.35, "answer": "sad"}]
    is_choice = item["task"] == "choice"
    return {
        "id": f"{item['key']}-{number:08d}",
        "item": item["key"],
        "answer": (item["asked"] or answers[0]) if is_choice else None,
        "confidence": 4 if is_choice else None,
        "seconds": 1.5,
        "plays": 1,
        "parts": [] if is_choice else parts,
    }
