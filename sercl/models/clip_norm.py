"""Normalisation of whole clips, over what is valid of them."""

from torch import Tensor

from sercl.models.pooling import frame_mask

_EPSILON = 1e-5  # of torch's layer norm


def centred(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Subtract the mean of each clip.

    Args:
        waveforms: `[batch, samples]`.
        lengths: `[batch]` integers, valid samples.

    Returns:
        `[batch, samples]`, zero beyond each clip's length.
    """
    valid = frame_mask(waveforms, lengths)
    mean = waveforms.masked_fill(~valid, 0.0).sum(dim=1) / lengths
    return (waveforms - mean[:, None]).masked_fill(~valid, 0.0)


def layer_normed(hidden: Tensor, lengths: Tensor) -> Tensor:
    """Bring each clip to zero mean and unit variance over its frames and features together, without weights.

    SpeechBrain's `output_norm` of an encoder does so, over the padding of a batch as well.

    Args:
        hidden: `[batch, frames, states, dim]`; each state is brought there by itself.
        lengths: `[batch]` integers, valid frames.

    Returns:
        `[batch, frames, states, dim]`, zero beyond each clip's length.
    """
    valid = frame_mask(hidden, lengths)[:, :, None, None]
    count = (lengths.to(hidden.device) * hidden.shape[-1])[:, None, None, None]
    mean = hidden.masked_fill(~valid, 0.0).sum(dim=(1, 3), keepdim=True) / count
    rest = (hidden - mean).masked_fill(~valid, 0.0)
    variance = rest.square().sum(dim=(1, 3), keepdim=True) / count
    return rest / (variance + _EPSILON).sqrt()
