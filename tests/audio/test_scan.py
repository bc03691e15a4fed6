from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercl.audio.scan import AudioSpan, Limits, scan
from sercl.errors import UsageError

RATE = 8000


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    levels = np.random.default_rng(seed).uniform(-level, level, round(seconds * RATE))
    return np.round(levels * 32768).astype(np.int16)


def write(path: Path, samples: np.ndarray, subtype: str = "PCM_16") -> AudioSpan:
    soundfile.write(path, samples, RATE, subtype=subtype)
    return AudioSpan(path)


def test_every_kind_of_fault_is_found_and_points_at_its_clip(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("hello" * 100)
    clips = {
        "good": write(tmp_path / "good.wav", noise(1)),
        "missing": AudioSpan(tmp_path / "gone.wav"),
        "empty": AudioSpan(tmp_path / "empty.wav"),
        "unreadable": AudioSpan(tmp_path / "text.wav"),
        "short": write(tmp_path / "short.wav", noise(0.01)),
        "long": write(tmp_path / "long.wav", noise(4)),
        "silent": write(tmp_path / "silent.wav", noise(1, level=0.0005)),
        "nan": write(tmp_path / "nan.wav", np.full(RATE, np.nan), "FLOAT"),
    }
    report = scan(list(clips.values()), Limits(max_seconds=3))
    names = list(clips)
    assert [(names[fault.clip_index], fault.kind) for fault in report.faults] == [
        (name, name) for name in names if name != "good"
    ]


def test_measures_keep_the_order_of_the_clips(tmp_path: Path) -> None:
    clips = [write(tmp_path / f"{i}.wav", noise(0.2 + 0.1 * i)) for i in range(12)]
    clips.insert(5, AudioSpan(tmp_path / "gone.wav"))
    report = scan(clips, workers=4)
    lengths = [0.2 + 0.1 * i for i in range(12)]
    assert report.seconds == [*map(pytest.approx, lengths[:5]), None, *map(pytest.approx, lengths[5:])]
    assert report.rates == [RATE] * 5 + [None] + [RATE] * 7
    assert report.channels[0] == 1


def test_peak_is_in_db_of_full_scale(tmp_path: Path) -> None:
    samples = np.zeros(RATE)
    samples[100] = -0.5
    report = scan([write(tmp_path / "a.wav", samples), write(tmp_path / "b.wav", np.zeros(RATE))])
    assert report.peaks == [pytest.approx(-6.02, abs=0.01), -np.inf]
    assert [fault.kind for fault in report.faults] == ["silent"]


def test_stretches_of_one_file_open_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "session.flac", noise(10)).path
    clips = [AudioSpan(path, float(i), i + 0.5) for i in range(10)] + [AudioSpan(path, 9.0, 11.0)]
    opened: list[object] = []
    original = soundfile.SoundFile.__init__
    monkeypatch.setattr(
        soundfile.SoundFile, "__init__", lambda self, file: (opened.append(file), original(self, file))[1]
    )
    report = scan(clips)
    assert opened == [path]
    assert report.seconds == [0.5] * 10 + [None]
    assert [fault.clip_index for fault in report.faults] == [10]


def test_clips_before_the_damage_in_a_long_file_stay_good(tmp_path: Path) -> None:
    path = write(tmp_path / "session.flac", noise(20)).path
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = scan([AudioSpan(path, 1.0, 2.0), AudioSpan(path, 15.0, 16.0), AudioSpan(path, 3.0, 4.0)])
    assert [fault.clip_index for fault in report.faults] == [1]
    assert report.faults[0].kind == "unreadable"


def test_duplicates_are_found_by_their_samples(tmp_path: Path) -> None:
    clips = [
        write(tmp_path / "a.wav", noise(1, seed=1)),
        write(tmp_path / "b.wav", noise(1, seed=2)),
        write(tmp_path / "a.flac", noise(1, seed=1)),
        AudioSpan(tmp_path / "gone1.wav"),
        AudioSpan(tmp_path / "gone2.wav"),
    ]
    assert scan(clips).duplicates() == [[0, 2]]


def test_silence_is_no_duplicate_of_silence(tmp_path: Path) -> None:
    clips = [write(tmp_path / f"{i}.wav", np.zeros(RATE)) for i in range(2)]
    assert scan(clips).duplicates() == []


def test_progress_adds_up_to_the_number_of_clips(tmp_path: Path) -> None:
    clips = [write(tmp_path / f"{i}.wav", noise(0.2)) for i in range(40)] + [AudioSpan(tmp_path / "gone.wav")]
    steps: list[int] = []
    scan(clips, on_progress=steps.append)
    assert sum(steps) == 41
    assert len(steps) > 1


def test_no_clips() -> None:
    report = scan([])
    assert report.seconds == []
    assert report.faults == []


@pytest.mark.parametrize(
    "values", [{"min_seconds": -1.0}, {"min_seconds": 2.0, "max_seconds": 1.0}, {"silence_dbfs": 3.0}]
)
def test_limits_that_make_no_sense(values: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=str(list(values.values())[-1])):
        Limits(**values)
