from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sercl.corpora.folds import FoldConfig, make_folds
from sercl.corpora.labels import label_scheme
from sercl.corpora.registry import read_corpus
from sercl.errors import FeatureError, FoldError, UsageError
from sercl.studies.heads.config import PRESETS
from sercl.studies.heads.parts import Parts
from sercl.studies.layer_probe.folds import epochs_of, probe_study
from sercl.studies.layer_probe.task import probe_task
from tests.studies.heads.samples import QUICK, STATES, TELLING, features_for, toy_task


def test_the_layer_that_tells_is_found() -> None:
    task = toy_task()
    reports: list[int] = []
    found = probe_study(features_for(task), task, QUICK, on_epochs=reports.append)
    assert sum(reports) == epochs_of(task, QUICK, STATES)
    assert (found.best_layer, found.chosen.layers) == (TELLING, (TELLING,) * 3)
    best = found.layer(TELLING)
    assert best.uar.value > 0.95
    assert best.uar.low <= best.uar.value <= best.uar.high
    assert found.chosen.uar == best.uar
    assert found.layer(0).uar.value < 0.45 < found.layer(1).uar.value < best.uar.value
    assert found.chance == 0.25
    assert [dict(sizes) for sizes in found.folds] == [{"train": 72, "validation": 24, "test": 48}] * 3
    assert (best.probes, len(found.runs)) == (6, 6 * (2 * STATES + 1))


def test_the_best_layer_is_tested_against_every_other_one() -> None:
    task = toy_task()
    found = probe_study(features_for(task), task, QUICK, control=False, weighted=False)
    assert sorted(item.layer for item in found.differences) == [
        layer for layer in range(STATES) if layer != TELLING
    ]
    order = [found.layer(item.layer).validation_uar for item in found.differences]
    assert order[0] == max(order)
    best = found.layer(TELLING).uar
    for item in found.differences:
        assert item.difference.value == pytest.approx(best.value - found.layer(item.layer).uar.value)
        assert (item.p < 0.05) == (item.difference.low > 0 or item.difference.high < 0)
        assert item.p <= item.p_holm <= 1
        assert (item.difference.unit, item.difference.count) == (best.unit, best.count)


def test_what_shifts_a_whole_corpus_makes_no_difference_by_corpus() -> None:
    corpora = tuple("AB"[number % 2] for number in range(len(toy_task().ids)))
    task = replace(toy_task(), corpora=corpora)
    features, config = features_for(task), replace(QUICK, standardize="corpus", seeds=(0,))
    of_b = torch.tensor([name == "B" for name in corpora])[:, None, None]
    generator = torch.Generator().manual_seed(1)
    shift = 40 * torch.randn(features.shape[1:], generator=generator) * of_b
    found = [
        probe_study(own, task, chosen, control=False, weighted=False)
        for own, chosen in (
            (features, config),
            (features * (1 + of_b) + shift, config),
            (features + shift, replace(config, standardize=True)),
        )
    ]
    uars = [[layer.uar.value for layer in own.layers] for own in found]
    assert uars[0] == pytest.approx(uars[1], abs=0.03)
    assert uars[0][TELLING] > 0.95
    assert uars[2][1] < uars[0][1]  # where the label is shown now and then, the corpus hides it
    assert any("each corpus is standardised separately" in note for note in found[0].notes)
    assert not any("each corpus" in note for note in found[2].notes)


def test_statistics_of_corpora_need_their_names_and_training_rows() -> None:
    task, config = toy_task(), replace(QUICK, standardize="corpus")
    features = features_for(task)
    with pytest.raises(UsageError, match="not known which corpus a row is from"):
        probe_study(features, replace(task, corpora=()), config)
    tested = set(task.folds[0].test)
    alone = tuple("AB"[row in tested] for row in range(len(task.ids)))
    with pytest.raises(UsageError, match="no rows for the statistics of B"):
        probe_study(features, replace(task, corpora=alone, folds=task.folds[:1]), config)


def test_shuffled_labels_cannot_be_recognised() -> None:
    task = toy_task()
    best = probe_study(features_for(task), task, QUICK, layers=[TELLING], weighted=False).layer(TELLING)
    assert best.control is not None
    assert best.selectivity is not None
    assert 0.1 < best.control.value < 0.42
    assert best.selectivity.value == pytest.approx(best.uar.value - best.control.value)


def test_the_weighted_sum_prefers_the_layer_that_tells() -> None:
    task = toy_task()
    config = replace(QUICK, max_epochs=60, mix_lr=0.1)
    found = probe_study(features_for(task), task, config, layers=[0], control=False).weighted
    assert found is not None
    assert sum(found.weights) == pytest.approx(1)
    assert max(range(STATES), key=found.weights.__getitem__) == TELLING
    assert found.weights[TELLING] > 0.5
    assert found.uar.value > 0.9


