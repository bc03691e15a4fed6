"""What preprocessing costs in the first and in later passes over a corpus, relative to encoding it.

    python benchmarks/preprocess.py --data EmoDB --root emodb --encoder whisper-base

All of it in one process, one after the other: the search for speech, cold (no cache) and warm (cached),
decoding and preparing every clip, and a pass of the frozen encoder from files to the store (Whisper in its
short form unless told otherwise). The search should take less than a tenth of the time of the encoder, and
almost none when it is cached. Times are of the processor, which other programs change less than those of a
clock: give one thread, since several of them wait for each other and count that.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from speed.end_to_end import quiet_trainer

from sercl.audio.preprocess import NONE, PreprocessConfig
from sercl.audio.speech_cache import SpeechCache
from sercl.corpora.registry import get_corpus
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.datamodules.registered import make_datamodule
from sercl.data.report import Checked
from sercl.data.speech import speech_of
from sercl.features.extraction import features_of
from sercl.models.encoders import load_encoder

GOAL = 0.1


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    config = PreprocessConfig(trim=options.trim, loudness=options.loudness)
    data = ready(options, PreprocessConfig.RAW)
    encoder = load_encoder(options.encoder, whisper_form=options.whisper_form)
    prepared = ready(options, config)
    for turn in range(options.repeats):
        seconds = {
            "encoding": timed(lambda: features_of(encoder, data, quiet_trainer("cpu"), cache=False)),
            "encoding, preprocessed": timed(
                lambda: features_of(encoder, prepared, quiet_trainer("cpu"), cache=False)
            ),
            "decoding": timed(lambda: exhaust(batches(data))),
            "decoding and preparing": timed(lambda: exhaust(batches(prepared))),
            **searches(data, config),
        }
        print(f"run {turn + 1}: {config.in_words}, {options.threads} threads")
        for name, value in seconds.items():
            print(f"  {name:24} {value:8.3f} s  {value / seconds['encoding']:8.4f} of encoding")
    print(f"The goal of the search is below {GOAL} of encoding, cold.")


def searches(data: EmotionDataModule, config: PreprocessConfig) -> dict[str, float]:
    """Return the seconds of a search for speech without and with a cache that knows every clip."""
    clips = checked(data)
    with tempfile.TemporaryDirectory() as folder:
        memory = SpeechCache(Path(folder))
        cold = timed(lambda: speech_of(clips, config, memory))
        warm = timed(lambda: speech_of(clips, config, memory))
    return {"search for speech, cold": cold, "search for speech, warm": warm}


def checked(data: EmotionDataModule) -> list[Checked]:
    return [
        Checked(*row)
        for split in data.splits.values()
        for row in zip(split.utterances, split.seconds, split.audio_keys, strict=True)
    ]


def ready(options: argparse.Namespace, config: PreprocessConfig) -> Any:
    data = make_datamodule(get_corpus(options.data), __name__)(root=options.root)
    data.use_preprocessing(config)
    data.setup()
    return data


def batches(data: Any) -> Iterable[object]:
    loader: Iterable[object] = data.audio_dataloader(batch_seconds=32.0, workers=0)
    return loader


def exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass


def timed(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="EmoDB", help="name of a corpus")
    parser.add_argument("--root", required=True, help="its folder")
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--whisper_form", default="short", help="padded for an encoder other than Whisper")
    parser.add_argument("--trim", default="voice")
    parser.add_argument("--loudness", default="rms", help=f"rms, bs1770 or {NONE}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
