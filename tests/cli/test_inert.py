"""Whatever a configuration file contains is inert: no command, no other class, nothing outside --out."""

from pathlib import Path

import pytest
import yaml

from sercl.cli import own_settings
from sercl.cli.cross_eval import StudyCli
from sercl.cli.inert import check_cache_folders, check_class
from sercl.cli.main import main
from sercl.errors import UsageError
from sercl.launchers import process
from tests.timing import within

EXTRA = "sercl.launchers.process.OwnProcess"
DDP = "lightning.pytorch.strategies.DDPStrategy"


def ddp(**arguments: object) -> dict[str, object]:
    return {"class_path": DDP, "init_args": arguments}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder of configuration."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "sercl"


@pytest.fixture
def study(tmp_path: Path, home: Path):
    """Parses a study file with some options, and words of the command line."""

    def parse(options: dict[str, object], *words: str) -> StudyCli:
        corpora = {"E": {"class_path": "EmoDB", "init_args": {"root": str(tmp_path)}}}
        content = {"study": {"encoders": ["whisper-tiny"], "corpora": corpora}, **options}
        file = tmp_path / "study.yaml"
        file.write_text(yaml.safe_dump(content))
        return StudyCli(["-c", str(file), "--out", str(tmp_path / "out"), *words])

    return parse


def test_a_study_file_runs_no_shell_command(
    crossed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "was-here"
    file = tmp_path / "study.yaml"
    launch = {"launcher": "slurm", "slurm": {"executor": "local", "setup": [f"touch {mark}"]}}
    file.write_text(yaml.safe_dump({"study": crossed, "launch": launch, "trainer": {"max_epochs": 1}}))
    assert main(["cross-eval", "-c", str(file), "--out", str(tmp_path / "out")]) == 2
    assert "--launch.slurm.setup: not accepted from a configuration file" in capsys.readouterr().err
    assert not mark.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"launch": {"slurm": {"setup": ["touch x"]}}}, "--launch.slurm.setup: not accepted from a"),
        ({"launch": {"ray": {"address": "elsewhere:1"}}}, "--launch.ray.address: not accepted from a"),
        ({"launch": {"slurm": {"partition": "a\ntouch x"}}}, "slurm.partition is 'a.ntouch x'; valid"),
        ({"launch": {"slurm": {"constraint": "$(touch x)"}}}, "slurm.constraint is"),
        ({"out": "elsewhere"}, "sets 'out', which is accepted on the command line only"),
        ({"trainer": {"default_root_dir": "/x"}}, "--trainer.default_root_dir: has no effect"),
        ({"trainer": {"model_registry": "a/b"}}, "--trainer.model_registry: has no effect"),
        ({"trainer": {"devices": 10**6}}, "--trainer.devices 1000000: one process is started for each"),
        ({"trainer": {"devices": "1000000"}}, "--trainer.devices 1000000: one process is started for each"),
        ({"trainer": {"max_time": {"days": 10**18}}}, "--trainer.max_time"),
        ({"checkpoint": {"dirpath": "/x"}}, "--checkpoint.dirpath: has no effect"),
        ({"checkpoint": {"filename": "../../x"}}, "--checkpoint.filename: '../../x' is not a file name"),
        ({"checkpoint": {"filename": ".."}}, "is not a file name"),
        ({"checkpoint": {"filename": "{epoch:99999999d}"}}, "is not a file name"),
        ({"checkpoint": {"filename": "x" * 300}}, "at most 100 bytes"),
        ({"features": {"dir": "/etc"}}, "--features.dir /etc: is set in a config"),
        (
            {"trainer": {"strategy": ddp(ddp_comm_state={"class_path": EXTRA})}},
            "--trainer.strategy.ddp_comm_state: .* is not a class that this option takes",
        ),
        ({"trainer": {"strategy": {"class_path": EXTRA}}}, "--trainer.strategy"),
        ({"trainer": {"accelerator": {"class_path": EXTRA}}}, "--trainer.accelerator"),
        ({"trainer": {"plugins": [{"class_path": EXTRA}]}}, "--trainer.plugins"),
        (
            {"trainer": {"strategy": ddp(ddp_comm_hook=DDP)}},
            "ddp_comm_hook",
        ),
        ({"model": {"adapters": {"class_path": EXTRA}}}, "AdapterOptions"),
        ({"model": {"labels": {"class_path": EXTRA}}}, "model"),
    ],
    ids=str,
)
def test_what_a_file_may_not_say(options, message: str, study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.OwnProcess, "__init__", lambda *_: pytest.fail("a constructor ran"))
    with pytest.raises(UsageError, match=message):
        _ = study(options).launch