def test_only_what_is_asked_for_is_trained() -> None:
    task = toy_task()
    found = probe_study(features_for(task), task, QUICK, layers=[3, 1], control=False, weighted=False)
    assert [entry.layer for entry in found.layers] == [1, 3]
    assert (found.weighted, found.layers[0].control, found.layers[0].selectivity) == (None, None, None)
    assert {run.layer for run in found.runs} == {1, 3}


def test_the_epoch_limit_is_reported() -> None:
    task = toy_task()
    config = replace(QUICK, max_epochs=2)
    found = probe_study(features_for(task), task, config, layers=[0], control=False, weighted=False)
    assert found.layers[0].at_limit == 6
    assert found.notes == (
        "6 of 6 probes ended at the epoch limit (2), not by early stopping: longer training may score higher",
    )


def test_the_layer_is_chosen_without_a_look_at_the_test_part() -> None:
    task = toy_task()
    features = features_for(task)
    # In the test parts another hidden state tells the label, too late to be chosen.
    for fold in task.folds[:1]:
        rows = list(fold.test)
        features[rows, 0], features[rows, TELLING] = features[rows, TELLING], features[rows, 0]
    found = probe_study(features, replace(task, folds=task.folds[:1]), QUICK, control=False, weighted=False)
    assert found.best_layer == TELLING
    assert found.chosen.layers == (TELLING,)
    assert found.chosen.uar.value < 0.6


@pytest.mark.parametrize("select", ["loss", "accuracy", "uar"])
def test_every_criterion_finds_the_layer(select: str) -> None:
    task = toy_task()
    config = replace(QUICK, select=select, seeds=(0,))
    found = probe_study(features_for(task), task, config, control=False, weighted=False)
    assert found.best_layer == TELLING


def test_the_same_call_gives_the_same_numbers() -> None:
    task = toy_task()
    one, two = (probe_study(features_for(task), task, QUICK, layers=[1]) for _ in range(2))
    assert replace(one, seconds=0) == replace(two, seconds=0)


def test_where_there_is_no_double_precision_the_processor_trains() -> None:
    task, config = toy_task(), replace(QUICK, max_epochs=1)
    found = probe_study(features_for(task), task, config, layers=[0], weighted=False, device="mps")
    assert len(found.runs) == 12


def test_bad_input_is_refused() -> None:
    task = toy_task()
    features = features_for(task)
    with pytest.raises(UsageError, match="probe layers 0, 4: valid: hidden states from 0 to 3"):
        probe_study(features, task, QUICK, layers=[0, 4])
    with pytest.raises(UsageError, match="for 144 utterances"):
        probe_study(features[:-1], task, QUICK)
    broken = features.clone()
    broken[7, 3, 0] = float("nan")
    with pytest.raises(FeatureError, match=f"hidden state 3 of utterance {task.ids[7]!r}"):
        probe_study(broken, task, QUICK)
    probe_study(broken, task, replace(QUICK, max_epochs=1), layers=[0], control=False, weighted=False)
    lacking = replace(task, folds=(Parts(task.folds[0].test[:3], task.folds[0].validation, (0,)),))
    with pytest.raises(FoldError, match="no training utterance of"):
        probe_study(features, lacking, QUICK)


@pytest.mark.shared
@pytest.mark.slow
def test_emodb_with_whisper_base_as_in_the_orientation(shared: Path) -> None:
    features, task = _emodb(shared)
    found = probe_study(features, task, weighted=False)
    uars = [entry.uar.value for entry in found.layers]
    assert found.best_layer == 3
    assert found.chosen.uar.value >= 0.93
    assert max(uars[2:4]) > max(uars[0], uars[5], uars[6]) + 0.04
    assert all(entry.selectivity is not None and entry.selectivity.low > 0.4 for entry in found.layers)
    raw = probe_study(features, task, PRESETS["paper"], layers=[3], control=False, weighted=False)
    assert raw.layers[0].at_limit >= 4
    assert raw.layers[0].uar.value < 0.75


def _emodb(shared: Path):
    from sercl.audio.resample import load
    from sercl.batch import AudioBatch
    from sercl.models.encoders import load_encoder
    from sercl.models.pooling import masked_mean

    scheme = label_scheme("4")
    utterances = scheme.split(read_corpus("EmoDB", shared / "data" / "emodb").utterances)[0]
    folds = make_folds(utterances, scheme, FoldConfig())
    task = probe_task([fold.parts for fold in folds])
    encoder = load_encoder(str(shared / "models" / "whisper-base-encoder"), whisper_form="short")
    paths = {item.id: item.path for item in utterances}
    rows = []
    with torch.inference_mode():
        for name in task.ids:
            batch = AudioBatch.from_clips([load(paths[name])], labels=[0], ids=[name])
            output = encoder(batch.waveforms, batch.lengths)
            rows.append(torch.cat([masked_mean(state, output.lengths) for state in output.hidden_states]))
    return torch.stack(rows).clone(), task
