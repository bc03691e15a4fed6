"""Everything in sercl that reads a file of the user's or of a stranger's, with a valid file for each."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from tests.features.rows import SPACE, fill, rows
from tests.fuzz import Mutator, archive, binary, cells, document, lines, parquet, safetensors, text

EVENT = '{"emotion": "sad", "start": 0, "end": 1}'
TEXT_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 3
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "emotion"
        xmin = 0
        xmax = 3
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = "sad"
"""


@dataclass(frozen=True)
class Parser:
    """A reader of a file.

    Attributes:
        file: The file that is mutated, relative to the folder.
        write: Writes it, and what it needs beside it, into a folder.
        read: Reads it: path -> anything.
        mutators: How it is mutated.
        names: What an error must name; None for the stem of the file.
        examples: How many mutated files the tests try.
    """

    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    mutators: tuple[Mutator, ...]
    names: str | None = None
    examples: int = 40


TEXT = (text, cells)
JSON = (document, document, text)
YAML = (document, text, cells)


def _text(
    file: str, content: str, read: Callable[[Path], object], mutators: Any = TEXT, **more: Any
) -> Parser:
    return Parser(
        file, lambda folder: (folder / file).write_text(content, encoding="utf-8"), read, mutators, **more
    )


def _table(file: str, columns: Mapping[str, Any], read: Callable[[Path], object], **more: Any) -> Parser:
    def write(folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(dict(columns)), folder / file)

    return Parser(file, write, read, (parquet, parquet, binary), **more)


def _manifest(path: Path) -> None:
    from sercl.corpora.manifest import read_manifest, write_manifest

    listing = read_manifest(path)
    write_manifest(listing.utterances, path.with_name("again.csv"))


def _labels(path: Path) -> None:
    from sercl.corpora.labels import label_scheme

    label_scheme(path)


def _folds(path: Path) -> None:
    from sercl.corpora.folds.lists import read_rows

    list(read_rows(path))


def _durations(path: Path) -> None:
    from sercl.cli.diarize.score import read_durations

    read_durations(path)


def _segments(path: Path) -> None:
    from sercl.diarization.formats import read_segments, write_segments

    write_segments(read_segments(path), path.with_name("again.json"))


def _audio_folder(path: Path) -> None:
    from sercl.corpora.hub_audio import read_audio_folder

    read_audio_folder(path.parent)


def _hub(path: Path) -> None:
    from sercl.corpora.hub import read_hub

    read_hub(str(path.parent), cache=path.parent.parent / "cache")


def _corpora() -> Iterator[tuple[str, Parser]]:
    files = {
        "ZED": ("ZED/ZED.json", JSON),
        "CREMAD": ("VideoDemographics.csv", TEXT),
        "Emozionalmente": ("emozionalmente_dataset/metadata/samples.csv", TEXT),
        "nEMO": ("data.tsv", TEXT),
        "PAVOQUE": ("pavoque-happy.yaml", YAML),
        "ESD": ("Emotional Speech Dataset (ESD)/0001/0001.txt", TEXT),
        "IEMOCAP": ("IEMOCAP_full_release/Session2/dialog/EmoEvaluation/Ses02F_impro01.txt", TEXT),
        "IEMOCAP-transcripts": (
            "IEMOCAP_full_release/Session2/dialog/transcriptions/Ses02F_impro01.txt",
            TEXT,
        ),
    }
    for name, (file, mutators) in files.items():
        corpus = name.partition("-")[0]
        read = partial(_corpus, corpus, len(Path(file).parts))
        yield f"corpus-{name}", Parser(file, partial(_fake_corpus, corpus), read, mutators, examples=20)


def _fake_corpus(name: str, folder: Path) -> None:
    from sercl.testing.corpora import fake_corpus

    fake_corpus(name, folder, per_emotion=1, seconds=0.05)


def _corpus(name: str, depth: int, path: Path) -> None:
    from sercl.corpora.registry import read_corpus

    read_corpus(name, path.parents[depth - 1])


