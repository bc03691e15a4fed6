"""The network of Silero VAD, applied to all windows of several clips at once.

The package's own model is called for each window of 32 ms in turn, and also computes phases, which it does
not use. Only the recurrent layer has to read a clip in order: everything else is computed here for all
windows together, with the weights of the package.
"""

import warnings
from importlib import import_module
from importlib.metadata import version
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from sercl.errors import PackagesError

CHUNK = 512
"""Samples that are classified at a time: 32 ms."""

_CONTEXT, _FFT, _HOP, _WIDTH = 64, 256, 128, 128
_AT_ONCE = 512
"""Windows that the convolutions read at a time, so that what is between them fits into the CPU's caches."""


class SileroNetwork(nn.Module):
    """Probability of speech in windows of 512 samples at 16 kHz, as of Silero VAD 6.

    A window is read with the 64 samples before it. Its four spectra (256 samples, Hann window) go through
    four convolutions, which leave one vector, and this through an LSTM over all windows of the clip.
    """

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        widths = ((_FFT // 2 + 1, 128, 1), (128, 64, 2), (64, 64, 2), (64, _WIDTH, 1))
        self.encoder = nn.Sequential(
            *(nn.Sequential(nn.Conv1d(own, out, 3, stride, 1), nn.ReLU()) for own, out, stride in widths)
        )
        self.rnn = nn.LSTM(_WIDTH, _WIDTH)
        self.decoder = nn.Conv1d(_WIDTH, 1, 1)
        self.register_buffer("window", torch.hann_window(_FFT), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the probability of speech in every window.

        Args:
            waveforms: `[batch, samples]` float32 at 16 kHz, at least 1 sample.

        Returns:
            `[batch, ceil(samples / CHUNK)]` float32; the last window is filled up with silence.
        """
        padded = pad(waveforms, (_CONTEXT, -waveforms.shape[1] % CHUNK))
        windows = padded.unfold(1, _CONTEXT + CHUNK, CHUNK).transpose(0, 1)
        hidden, _ = self.rnn(self._vectors(windows))
        scores: Tensor = self.decoder(hidden.relu().permute(1, 2, 0))
        return scores[:, 0].sigmoid()

    def _vectors(self, windows: Tensor) -> Tensor:
        """Return a vector for each window, which are copied few at a time.

        Args:
            windows: `[n, batch, samples]`, overlapping.

        Returns:
            `[n, batch, _WIDTH]`.
        """
        steps, batch, _ = windows.shape
        vectors = windows.new_empty(steps * batch, _WIDTH)
        for first in range(0, len(vectors), _AT_ONCE):
            last = min(first + _AT_ONCE, len(vectors))
            some = windows[first // batch : -(-last // batch)].flatten(0, 1)
            vectors[first:last] = self._encoded(some[first % batch :][: last - first])
        return vectors.view(steps, batch, _WIDTH)

    def _encoded(self, windows: Tensor) -> Tensor:
        frames = pad(windows, (0, _CONTEXT), mode="reflect").unfold(1, _FFT, _HOP)
        spectra = torch.fft.rfft(frames * self.window).abs()
        vectors: Tensor = self.encoder(spectra.transpose(1, 2))[:, :, 0]
        return vectors


def load_silero() -> SileroNetwork:
    """Return the network with the weights of the installed package.

    Raises:
        PackagesError: If the package has another network.
    """
    weights, network = _packaged(), _untrained()
    try:
        network.load_state_dict({own: weights[theirs] for own, theirs in _names().items()})
        is_known = torch.allclose(weights[_SPECTRA][:, 0], _spectra(network.window), atol=1e-3)
    except (KeyError, RuntimeError) as error:
        raise _unknown_network() from error
    if not is_known:
        raise _unknown_network()
    return network


def _untrained() -> SileroNetwork:
    # Its initial weights are drawn from the generator of the process, which belongs to whoever trains.
    with torch.random.fork_rng(devices=[]):
        return SileroNetwork().eval()


def silero_vad() -> ModuleType:
    """Import the package, which sets one thread for the whole process; this restores the number."""
    threads = torch.get_num_threads()
    try:
        return import_module("silero_vad")
    finally:
        torch.set_num_threads(threads)


def _packaged() -> dict[str, Tensor]:
    """Return the weights of the package's network for 16 kHz by name."""
    with warnings.catch_warnings():
        # Its loader goes through two deprecated functions, of importlib and of torch.
        warnings.simplefilter("ignore", DeprecationWarning)
        state: dict[str, Tensor] = silero_vad().load_silero_vad().state_dict()
    prefix = "_model."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


_SPECTRA = "stft.forward_basis_buffer"


def _names() -> dict[str, str]:
    """Return the name of each weight here -> its name in the package."""
    layers = {f"encoder.{index}.0": f"encoder.{index}.reparam_conv" for index in range(4)}
    layers["decoder"] = "decoder.decoder.2"
    recurrent = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {
        f"{own}.{kind}": f"{theirs}.{kind}" for own, theirs in layers.items() for kind in ("weight", "bias")
    } | {f"rnn.{name}_l0": f"decoder.rnn.{name}" for name in recurrent}


def _spectra(window: Tensor) -> Tensor:
    """Return the windowed Fourier transform as a matrix, real above imaginary parts: `[_FFT + 2, _FFT]`."""
    transform = torch.fft.rfft(torch.eye(_FFT, dtype=torch.float64) * window).T
    return torch.cat([transform.real, transform.imag]).float()


def _unknown_network() -> PackagesError:
    return PackagesError(
        f"silero-vad {version('silero-vad')} has another network than version 6, by which sercl finds "
        "speech. Install one that fits: pip install 'silero-vad>=6.2.2,<7'"
    )
