import os
import re
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from soundfile import available_subtypes

from sercl.audio.files import AudioInfo, info, opened, read, read_block, read_opened
from sercl.audio.truncation import missing_share
from sercl.errors import AudioError, AudioNotFoundError

RATE = 8000
FORMATS = ["wav", "flac", "ogg", "mp3"]


def ramp(seconds: float = 1.0) -> np.ndarray:
    """A signal in which every sample has its position as value."""
    count = round(seconds * RATE)
    return (np.arange(count) / 32768).astype(np.float32)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "ramp.wav", ramp(), RATE)
    return tmp_path / "ramp.wav"


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    return path


def test_info_reads_the_header(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros((4000, 2)), RATE)
    assert info(tmp_path / "a.flac") == AudioInfo(seconds=0.5, rate=RATE, channels=2)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_mono_float_samples_at_its_own_rate(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE) * 0.5
    soundfile.write(path, np.stack([tone, tone], axis=1), RATE)
    samples, rate = read(path)
    assert rate == RATE
    assert samples.dtype == np.float32
    assert samples.shape == (2 * RATE,)
    np.testing.assert_allclose(samples, tone, atol=0.1)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_stretch_equals_the_same_samples_of_the_whole_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise.{suffix}"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    whole, _ = read(path)
    stretch, _ = read(path, 1.25, 2.5)
    np.testing.assert_allclose(stretch, whole[10_000:20_000], atol=1e-6)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = ramp(), np.zeros(RATE, np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], left / 2)


@given(first=st.integers(0, RATE - 1), last=st.integers(1, RATE))
def test_bounds_are_exact_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory, first: int, last: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "bounds.wav"
    if not path.exists():
        soundfile.write(path, ramp(), RATE)
    if first < last:
        np.testing.assert_array_equal(read(path, first / RATE, last / RATE)[0], ramp()[first:last])
    else:
        with pytest.raises(AudioError, match="holds no samples"):
            read(path, first / RATE, last / RATE)


def test_one_bound_alone_leaves_the_other_end_of_the_file(wav: Path) -> None:
    np.testing.assert_array_equal(read(wav, start=0.75)[0], ramp()[6000:])
    np.testing.assert_array_equal(read(wav, end=0.25)[0], ramp()[:2000])


def test_an_end_just_beyond_the_file_is_clipped(wav: Path) -> None:
    np.testing.assert_array_equal(read(wav, 0.5, 1.049)[0], ramp()[4000:])


@pytest.mark.parametrize(("start", "end"), [(0.5, 1.06), (1.0, 1.02), (2.0, 3.0), (-0.1, 0.5)])
def test_a_stretch_outside_of_the_file_is_an_error(wav: Path, start: float, end: float) -> None:
    with pytest.raises(AudioError, match=r"lies outside the file, which is 1\.000 s long"):
        read(wav, start, end)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AudioNotFoundError, match=r"gone\.wav: no such audio file") as caught:
        read(tmp_path / "gone.wav")
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.kind == "missing"


@pytest.mark.parametrize("read_or_info", [read, info])
def test_file_of_zero_bytes(tmp_path: Path, read_or_info) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(AudioError, match="0 bytes") as caught:
        read_or_info(tmp_path / "a.wav")
    assert caught.value.kind == "empty"


def test_header_without_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE)
    with pytest.raises(AudioError, match="0 frames") as caught:
        read(tmp_path / "a.wav")
    assert caught.value.kind == "empty"


def test_a_file_that_is_no_audio(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"<html>not found</html>" * 50)
    with pytest.raises(AudioError, match=r"a\.wav: cannot be decoded: Format not recognised") as caught:
        read(tmp_path / "a.wav")
    assert caught.value.kind == "unreadable"


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_cut_in_half_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise.{suffix}"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    with pytest.raises(AudioError, match=r"cut short|lost sync"):
        read(cut(path, 0.5))


