from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sercl.audio.augment import Augment, AugmentConfig
from sercl.batch import LABEL_HOP
from sercl.corpora.base import Utterance
from sercl.data.clips.config import ClipConfig
from sercl.data.clips.dataset import ClipDataset, ClipSampler
from sercl.data.clips.plan import Clip, Piece, Planner

CLASSES = ("angry", "happy", "neutral", "sad")
PLAIN = ClipConfig(loudness="keep", crossfade=0.0)


@pytest.fixture
def pieces(tmp_path):
    rng = np.random.default_rng(0)
    found = []
    for label in CLASSES:
        for take in range(2):
            path = Path(tmp_path / f"{label}{take}.wav")
            soundfile.write(path, 0.1 * rng.standard_normal(8000), 16_000)
            utterance = Utterance(path.stem, path, label, "fake", speaker="s")
            found.append(Piece(utterance, 0.0, 0.4, label))
    return found


def test_labels_follow_the_pieces(pieces):
    clip = Clip("c", "NE", (pieces[4], pieces[6]))
    item = ClipDataset(ClipSampler([clip], 0, PLAIN), CLASSES)[0, 0]
    assert item.id == "c"
    assert item.waveform.shape == (12_800,)
    assert item.labels.tolist() == [2] * 100 + [3] * 100


def test_the_last_label_covers_an_odd_rest(pieces):
    sad = pieces[6]
    odd = Piece(sad.utterance, 0.0, 0.4 + 3 / 16_000, "sad")
    item = ClipDataset(ClipSampler([Clip("c", "E", (odd,))], 0, PLAIN), CLASSES)[0, 0]
    assert len(item.waveform) == 6403
    assert item.labels.tolist() == [3] * 101
    assert len(item.labels) == -(-6403 // LABEL_HOP)


def test_a_fixed_list_is_the_same_in_every_epoch_and_a_planner_draws_anew(pieces):
    planner = Planner(pieces, PLAIN, 0)
    drawn = ClipSampler(planner, 4, PLAIN)
    fixed = ClipSampler(drawn.epoch(0), 0, PLAIN)
    assert (drawn.fixed, fixed.fixed) == (False, True)
    assert (drawn.count, fixed.count) == (4, 4)
    assert fixed.epoch(0) == fixed.epoch(5) == drawn.epoch(0)
    assert drawn.epoch(1) == [planner.plan(index) for index in range(4, 8)]
    assert drawn.seconds(1) == [pytest.approx(0.4 * len(clip.pieces)) for clip in drawn.epoch(1)]


def test_labels_keep_up_with_a_change_of_speed(pieces):
    clip = Clip("c", "NE", (pieces[4], pieces[6]))
    slow = Augment(AugmentConfig(speed=(0.5, 0.5), probability=1.0))
    item = ClipDataset(ClipSampler([clip], 0, PLAIN), CLASSES, slow)[0, 0]
    assert item.waveform.shape == (25_600,)
    assert item.labels.tolist() == [2] * 200 + [3] * 200


def test_an_item_depends_on_epoch_and_index_alone(pieces):
    noisy = Augment(AugmentConfig(noise_snr_db=(5, 20), probability=1.0))
    source = ClipSampler(Planner(pieces, PLAIN, 0), 4, PLAIN)
    first, second = ClipDataset(source, CLASSES, noisy, 1), ClipDataset(source, CLASSES, noisy, 1)
    second[1, 2]
    assert torch.equal(first[3, 1].waveform, second[3, 1].waveform)
    assert not torch.equal(first[3, 1].waveform, ClipDataset(source, CLASSES, noisy, 2)[3, 1].waveform)
