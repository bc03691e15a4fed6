import csv
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sercl.audio.espeak import Synthesizer
from sercl.audio.files import info, read
from sercl.audio.prosody import Prosody
from sercl.audio.scan import AudioSpan, scan
from sercl.audio.synthesis import build_demo_corpus, render
from sercl.errors import MissingExtraError, UnknownNameError, UsageError
from tests.audio.test_espeak import pitch

EMOTIONS = ["angry", "happy", "neutral", "sad"]


@pytest.fixture(autouse=True, scope="module")
def _wheel() -> None:
    pytest.importorskip("espeakng_loader", reason="the extra 'demo' is not installed")


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_demo_corpus(tmp_path_factory.mktemp("demo"), languages=["de"])


def rows(root: Path, language: str = "de") -> list[dict[str, str]]:
    with (root / f"{language}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def hashes(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def mel_statistics(path: Path) -> np.ndarray:
    """Mean and deviation over time of the log energy in 24 bands, and the deviation of its steps."""
    samples, _ = read(path)
    frames = np.lib.stride_tricks.sliding_window_view(samples, 512)[::160] * np.hanning(512)
    energy = np.abs(np.fft.rfft(frames)) ** 2
    edges = np.geomspace(4, 256, 25).astype(int)
    bands = np.log(
        np.stack([energy[:, a:b].mean(1) for a, b in zip(edges, edges[1:] + 1, strict=False)]) + 1e-6
    )
    return np.concatenate([bands.mean(1), bands.std(1), np.diff(bands).std(1)])


def test_manifest_lists_every_speaker_sentence_and_emotion_once(german: Path) -> None:
    listed = rows(german)
    assert len(listed) == 6 * 10 * 4
    assert len({(row["speaker"], row["text"], row["emotion"]) for row in listed}) == len(listed)
    assert len({row["id"] for row in listed}) == len(listed)
    assert sorted({row["emotion"] for row in listed}) == EMOTIONS
    assert {row["synthetic"] for row in listed} == {"espeak-ng"}
    assert {(row["speaker"], row["gender"]) for row in listed} == {
        (f"de-{index:02d}", "female" if index % 2 else "male") for index in range(1, 7)
    }


def test_audio_is_what_the_manifest_says_and_without_fault(german: Path) -> None:
    clips = [AudioSpan(german / row["path"]) for row in rows(german)]
    report = scan(clips)
    assert report.faults == []
    assert report.duplicates() == []
    assert set(report.rates) == {16_000}
    assert all(0.8 < seconds < 6 for seconds in report.seconds if seconds is not None)
    assert {clip.path for clip in clips} == set(german.rglob("*.wav"))


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path) -> None:
    options = {"languages": ["zh", "en"], "speakers": 2, "sentences": 1}
    first = hashes(build_demo_corpus(tmp_path / "a", **options))
    assert hashes(build_demo_corpus(tmp_path / "b", **options)) == first
    assert hashes(build_demo_corpus(tmp_path / "a", **options)) == first
    other = hashes(build_demo_corpus(tmp_path / "c", seed=1, **options))
    assert all(other[name] != first[name] for name in first if name.endswith(".wav"))
    assert len(first) == 2 * (2 * 4 + 1)


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    call = "build_demo_corpus({!r}, languages=['de'], speakers=1, sentences=1)".format(str(tmp_path / "a"))
    code = f"from sercl.audio.synthesis import build_demo_corpus; {call}"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    build_demo_corpus(tmp_path / "b", languages=["de"], speakers=1, sentences=1)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("de+f1", "Der Zug kommt um zehn Uhr an."),
        ("cmn+f1", "会议改到星期三上午了。"),
        ("en-us+m3", "The shop closes at six."),
    ],
)
def test_emotions_order_pitch_and_duration_as_in_the_literature(voice: str, text: str) -> None:
    speaker = Synthesizer(voice)
    takes = {
        emotion: [render(speaker, text, emotion, Prosody(), np.random.default_rng(seed)) for seed in range(5)]
        for emotion in ("angry", "neutral", "sad")
    }
    angry, neutral, sad = (np.mean([len(take) for take in takes[name]]) for name in takes)
    assert angry < neutral < sad
    angry, neutral, sad = (
        np.mean([np.median(pitch(take, 16_000)) for take in takes[name]]) for name in takes
    )
    assert angry > neutral > sad


def test_learnable_across_speakers_and_not_trivial(german: Path) -> None:
    listed = rows(german)
    features = np.stack([mel_statistics(german / row["path"]) for row in listed])
    emotions = np.array([row["emotion"] for row in listed])
    test = np.isin([row["speaker"] for row in listed], ["de-03", "de-04"])

    def recall(labels: np.ndarray) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
        predicted = model.fit(features[~test], labels[~test]).predict(features[test])
        return float(recall_score(emotions[test], predicted, average="macro"))

    assert 0.65 < recall(emotions) < 0.97
    shuffled = [recall(np.random.default_rng(seed).permutation(emotions)) for seed in range(5)]
    assert np.mean(shuffled) == pytest.approx(0.25, abs=0.1)


def test_progress_adds_up_to_the_number_of_clips(tmp_path: Path) -> None:
    steps: list[int] = []
    build_demo_corpus(tmp_path, languages=["en"], speakers=3, sentences=2, on_progress=steps.append)
    assert steps == [8, 8, 8]
    assert info(tmp_path / "en" / "en-03" / "en-03-02-sad.wav").rate == 16_000


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"languages": ["fr"]}, UnknownNameError, "unknown demo language 'fr'.*Valid: zh, de, en"),
        ({"speakers": 0}, UsageError, r"speakers must be within 1\.\.12"),
        ({"sentences": 11}, UsageError, r"sentences must be within 1\.\.10"),
    ],
)
def test_bad_options_write_nothing(tmp_path: Path, options: dict, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        build_demo_corpus(tmp_path / "demo", **options)
    assert not (tmp_path / "demo").exists()


def test_absent_wheel_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingExtraError, match="demo"):
        build_demo_corpus(tmp_path / "demo")