def part(option: str, kind: str, **arguments: object) -> dict[str, object]:
    """Return options of the trainer with one class."""
    value = {"class_path": kind, "init_args": arguments}
    return {"trainer": {option: [value] if option == "callbacks" else value}}


@pytest.mark.parametrize(
    "options",
    [
        part("logger", "CSVLogger", save_dir="/tmp/x"),
        part("logger", "CSVLogger", save_dir="../x"),
        part("logger", "CSVLogger", save_dir="file:///tmp/x"),
        part("logger", "CSVLogger", save_dir="x", name="../../../x"),
        part("logger", "CSVLogger", save_dir="x", version="/tmp/x"),
        part("logger", "TensorBoardLogger", save_dir="~/x"),
        part("logger", "TensorBoardLogger", save_dir="x", sub_dir="../x"),
        part("logger", "TensorBoardLogger", save_dir="$HOME"),
        part("logger", "TensorBoardLogger", save_dir="x", filename_suffix="/../../x"),
        part("callbacks", "ModelCheckpoint", dirpath="../x"),
        part("profiler", "SimpleProfiler", dirpath="/tmp/x", filename="x"),
        part("profiler", "AdvancedProfiler", filename="../x"),
        part("profiler", "PyTorchProfiler", filename="/tmp/x"),
    ],
    ids=str,
)
def test_no_class_writes_outside_the_run(options, study) -> None:
    with pytest.raises(UsageError, match="is not below the run's folder"):
        study(options)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("logger", "WandbLogger"),
        ("callbacks", "LambdaCallback"),
        ("callbacks", "lightning.pytorch.callbacks.BatchSizeFinder"),
        ("strategy", "lightning.pytorch.strategies.DeepSpeedStrategy"),
    ],
)
def test_an_option_takes_the_classes_it_is_for(name: str, kind: str, study) -> None:
    with pytest.raises(UsageError, match=r"is not a class that this option takes \(valid: "):
        study(part(name, kind))


@pytest.mark.parametrize("name", ["../x", "{epoch:999999999d}"])
def test_a_callback_names_its_files_as_the_checkpoint_does(name: str, study) -> None:
    with pytest.raises(UsageError, match=r"--trainer\.callbacks\.filename: .* is not a file name"):
        study(part("callbacks", "ModelCheckpoint", filename=name))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("option", "depth"),
    [("data", 1), ("data.source", 1), ("data.target", 2), ("study.corpora.Both", 1)],
)
def test_corpora_that_are_used_as_one_are_corpora(option: str, depth: int, named: bool) -> None:
    nested = option + (".corpora.Name" if named else ".corpora") * depth
    check_class(nested, "sercl.data.datamodules.EmoDB", ())
    for path in (EXTRA, "lightning.pytorch.callbacks.Timer"):
        with pytest.raises(UsageError, match=r"is not a class that this option takes \(valid: a corpus\)"):
            check_class(nested, path, ())
    with pytest.raises(UsageError, match="is not a class that this option takes"):
        check_class(f"model.{nested}", "sercl.data.datamodules.EmoDB", ())


@pytest.mark.parametrize("as_map", [True, False])
def test_a_file_creates_no_other_class_among_several_corpora(study, as_map: bool, tmp_path: Path) -> None:
    own = {"class_path": EXTRA, "init_args": {}}
    corpora = {"Own": own} if as_map else [own]
    both = {"class_path": "Corpora", "init_args": {"corpora": corpora}}
    with pytest.raises(UsageError, match=r"study.corpora"):
        study({"study": {"encoders": ["whisper-tiny"], "corpora": {"Both": both}}})


def test_arguments_that_a_signature_does_not_name_are_refused(study) -> None:
    strategy = {"class_path": DDP, "dict_kwargs": {"unheard_of": 1}}
    with pytest.raises(UsageError, match=r"--trainer\.strategy: takes no dict_kwargs \(unheard_of\)"):
        study({"trainer": {"strategy": strategy}})


def test_classes_write_below_the_runs_folder(study, tmp_path: Path) -> None:
    options = part("logger", "CSVLogger", save_dir="mine")["trainer"]
    options |= part("callbacks", "ModelCheckpoint", dirpath="more")["trainer"]
    options |= part("profiler", "SimpleProfiler", dirpath="times", filename="all")["trainer"]
    trainer = study({"trainer": options}).trainer_options.build(tmp_path / "run")
    assert trainer.logger.log_dir == str(tmp_path / "run" / "mine" / "lightning_logs" / "version_0")
    assert trainer.checkpoint_callbacks[0].dirpath == str(tmp_path / "run")
    assert trainer.checkpoint_callbacks[1].dirpath == str(tmp_path / "run" / "more")
    assert str(trainer.profiler.dirpath) == str(tmp_path / "run" / "times")


