import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercl.audio import scan as scanning
from sercl.audio.scan import AudioSpan, Limits, scan
from sercl.audio.scan_cache import ScanCache
from sercl.errors import OutputError

RATE = 8000


@pytest.fixture
def cache(tmp_path: Path) -> ScanCache:
    return ScanCache(tmp_path / "cache")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths of the clips that were decoded."""
    seen: list[Path] = []
    measure = scanning._measure
    monkeypatch.setattr(
        scanning, "_measure", lambda file, clip: seen.append(clip.path) or measure(file, clip)
    )
    return seen


def write(path: Path, seed: int = 0, seconds: float = 1.0) -> AudioSpan:
    samples = 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    soundfile.write(path, samples, RATE)
    return AudioSpan(path)


def test_a_second_scan_decodes_nothing_and_says_the_same(tmp_path, cache, decoded):
    clips = [write(tmp_path / f"{i}.wav", seed=i) for i in range(5)]
    clips += [AudioSpan(clips[0].path, 0.2, 0.6), AudioSpan(clips[0].path, 0.2, None)]
    first = scan(clips, memory=cache)
    assert len(decoded) == 7
    assert scan(clips, memory=cache) == first == scan(clips)
    assert len(decoded) == 14  # the third scan, without memory, has decoded them again


def until_later(path, change):
    """Change a file, again if its time of change is still the same: the clock of a disk has its own steps."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        change()


def test_only_a_changed_file_is_decoded_again(tmp_path, cache, decoded):
    clips = [write(tmp_path / f"{i}.wav", seed=i) for i in range(3)]
    before = scan(clips, memory=cache)
    decoded.clear()
    until_later(clips[1].path, lambda: write(clips[1].path, seed=9))
    after = scan(clips, memory=cache)
    assert decoded == [clips[1].path]
    assert [a == b for a, b in zip(before.digests, after.digests, strict=True)] == [True, False, True]


def test_setting_the_time_of_change_back_deceives_nobody(tmp_path, cache):
    clip = write(tmp_path / "a.wav", seed=0)
    times = clip.path.stat()
    first = scan([clip], memory=cache)

    def change():
        with clip.path.open("r+b") as file:  # same inode, same size
            file.seek(100)
            file.write(b"\x55\x11" * 50)

    until_later(clip.path, change)
    os.utime(clip.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert scan([clip], memory=cache).digests != first.digests


def test_limits_are_applied_to_what_is_remembered(tmp_path, cache, decoded):
    clip = write(tmp_path / "a.wav", seconds=1.0)
    assert scan([clip], memory=cache).faults == []
    assert [fault.kind for fault in scan([clip], Limits(min_seconds=2), memory=cache).faults] == ["short"]
    assert len(decoded) == 1


def test_faults_are_not_remembered(tmp_path, cache):
    clip = AudioSpan(tmp_path / "a.wav")
    assert [fault.kind for fault in scan([clip], memory=cache).faults] == ["missing"]
    clip.path.write_text("no audio")
    assert [fault.kind for fault in scan([clip], memory=cache).faults] == ["unreadable"]
    write(clip.path)
    assert scan([clip], memory=cache).faults == []


def test_digital_silence_is_remembered_as_silent(tmp_path, cache):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    reports = [scan([AudioSpan(tmp_path / "a.wav")], memory=cache) for _ in range(2)]
    assert reports[0] == reports[1]
    assert [fault.kind for fault in reports[1].faults] == ["silent"]


def test_progress_counts_what_is_known_too(tmp_path, cache):
    clips = [write(tmp_path / f"{i}.wav", seed=i) for i in range(4)]
    scan(clips[:2], memory=cache)
    steps: list[int] = []
    scan(clips, memory=cache, on_progress=steps.append)
    assert sum(steps) == 4


def test_a_scan_that_is_stopped_goes_on_where_it_was(tmp_path, cache, decoded, monkeypatch):
    monkeypatch.setattr(scanning, "_CLIPS_PER_STEP", 2)
    clips = [write(tmp_path / f"{number}.wav", number) for number in range(5)]
    whole = scan(clips)
    decoded.clear()

    def stop(count: int) -> None:
        if len(decoded) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(clips, memory=cache, on_progress=stop, workers=1)
    decoded.clear()
    assert scan(clips, memory=cache) == whole
    assert decoded == [clip.path for clip in clips[2:]]


def test_a_damaged_database_is_one_message(tmp_path, cache):
    clip = write(tmp_path / "a.wav")
    cache.path.parent.mkdir()
    cache.path.write_text("no database" * 100)
    with pytest.raises(OutputError, match=r"scans.*--no-cache"):
        scan([clip], memory=cache)


def test_the_rate_is_part_of_the_digest(tmp_path):
    samples = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    for rate in (8000, 16000):
        soundfile.write(tmp_path / f"{rate}.wav", samples, rate, subtype="FLOAT")
    report = scan([AudioSpan(tmp_path / f"{rate}.wav") for rate in (8000, 16000)])
    assert report.digests[0] != report.digests[1]


def test_a_name_that_is_no_text_is_remembered_like_any_other(tmp_path, cache, decoded):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    try:
        path.touch()
    except OSError:
        pytest.skip("this system refuses such names")
    clips = [write(tmp_path / "a.wav")]
    clips.append(AudioSpan(clips[0].path.rename(path)))
    assert scan(clips[1:], memory=cache).seconds == scan(clips[1:], memory=cache).seconds == [1.0]
    assert decoded == [path]