def test_a_wav_of_unknown_size_from_a_pipe_is_read_whole(wav: Path) -> None:
    content = bytearray(wav.read_bytes())
    place = content.index(b"data")
    content[4:8] = content[place + 4 : place + 8] = b"\xff\xff\xff\xff"
    wav.write_bytes(content)
    np.testing.assert_array_equal(read(wav)[0], ramp())


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff"])
def test_a_wav_that_announces_no_size_is_read_whole(tmp_path: Path, order: str, size: bytes) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, ramp(), RATE, subtype="FLOAT", endian=order)
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = size[::-1] if order == "LITTLE" else size
    path.write_bytes(content)
    np.testing.assert_array_equal(read(path)[0], ramp())
    np.testing.assert_array_equal(
        read(path, 0.01, 0.02)[0], read(path)[0][round(0.01 * RATE) :][: RATE // 100]
    )
    assert info(path).seconds == len(ramp()) / RATE


@pytest.mark.parametrize("tail", [b"", b"LIST\x04\0\0\0abcd"])
def test_a_wav_that_announces_none_and_has_none_is_empty(wav: Path, tail: bytes) -> None:
    content = wav.read_bytes()
    place = content.index(b"data") + 4
    wav.write_bytes(content[:place] + bytes(4) + tail)
    with pytest.raises(AudioError, match="holds no samples") as caught:
        read(wav)
    assert (caught.value.kind, caught.value.path) == ("empty", wav)


CONTAINERS = [
    *[("WAV", kind) for kind in ("PCM_16", "PCM_24", "FLOAT", "ULAW", "MS_ADPCM", "IMA_ADPCM", "GSM610")],
    *[("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AIFF", "FLOAT")],
    *[("AU", "PCM_16"), ("CAF", "PCM_16"), ("NIST", "PCM_16"), ("SVX", "PCM_16")],
    *[("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("FLAC", "PCM_16")],
]


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
@pytest.mark.parametrize(("container", "kind"), CONTAINERS)
def test_what_was_cut_off_behind_its_header_is_named_so(
    tmp_path: Path, container: str, kind: str, share: float
) -> None:
    path, noise = tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 3 * RATE)
    soundfile.write(path, noise, RATE, format=container, subtype=kind)
    assert len(read(path)[0]) >= 3 * RATE
    if container == "MP3":
        share = min(share, 0.9)  # decoders of lossy formats may fall short by `TOLERANCE`
    with pytest.raises(AudioError, match="cut short") as caught:
        read(cut(path, share))
    assert caught.value.kind == "unreadable"


def test_a_size_that_counts_the_header_too_is_no_cut(wav: Path) -> None:
    content = bytearray(wav.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = len(content).to_bytes(4, "little")
    wav.write_bytes(content)
    np.testing.assert_array_equal(read(wav)[0], ramp())


MARKS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"caff", b"OggS", b"NIST_1A\n")


@given(
    st.sampled_from(MARKS), st.binary(max_size=20), st.sampled_from([b"data", b"ds64", b"SSND"]), st.binary()
)
def test_no_header_breaks_the_search_for_its_end(mark: bytes, head: bytes, name: bytes, rest: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(mark + head + name + rest)
        file.flush()
        assert 0 <= missing_share(file.name) <= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers(tmp_path: Path, bad: float) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0, bad, 0.1, bad]), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="2 of 4 samples are NaN or infinite") as caught:
        read(tmp_path / "a.wav")
    assert caught.value.kind == "nan"


