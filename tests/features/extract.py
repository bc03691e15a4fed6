"""A command line that extracts in two processes, for tests. Lightning starts the second by running it again.

Run as: python -m tests.features.extract STORE ENCODER COUNT OUT
Each process writes OUT/RANK.json: what it encoded in a first run, in a second one, and in one without a
store, and what it got; and the message that a clip full of NaN is answered with.
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from sercl.errors import FeatureError
from sercl.features.config import FeatureConfig
from sercl.features.extraction import features_of
from sercl.models.encoders import load_encoder
from tests.features.fakes import SlowAudio, some_audio, trainer


def main() -> None:
    store, folder, count, out = sys.argv[1:]
    encoder, report = load_encoder(folder), list[object]()
    for cache in (True, True, False):
        data = SlowAudio(some_audio(int(count)))
        run = trainer(devices=2, strategy="ddp")
        found = features_of(encoder, data, run, config=FeatureConfig(dir=store), cache=cache)
        report.append({"encoded": data.encoded, "sum": float(found.stack(data.clips).double().sum())})
    spoilt = some_audio(int(count))
    spoilt.clips["utterance 3"].fill_(torch.nan)
    spoilt.keys["utterance 3"] = "NaN"
    try:
        features_of(encoder, spoilt, trainer(devices=2, strategy="ddp"), config=FeatureConfig(dir=store))
    except FeatureError as error:
        report.append(str(error))
    Path(out, f"{run.global_rank}.json").write_text(json.dumps(report))
    dist.barrier()  # the first process takes the temporary store with it


if __name__ == "__main__":
    main()
