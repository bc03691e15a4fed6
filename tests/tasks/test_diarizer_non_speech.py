import torch

from sercl.audio.voice import Speech
from sercl.tasks.diarizer import quiet_frames, voiceless_frames


def test_quiet_frames_are_those_without_a_loud_sample():
    waveform = torch.zeros(1000)
    waveform[330] = 0.5
    waveform[700] = 0.0009
    assert quiet_frames(waveform, 3, 320).tolist() == [True, False, True]
    assert quiet_frames(waveform, 4, 320).tolist() == [True, False, True, True]
    assert quiet_frames(waveform, 2, 320).tolist() == [True, False]


class Found:
    def speech(self, clips):
        return [(Speech(0.02, 0.05), Speech(0.09, 0.10)) for _ in clips]


def test_voiceless_frames_are_those_whose_middle_is_in_no_speech():
    found = voiceless_frames(Found(), torch.zeros(2000), 6, 320)
    assert found.tolist() == [True, False, True, True, False, True]