def _config(path: Path) -> None:
    from sercl.cli.precheck import check_config_file

    check_config_file(path)


@contextmanager
def _called(words: list[str], folder: Path) -> Iterator[None]:
    """Let words be the command line, and a new folder below another the working folder; print nothing."""
    before, here = sys.argv, Path.cwd()
    with TemporaryDirectory(dir=folder) as empty, open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.chdir(empty)
        sys.argv = words
        try:
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                yield
        finally:
            sys.argv = before
            os.chdir(here)


def _write_fit_config(folder: Path) -> None:
    import yaml

    _fake_corpus("EmoDB", folder / "emodb")
    _write_tiny("whisper", False, folder)
    config = {
        "seed_everything": 1,
        "data": {
            "class_path": "EmoDB",
            "init_args": {"root": str(folder / "emodb"), "folds": {"count": 5, "index": 0}},
        },
        "model": {"encoder": str(folder / "encoder"), "adapter": "lora", "adapters": {"lora": {"rank": 2}}},
        "trainer": {"max_epochs": 2, "accelerator": "cpu", "logger": False},
        "early_stopping": {"patience": 3},
    }
    (folder / "fit.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def _fit_config(path: Path) -> None:
    """Parse it as `sercl fit -c` does, and build data, model and trainer."""
    from sercl.cli.lightning import Cli
    from sercl.cli.precheck import checked

    with _called(["sercl fit", *checked("fit", ["-c", str(path)])], path.parent):
        cli = Cli("fit")
        _ = cli.task, cli.data, cli.build_trainer()


def _write_study_file(folder: Path) -> None:
    import yaml

    from sercl.testing.corpora import fake_corpus

    fake_corpus("EmoDB", folder / "emodb", per_emotion=1, seconds=0.2)
    _write_tiny("whisper", False, folder)
    data = {"root": str(folder / "emodb"), "folds": {"count": 2}}
    study = {
        "encoders": {"tiny": {"encoder": str(folder / "encoder"), "whisper_form": "short"}},
        "corpora": {"EmoDB": {"class_path": "EmoDB", "init_args": data}},
        "settings": ["monolingual"],
        "adapters": ["none"],
        "seeds": [1],
        "folds": [0],
    }
    content = {"study": study, "trainer": {"max_epochs": 2, "accelerator": "cpu"}, "probe": {"preset": "mlp"}}
    (folder / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def _study_file(path: Path) -> None:
    """Plan its study, as `sercl cross-eval -c FILE --dry-run` does."""
    from sercl.cli.cross_eval import main
    from sercl.cli.precheck import checked

    words = ["-c", str(path), "--dry-run", "--no-cache", "--out", "out"]
    with _called(["sercl cross-eval", *checked("cross-eval", words)], path.parent):
        main()


def _write_package(folder: Path) -> None:
    from sercl.plugins import ADAPTERS, CORPORA, ENCODERS, SCORES
    from tests.packages import install

    place = {"mine": "fuzzed_package.things:thing"}
    points = dict.fromkeys((CORPORA, ADAPTERS, ENCODERS, SCORES), place)
    install(folder, "fuzzed", points, {"fuzzed_package/things.py": "thing = 3\n"})


def _package(path: Path) -> None:
    """List what an installed package adds, and look it up, as commands do."""
    import warnings

    from sercl import plugins

    sys.path.insert(0, str(path.parents[1]))
    plugins.installed.cache_clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plugins.modules()
            for registry in plugins._registries:
                registry.names(), list(registry)
    finally:
        sys.path.remove(str(path.parents[1]))
        plugins.installed.cache_clear()


def _cell(path: Path) -> None:
    from sercl.studies.cross_eval.run.results import CellResults, read_predictions

    CellResults(path.parents[2]).get(path.parent.name)
    read_predictions(path.parents[2], path.parent.name, ("angry", "sad"))


def _write_cell(folder: Path) -> None:
    from sercl.studies.cross_eval.run.results import CellResult, write_result
    from sercl.studies.results.predictions import Predictions

    values = np.full((2, 2), 0.5, dtype=np.float32)
    predictions = Predictions.of_one_run(("angry", "sad"), ["a", "b"], ["1", "2"], [0, 1], values)
    result = CellResult("t", 1, 2, False, 0.5, 10, ("a note",), 0.1)
    write_result(folder / "study", "address", predictions, result)


def _clips() -> Parser:
    def write(folder: Path) -> None:
        from sercl.data.clips.config import ClipConfig
        from sercl.data.clips.plan import Planner, save_clips
        from tests.data.clips.samples import pieces

        planner = Planner(pieces(), ClipConfig(), 0)
        save_clips((planner.plan(index) for index in range(3)), folder / "clips.jsonl")

    def read(path: Path) -> None:
        from sercl.data.clips.plan import load_clips
        from tests.data.clips.samples import pieces

        load_clips(path, [piece.utterance for piece in pieces()], ("angry", "happy", "neutral", "sad"))

    return Parser("clips.jsonl", write, read, (lines, lines, text))


def _predictions(path: Path) -> None:
    from sercl.studies.run_files import read_predictions

    read_predictions(path)


def _finished(path: Path) -> None:
    from sercl.studies.run_files import read_finished

    read_finished(path.parent)


def _results(path: Path) -> None:
    from sercl import read_results

    read_results(path.parent)


def _run(folder: Path) -> None:
    from tests.studies.runs import fake_run

    fake_run(folder / "run", 0.8, {"model": {"encoder": "x"}, "data": {"class_path": "EmoDB"}})


def _study(folder: Path) -> None:
    from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study

    grid = Grid(
        {"EmoDB": CORPORA["EmoDB"], "RAVDESS": CORPORA["RAVDESS"]},
        {"whisper-base": ENCODERS["whisper-base"]},
        ("lora",),
        ("monolingual", "few-shot"),
        shots=(1,),
    )
    fake_study(folder / "study", grid, speakers=4, per_class=1)


def example(kind: Any) -> Any:
    """Return plain data from which a type can be read."""
    own = {int: 1, float: 0.5, str: "x", bool: True, NoneType: None, Any: {}, object: {}}
    if kind in own:
        return own[kind]
    parts = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return example(next(part for part in parts if part is not NoneType))
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        plain = (str, int, float, bool, NoneType)
        return {
            each.name: each.default if isinstance(each.default, plain) else example(hints[each.name])
            for each in fields(kind)
            if each.init
        }
    if parts and len(parts) == 2 and parts[1] is not Ellipsis and get_origin(kind) is not tuple:
        return {"x": example(parts[1])}
    if parts:
        return [example(part) for part in parts if part is not Ellipsis]
    return {}


def _record(file: str, kind: Callable[[], Any], read: Callable[[Path], object], **more: Any) -> Parser:
    def write(folder: Path) -> None:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        content = {**example(kind()), **more}
        (folder / file).write_text(json.dumps(content), encoding="utf-8")

    return Parser(file, write, read, JSON)


def _run_results() -> Any:
    from sercl.studies.training.results import RunResults

    return RunResults


def _read_run_results(path: Path) -> None:
    from sercl.studies.training.results import read

    read(path.parent)


def _probe() -> Any:
    from sercl.studies.layer_probe.folds import LayerProbe

    return LayerProbe


def _read_probe(path: Path) -> None:
    from sercl.studies.layer_probe.folds import read

    read(path.parent)


def _diarization() -> Any:
    from sercl.studies.diarization.results import DiarizationResults

    return DiarizationResults


def _read_diarization(path: Path) -> None:
    from sercl.studies.diarization.results import read

    read(path.parent)


def _stage() -> Any:
    from sercl.studies.training.stages import StageResult

    return StageResult


def _read_stage(path: Path) -> None:
    from sercl.studies.training.stages import finished, stored_limits

    stored_limits(path.parent), finished(path.parent)


def _study_table(path: Path) -> None:
    from sercl.studies.cross_eval.study_file import read_table

    read_table(path, ("angry", "happy", "neutral", "sad"))


def _store(folder: Path) -> None:
    fill(folder, SPACE, rows(5))


def _space(path: Path) -> None:
    from sercl.features.store import read_space

    read_space(path.parent)


def _shard(path: Path) -> None:
    from sercl.features.shard import Shard

    shard = Shard(path, "space")
    for row, key in enumerate(shard.keys):
        shard.read(row, key)


def _write_shard(folder: Path) -> None:
    from sercl.features.shard import write_shard

    write_shard(folder, "space", rows(5)).rename(folder / "a.arrow")


def _index(path: Path) -> None:
    from sercl.features.index import Index

    index = Index(path.parent, "space")
    index.refresh()
    found = index.find([row.key for row in rows(5)])
    assert all(isinstance(location.row, int) and location.shard for location in found.values())


def _write_index(folder: Path) -> None:
    from sercl.features.shard import write_shard

    write_shard(folder, "space", rows(5))
    _index(folder / "index.sqlite")


def _write_scans(folder: Path) -> None:
    from sercl.audio.scan import AudioSpan, Measures
    from sercl.audio.scan_cache import ScanCache

    (folder / "a.wav").write_bytes(b"x")
    cache = ScanCache(folder)
    identities = cache.identify({0: AudioSpan(folder / "a.wav")})
    cache.remember([(identities[0], Measures(1.0, 16_000, 1, 0.5, "digest"))])
    cache.path.rename(folder / "scans.sqlite")


def _scans(path: Path) -> None:
    from sercl.audio.scan import AudioSpan, Measures
    from sercl.audio.scan_cache import ScanCache

    cache = ScanCache(path.parent)
    cache.path = path
    measures = Measures(1.0, 16_000, 1, 0.5, "digest")
    identities = cache.identify({0: AudioSpan(path.with_name("a.wav"))})
    cache.recall(identities)
    cache.remember([(identities[0], measures)])


def _audio(name: str) -> Parser:
    file = f"a.{name.lower()}"

    def write(folder: Path) -> None:
        import soundfile

        samples = 0.1 * np.random.default_rng(0).standard_normal(4000).astype(np.float32)
        soundfile.write(folder / file, samples, 16_000, format=name)

    def read(path: Path) -> None:
        from sercl.audio.files import info, read
        from sercl.audio.stream import blocks_of, envelope

        info(path)
        read(path)
        sum(len(block) for block in blocks_of(path))
        envelope(path)

    return Parser(file, write, read, (binary,), examples=60)


AUDIO = ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64", "RF64", "NIST", "VOC", "HTK", "IRCAM")


@cache
def _tiny(family: str) -> Mapping[str, bytes]:
    """Return the files of a tiny encoder."""
    import tempfile

    from sercl.testing.encoders import tiny_encoder

    with tempfile.TemporaryDirectory() as folder:
        tiny_encoder(family, Path(folder), blocks=2)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _write_tiny(family: str, pickled: bool, folder: Path) -> None:
    (folder / "encoder").mkdir(exist_ok=True)
    for name, content in _tiny(family).items():
        (folder / "encoder" / name).write_bytes(content)
    if pickled:
        import torch
        from safetensors.torch import load

        torch.save(load(_tiny(family)["model.safetensors"]), folder / "encoder" / "pytorch_model.bin")
        (folder / "encoder" / "model.safetensors").unlink()


def _encoder(path: Path) -> None:
    import torch

    from sercl.batch import AudioBatch
    from sercl.models.encoders import load_encoder

    encoder = load_encoder(str(path.parent))
    batch = AudioBatch.from_clips([torch.zeros(8000), torch.ones(4000)])
    with torch.inference_mode():
        encoder(batch.waveforms, batch.lengths)


def _encoders() -> Iterator[tuple[str, Parser]]:
    for family in ("wav2vec2", "hubert", "wavlm", "data2vec-audio", "wav2vec2-bert", "whisper"):
        for file, mutators in (
            ("config.json", JSON),
            ("preprocessor_config.json", JSON),
            ("model.safetensors", (safetensors, binary)),
        ):
            write = partial(_write_tiny, family, False)
            if file.startswith("preprocessor") and family == "data2vec-audio":
                continue  # it has none
            name = f"encoder-{family}-{file.partition('.')[0]}"
            yield name, Parser(f"encoder/{file}", write, _encoder, mutators, "encoder", examples=8)
    pickled = partial(_write_tiny, "wav2vec2", True)
    yield (
        "encoder-pickled",
        Parser("encoder/pytorch_model.bin", pickled, _encoder, (archive, binary), "encoder", 8),
    )


@cache
def _model(task: str) -> bytes:
    """Return a checkpoint of a tiny model."""
    import tempfile

    import lightning.pytorch as L
    import torch

    from sercl.batch import AudioBatch
    from sercl.tasks.classification import EmotionClassifier
    from sercl.tasks.diarization import EmotionDiarizer

    kind = {"classification": EmotionClassifier, "diarization": EmotionDiarizer}[task]
    with tempfile.TemporaryDirectory() as folder:
        _write_tiny("whisper", False, Path(folder))
        torch.manual_seed(0)
        model = kind(
            encoder=str(Path(folder, "encoder")),
            whisper_form="short",
            adapter="lora",
            layer="last",
            save_full=True,
        )
        if task == "classification":
            batch = AudioBatch.from_clips(
                [torch.randn(8000), torch.randn(4000)], labels=[0, 1], ids=["a", "b"]
            )
            model.fit_standardizer(model.readout.standardizer, [batch])
        trainer = L.Trainer(
            logger=False, accelerator="cpu", enable_checkpointing=False, enable_progress_bar=False
        )
        trainer.strategy.connect(model)
        trainer.save_checkpoint(Path(folder, "a.ckpt"))
        return Path(folder, "a.ckpt").read_bytes()


def _checkpoint(task: str) -> Parser:
    def write(folder: Path) -> None:
        (folder / "a.ckpt").write_bytes(_model(task))

    def read(path: Path) -> None:
        import torch

        from sercl.batch import AudioBatch
        from sercl.tasks.classification import EmotionClassifier
        from sercl.tasks.diarization import EmotionDiarizer

        if task == "diarization":
            EmotionDiarizer.restore(path)
            return
        with torch.inference_mode():
            EmotionClassifier.restore(path)(AudioBatch.from_clips([torch.zeros(8000)]))

    return Parser("a.ckpt", write, read, (archive, archive, binary), examples=12)


def _resumed(path: Path) -> None:
    import warnings

    from sercl.studies.training.resuming import starting_point

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        starting_point(path.parent)


def _write_last(folder: Path) -> None:
    (folder / "last.ckpt").write_bytes(_model("classification"))


def _write_peft(folder: Path) -> None:
    import peft

    from sercl.models.encoders import load_encoder

    _write_tiny("wav2vec2", False, folder)
    encoder = load_encoder(str(folder / "encoder"))

    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"])
    peft.get_peft_model(encoder.model, config).save_pretrained(folder / "adapter")


def _peft(path: Path) -> None:
    from sercl.models.adapters.peft.files import read_folder

    read_folder("lora", {"folder": str(path.parent)})


def _import(name: str, content: str, **options: Any) -> Parser:
    def read(path: Path) -> None:
        from sercl.listening.importing.files import content_of, faults_text, import_files, in_shares
        from sercl.listening.importing.result_file import ImportOptions
        from sercl.listening.items import Items

        found = in_shares(import_files([path], Items(), ImportOptions(**options)))
        content_of(found), faults_text(found.faults)

    mutators = {".json": JSON, ".jsonl": (lines, text)}.get(Path(name).suffix, TEXT)
    return _text(name, content, read, mutators)


def _imports() -> Iterator[tuple[str, Parser]]:
    from tests.listening.importing import test_files as given

    buttons = given.BUTTONS
    trials = [
        {"trial_type": "audio-button-response", "trial_index": 1, "rt": 1500, "stimulus": "audio/k1.wav",
         "response": 0, "subject": "s1", "choices": buttons},
        {"trial_type": "survey", "trial_index": 2, "stimulus": ["audio/k2.wav"],
         "response": {"answer": "sad"}, "subject": "s1"},
    ]  # fmt: skip
    ratings = (
        "listener,item,answer,confidence,start,end,seconds,order\nl1,k1,sad,4,,,1.5,0\nl1,k2,,3,0.5,1.0,2,1\n"
    )
    yield "import-webmushra", _import("lss.csv", given.LSS)
    yield "import-webmushra-scales", _import("lms.csv", given.LSS_SCALES)
    yield "import-pymushra", _import("pymushra.csv", given.PYMUSHRA)
    yield "import-jspsych", _import("jspsych.csv", given.JSPSYCH, choices=buttons)
    yield "import-jspsych-json", _import("jspsych.json", json.dumps(trials))
    yield "import-jspsych-jsonl", _import("lines.jsonl", "".join(json.dumps(own) + "\n" for own in trials))
    yield "import-ratings", _import("ratings.csv", ratings)
    yield "import-votes", _import("votes.csv", "item,answer,votes\nk1,sad,4\nk1,angry,2\n")
    yield "import-votes-wide", _import("wide.csv", "item,angry,sad\nk1,4,3\nk2,0,1\n")
    yield "import-rates", _import("rates.csv", "item,answer,rate,listeners\nk1,sad,0.9,10\n")


def _test_folder(folder: Path) -> None:
    from sercl.testing.listening import fake_listening_test

    fake_listening_test(folder / "test", items=2, blocks=1, seconds=0.05)


def _protocol(path: Path) -> None:
    from sercl.listening.protocol import verify

    verify(path.parent)


def _resealed(path: Path) -> None:
    """Read a protocol whose hash was made to fit what it holds, as whoever writes one can."""
    from sercl.listening import protocol
    from sercl.studies.results.records import read_record

    protocol.write(read_record(path, protocol.Protocol, ""), path.parent)
    protocol.verify(path.parent)


def _items(path: Path) -> None:
    from sercl.listening.items import read_items

    read_items(path)


def _instructions(path: Path) -> None:
    from sercl.listening.instructions import load

    load(path)


def _packaged(module: str, name: str, file: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        import sercl.listening

        source = Path(sercl.listening.__file__).parent / module / name
        shutil.copy(source, folder / file)

    return write


def _questionnaire(path: Path) -> None:
    from sercl.listening.serving.questionnaire import load

    load(path, ("en",))


def _page_texts(path: Path) -> None:
    from sercl.listening.serving.texts import load

    load(["en"], path.parent)


def _write_ratings(folder: Path) -> None:
    from sercl.listening.ratings import write_table
    from sercl.testing.listeners import Group, fake_items, fake_ratings

    write_table(fake_ratings(fake_items(per_emotion=1), [Group("de", 2)]), folder / "ratings.parquet")


def _ratings(path: Path) -> None:
    from sercl.listening.ratings import first_answers, read_table

    table = read_table(path)
    first_answers(table) if table.kind == "ratings" else None


def _write_journal(folder: Path) -> None:
    from sercl.listening.serving.journal import Journal, chained

    journal = Journal(folder / "log.jsonl")
    journal.append(
        list(chained([("open", {"x": 1}), ("answer", {"item": "k1"})], journal.number, journal.head))
    )


def _journal(path: Path) -> None:
    from sercl.listening.serving.journal import complete_size, entries

    complete_size(path)
    list(entries(path))


def _rules(path: Path) -> None:
    from sercl.cli.listen.importing import _read_rules
    from sercl.listening.exclusion import ExclusionRules

    _read_rules(path, ExclusionRules())


def _tables() -> dict[str, Parser]:
    rows = {
        "path": ["a.wav", "b.wav"],
        "emotion": ["sad", "angry"],
        "speaker": ["1", "2"],
        "start": [0.0, 1.0],
    }
    hub = {"audio": ["a.wav", "b.wav"], "emotion": ["sad", "angry"], "speaker": ["1", "2"]}
    return {
        "manifest-csv": _text(
            "m.csv",
            "path,emotion,speaker,start,end,segments,split\n"
            'a.wav,sad,s1,0.5,1.5,"[{""emotion"": ""sad"", ""start"": 0.5, ""end"": 1}]",train\n'
            "b.wav,angry,s2,,,,\n",
            _manifest,
        ),
        "manifest-tsv": _text("m.tsv", "path\temotion\tspeaker\na.wav\tsad\ts1\n", _manifest),
        "manifest-jsonl": _text(
            "m.jsonl",
            f'{{"path": "a.wav", "emotion": "sad", "speaker": 1, "segments": [{EVENT}], "end": 1}}\n',
            _manifest,
            (lines, lines, text),
        ),
        "manifest-parquet": _table("m.parquet", rows, _manifest),
        "folds": _text("test.csv", "file,answer\na.wav,Sad\nb.wav,Angry\n", _folds),
        "durations": _text("d.csv", "id,seconds\na,1.5\nb,2\n", _durations),
        "audio-folder": Parser("data/metadata.csv", _write_audio_folder, _audio_folder, TEXT),
        "hub": Parser(
            "data/train.parquet",
            lambda folder: _write_hub(folder, hub),
            _hub,
            (parquet, parquet, binary),
            names="",
            examples=8,
        ),
        "labels": _text("l.yaml", "up: [angry, happy]\ndown: [sad]\n", _labels, YAML, names=""),
        "config-fit": Parser("fit.yaml", _write_fit_config, _fit_config, YAML, names="", examples=5),
        "config-study": Parser("study.yaml", _write_study_file, _study_file, YAML, names="", examples=5),
        "package-points": Parser(
            "fuzzed-1.0.dist-info/entry_points.txt", _write_package, _package, TEXT, names="", examples=20
        ),
        "package-metadata": Parser(
            "fuzzed-1.0.dist-info/METADATA", _write_package, _package, TEXT, names="", examples=20
        ),
        "config": _text(
            "c.yaml",
            "data:\n  class_path: EmoDB\n  init_args: {root: x}\nmodel: {adapter: lora}\n"
            "trainer: {max_epochs: 3, a: &b [1, 2], c: *b}\n",
            _config,
            YAML,
        ),
    }


def _write_audio_folder(folder: Path) -> None:
    import soundfile

    (folder / "data" / "train").mkdir(parents=True)
    for name in "ab":
        soundfile.write(folder / "data" / "train" / f"{name}.wav", np.zeros(100), 16_000)
    (folder / "data" / "metadata.csv").write_text("file_name,emotion\ntrain/a.wav,sad\ntrain/b.wav,angry\n")


def _write_hub(folder: Path, columns: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "data").mkdir()
    pq.write_table(pa.table(dict(columns)), folder / "data" / "train.parquet")


def _parsers() -> dict[str, Parser]:
    """Return name -> parser, of everything."""
    return {
        **_tables(),
        **dict(_corpora()),
        "segments-rttm": _text("s.rttm", "SPEAKER talk 1 0.50 1.20 <NA> <NA> sad <NA> <NA>\n", _segments),
        "segments-json": _text(
            "s.json",
            f'{{"recordings": [{{"id": "a", "duration": 3.0, "segments": [{EVENT}]}}]}}',
            _segments,
            JSON,
        ),
        "segments-csv": _text("s.csv", "id,start,end,emotion,confidence\na,0.5,1.0,sad,0.5\n", _segments),
        "segments-audacity": _text("s.txt", "0.500000\t1.000000\tsad\n1.0\t2.0\thappy\n", _segments),
        "segments-textgrid": _text("s.TextGrid", TEXT_GRID, _segments),
        "clips": _clips(),
        "predictions": _text(
            "predictions.csv",
            "utterance,speaker,truth,predicted,p_angry,p_sad\na,s1,sad,sad,0.2,0.8\nb,s2,angry,sad,0.3,0.7\n",
            _predictions,
        ),
        "run-predictions": Parser("run/predictions.csv", _run, _finished, TEXT, examples=20),
        "run-config": Parser("run/config.yaml", _run, _finished, YAML, examples=20),
        "run-results": Parser("run/results.json", _run, _finished, JSON, examples=20),
        "study": Parser("study/study.json", _study, _finished, JSON, examples=10),
        "study-results": Parser("study/study.json", _study, _results, JSON, examples=8),
        "study-predictions": Parser(
            "study/predictions.parquet", _study, _finished, (parquet, binary), examples=10
        ),
        "study-table": Parser(
            "study/predictions.parquet", _study, _study_table, (parquet, binary), examples=20
        ),
        "cell": Parser("study/cells/address/cell.json", _write_cell, _cell, JSON, names="address"),
        "cell-predictions": Parser(
            "study/cells/address/predictions.parquet",
            _write_cell,
            _cell,
            (parquet, binary),
            names="address",
            examples=20,
        ),
        "results-run": _record("run/results.json", _run_results, _read_run_results, notes=[]),
        "results-probe": _record("probe/results.json", _probe, _read_probe),
        "results-diarization": _record("diarizer/results.json", _diarization, _read_diarization),
        "stage": _record(
            "stage.json", _stage, _read_stage, limits={"max_epochs": 3.0}, checkpoint="stage.json"
        ),
        "store": Parser(f"{SPACE.name}/space.json", _store, _space, JSON, names=SPACE.name),
        "shard": Parser("a.arrow", _write_shard, _shard, (binary,)),
        "index": Parser("index.sqlite", _write_index, _index, (binary,), names="index", examples=20),
        "scans": Parser("scans.sqlite", _write_scans, _scans, (binary,), examples=20),
        **{f"audio-{name}": _audio(name) for name in AUDIO},
        **dict(_encoders()),
        "checkpoint": _checkpoint("classification"),
        "checkpoint-diarizer": _checkpoint("diarization"),
        "checkpoint-resumed": Parser("last.ckpt", _write_last, _resumed, (archive, binary), examples=20),
        "peft-config": Parser("adapter/adapter_config.json", _write_peft, _peft, JSON, names="adapter"),
        "peft-weights": Parser(
            "adapter/adapter_model.safetensors", _write_peft, _peft, (safetensors, binary)
        ),
        **dict(_imports()),
        "listening-protocol": Parser("test/protocol.json", _test_folder, _protocol, JSON),
        "listening-protocol-sealed": Parser(
            "test/protocol.json", _test_folder, _resealed, (document,), names="test"
        ),
        "listening-items": Parser("test/protocol.json", _test_folder, _items, JSON),
        "listening-items-table": _text("i.csv", "item,emotion,language\nk1,sad,de\n", _items),
        "listening-instructions": Parser(
            "en.yaml", _packaged("texts", "en.yaml", "en.yaml"), _instructions, YAML
        ),
        "listening-questionnaire": Parser(
            "q.yaml", _packaged("serving", "questionnaire.yaml", "q.yaml"), _questionnaire, YAML
        ),
        "listening-texts": Parser(
            "en.yaml", _packaged("serving/texts", "en.yaml", "en.yaml"), _page_texts, YAML
        ),
        "listening-ratings": Parser("ratings.parquet", _write_ratings, _ratings, (parquet, parquet, binary)),
        "listening-log": Parser("log.jsonl", _write_journal, _journal, (lines, text)),
        "listening-rules": _text("r.yaml", "failed_checks: 2\nmin_answered: 0.2\n", _rules, YAML),
    }


PARSERS: Mapping[str, Parser] = _parsers()