def test_a_link_does_not_lead_out_of_the_runs_folder(study, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "out").symlink_to(tmp_path)
    options = study(part("logger", "CSVLogger", save_dir="out")).trainer_options
    with pytest.raises(UsageError, match="is not below the run's folder"):
        options.build(tmp_path / "run")


def test_a_user_can_allow_a_class(study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERCL_ALLOW_IMPORTS", "lightning.pytorch.callbacks.LambdaCallback")
    assert study(part("callbacks", "LambdaCallback")).config.trainer.callbacks


def test_the_user_sets_up_jobs_from_the_command_line_or_a_file_of_their_own(study, home: Path) -> None:
    slurm = {"launch": {"launcher": "slurm"}}
    assert study(slurm).launch.slurm.setup == []
    home.mkdir(parents=True)
    (home / "slurm_setup.sh").write_text("module load cuda\n\nsource env\n")
    assert study(slurm).launch.slurm.setup == ["module load cuda", "source env"]
    assert study({}).launch.slurm.setup == []
    words = ["--launch.slurm.setup", "module load a", '--launch.slurm.setup+=["b", "c d"]']
    assert study(slurm, *words).launch.slurm.setup == ["module load a", "b", "c d"]
    with pytest.raises(UsageError, match="is not a list of lines"):
        _ = study(slurm, "--launch.slurm.setup=[1]").launch
    assert study(slurm, "--launch.ray.address", "auto").launch.ray.address == "auto"


def test_words_are_taken_out_with_their_values() -> None:
    rest, found = own_settings.taken_out(["--a", "1", "--x", "--y", "--x=3", "b"], ["--x"])
    assert (rest, found) == (["--a", "1", "b"], {"--x": ["--y", "3"]})
    with pytest.raises(UsageError, match="--x needs a value"):
        own_settings.taken_out(["--x"], ["--x"])


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases expand to more than"),
        ("trainer: &a {x: *a}", "contains itself"),
        ("trainer: " + "[" * 900 + "]" * 900, "levels deep"),
        ("seed_everything: " + "9" * 5000, "too large a number"),
        ("seed_everything: 1\nseed_everything: 2", "study.yaml:2: the key 'seed_everything' appears twice"),
        ("a: !!python/object/apply:os.system ['touch x']", "the tag"),
        ("config: [/dev/zero]", "sets 'config', which is accepted on the command line only"),
        ("config: {a: 1}", "sets 'config', which is accepted on the command line only"),
        ("help: true", "sets 'help', which is accepted on the command line only"),
        ("print_config: x", "sets 'print_config', which is accepted on the command line only"),
        ("__path__: x", "the key '__path__' is not an option"),
        ("? [1]\n: x", "study.yaml"),
        ("model: {__orig__: x}", "the key '__orig__' is not an option"),
        ("study: {__default_config__: x}", "the key '__default_config__' is not an option"),
        ("".join(f"a{n}: &x{n} [1]\n" for n in range(30_000)), "MB; at most 0.25 are read"),
        ("- 1", "expected a map of options"),
        ("", "expected a map of options"),
    ],
    ids=lambda text: text[:30],
)
def test_hostile_yaml_ends_in_a_message_at_once(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.yaml").write_text(text)
    for command in (["fit"], ["cross-eval", "--out", str(tmp_path / "out")]):
        main([*command, "-c", "no-such-file"])  # imports are not what is timed here
        with within(3.0):
            assert main([*command, "-c", str(tmp_path / "study.yaml")]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert "defect" not in error


def test_keys_of_the_parser_itself_are_no_options_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "-c", "{__path__: x}", "--data", "EmoDB", "--data.root", str(tmp_path)]) == 2
    assert "'__path__' is not an option" in capsys.readouterr().err


def test_a_store_whose_first_writer_was_killed_is_one(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / ".index-0123456789abcdef.sqlite").touch()
    check_cache_folders({"features": {"dir": str(tmp_path / "store")}}, [])
    (tmp_path / "store" / "mine").touch()
    with pytest.raises(UsageError, match="contains files that sercl did not write"):
        check_cache_folders({"features": {"dir": str(tmp_path / "store")}}, [])