@pytest.fixture
def odd(wav: Path) -> Path:
    """A wav in a folder whose name is latin-1, as out of an old archive."""
    folder = Path(os.fsdecode(os.fsencode(wav.parent) + b"/Col\xe8re"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this system refuses such names")
    return wav.rename(folder / wav.name)


def test_a_name_that_is_no_text_is_read_like_any_other(odd: Path) -> None:
    np.testing.assert_array_equal(read(odd)[0], ramp())
    assert info(odd).rate == RATE


def test_errors_name_a_file_whose_name_is_no_text(odd: Path) -> None:
    with pytest.raises(AudioError, match="lies outside") as caught:
        read(odd, 99, 100)
    assert caught.value.path == odd
    cut(odd, 0.5)
    with pytest.raises(AudioError, match="cut short") as caught:
        read(odd)
    assert caught.value.path == odd


@pytest.mark.shared
def test_real_recordings(shared: Path) -> None:
    path = min((shared / "data" / "ravdess").rglob("*.wav"))
    samples, rate = read(path)
    assert rate == 48_000
    assert len(samples) / rate == pytest.approx(info(path).seconds)


def encodings() -> list[tuple[str, str]]:
    """Every format and encoding that libsndfile both writes and finds out from the file alone."""
    never = {("MP3", "MPEG_LAYER_I"), ("MP3", "MPEG_LAYER_II"), ("WAV", "MPEG_LAYER_III")}
    every = ((name, code) for name in soundfile.available_formats() for code in available_subtypes(name))
    return [(n, c) for n, c in every if n != "RAW" and not c.startswith("DWVW") and (n, c) not in never]


@pytest.mark.parametrize(("container", "encoding"), encodings())
def test_whatever_libsndfile_decodes_is_read_whole_and_in_parts(
    tmp_path: Path, container: str, encoding: str
) -> None:
    path = tmp_path / "tone.audio"
    rate = {"XI": 44_100}.get(container, 16_000 if encoding in ("G722", "OPUS") else RATE)
    soundfile.write(path, 0.3 * np.sin(np.arange(rate) / 5), rate, format=container, subtype=encoding)
    whole, own_rate = soundfile.read(path, dtype="float32")
    samples, found_rate = read(path)
    assert found_rate == own_rate
    np.testing.assert_allclose(samples, whole, atol=1e-6)
    settled = 600 if container == "MP3" else 0  # its decoder needs two frames to settle after a jump
    with opened(path) as file:  # forwards and back again
        for start, end in ((0.25, 0.5), (0.5, 0.75), (0.0, 0.25)):
            expected = whole[round(start * own_rate) : round(end * own_rate)]
            found = read_opened(file, start, end)
            np.testing.assert_allclose(found[settled:], expected[settled:], atol=0.02)
    with opened(path) as file:
        blocks = [read_block(file, 3000) for _ in range(0, file.frames, 3000)]
    np.testing.assert_allclose(np.concatenate(blocks)[: len(whole)], whole, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "start", "said"),
    [
        ("a b.m4a", b"\0\0\0\x20ftypM4A ", "MPEG-4 audio (m4a), which libsndfile"),
        ("a.wma", bytes.fromhex("3026b2758e66cf11"), "Windows Media"),
        ("a.amr", b"#!AMR\n", "AMR"),
        ("a.webm", b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
        ("a.raw", b"\xd0" * 20, "no header"),
        ("a.pcm", b"\xd0" * 20, "no header"),
        ("a.wav", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git lfs pull"),
        ("a.wav", b"no audio", "corrupt, not an audio file"),
    ],
)
def test_what_cannot_be_decoded_is_named_with_a_next_step(
    tmp_path: Path, name: str, start: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(start + bytes(100))
    with pytest.raises(AudioError) as caught:
        read(tmp_path / name)
    assert said in str(caught.value)
    assert any(step in str(caught.value) for step in ("ffmpeg", "git lfs pull"))


def wav_header(rate: int = 16_000, channels: int = 1, data: int = 3200) -> bytes:
    """Return the 44 bytes before the samples of a 16-bit wav file."""
    fmt = struct.pack("<IHHIIHH", 16, 1, channels, rate, 2 * rate % 2**32, 2 * channels % 2**16, 16)
    return b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", data)


@pytest.mark.parametrize(
    "header",
    [
        wav_header(rate=0),
        wav_header(rate=1),
        wav_header(rate=999),
        wav_header(rate=2**31),
        wav_header(channels=0),
        wav_header(channels=65535),
    ],
)
def test_headers_of_no_recording(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(header + bytes(3200))
    with pytest.raises(AudioError, match=re.escape(str(path))):
        read(path)


def test_a_header_that_promises_68_billion_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.full(16_000, 0.1), 16_000)
    content = bytearray(path.read_bytes())
    content[21:26] = bytes([content[21] | 0x0F, 255, 255, 255, 255])  # of STREAMINFO, after the magic number
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"cut short|cannot be decoded"):
        read(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.wav").mkdir()
    os.mkfifo(tmp_path / "f.wav")
    (tmp_path / "z.wav").symlink_to("/dev/zero")
    for name, message in (
        ("x", "is a folder"),
        ("f", "is a pipe"),
        ("z", "a device"),
        ("n" * 300, "too long"),
    ):
        with pytest.raises(AudioError, match=message):
            read(tmp_path / f"{name}.wav")
    with pytest.raises(AudioError, match="no such audio file"):
        read("a\0.wav")


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac"])
def test_text_is_named_as_such_without_lines_of_a_decoder(tmp_path: Path, name: str, capfd) -> None:
    (tmp_path / name).write_text("my notes\n" * 200)
    with pytest.raises(AudioError, match="it is text, not audio: it begins with 'my notes'") as caught:
        read(tmp_path / name)
    assert "File does not exist" not in str(caught.value)
    assert capfd.readouterr().err == ""
