import argparse
import shlex

import pytest
from jsonargparse import ArgumentParser

from sercl.corpora.registry import CORPORA, read_corpus
from sercl.data import datamodules
from sercl.data.datamodules import CorpusDataModule, EmotionDataModule, LanguagePair
from tests.data.corpora import write_emodb


@pytest.fixture(scope="module")
def parser():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(EmotionDataModule, "data")
    return parser


def build(parser, line):
    return parser.instantiate(parser.parse_args(shlex.split(line))).data


@pytest.mark.parametrize("name", CORPORA)
def test_every_registered_corpus_has_a_module_of_its_name(name, tmp_path):
    module = getattr(datamodules, name)
    assert issubclass(module, CorpusDataModule)
    assert module.__doc__
    assert module(tmp_path).corpus == name


def test_a_corpus_by_name_with_nested_options(parser):
    line = "--data EmoDB --data.root here --data.folds.index 2 --data.labels 6"
    data = build(parser, f"{line} --data.loader.batch_size 0 --data.augment.speed [0.9,1.1]")
    assert type(data) is datamodules.EmoDB
    assert (data.root.name, data.fold_config.index, len(data.classes)) == ("here", 2, 6)
    assert (data.loader_config.batch_size, data.augment_config.speed) == (0, (0.9, 1.1))


def test_a_label_map_on_the_command_line(parser):
    data = build(parser, "--data EmoDB --data.root x '--data.labels={up: [angry, happy], down: sad}'")
    assert data.label_map == {"up": ["angry", "happy"], "down": ["sad"]}


def test_a_pair_with_options_for_each_side(parser):
    source = "--data.source EmoDB --data.source.root A --data.source.folds.index 1"
    target = "--data.target RAVDESS --data.target.root B --data.target.channel song"
    data = build(parser, f"--data LanguagePair {source} {target} --data.setting two-stage")
    assert type(data) is LanguagePair
    assert (data.source.root.name, data.source.fold_config.index) == ("A", 1)
    assert (data.target.root.name, data.target.channel, data.stages) == ("B", "song", ("source", "target"))


def test_a_yaml_file_says_the_same(parser, tmp_path):
    path = tmp_path / "data.yaml"
    path.write_text("class_path: EmoDB\ninit_args:\n  root: here\n  labels: 4\n  folds: {index: 3}\n")
    data = build(parser, f"--data {path}")
    assert (data.fold_config.index, len(data.classes)) == (3, 4)


@pytest.mark.parametrize("option", ["--data.root_folder", "--data.folds.number", "--data.loader.batchsize"])
def test_misspelt_options_are_refused(parser, option):
    with pytest.raises(argparse.ArgumentError):
        parser.parse_args(["--data", "EmoDB", "--data.root", "x", option, "1"])


def test_a_made_module_reads_its_own_corpus(tmp_path):
    root = write_emodb(tmp_path)
    assert datamodules.EmoDB(root).read() == read_corpus("EmoDB", root)
