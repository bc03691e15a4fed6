import pytest
import torch
from torch.nn import functional as F

from sercl.models.encoders.fast import packed
from sercl.models.encoders.fast.packed import PackedConv, PackedLinear, supported

PRECISIONS = [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)]

pytestmark = pytest.mark.skipif(not supported(torch.float32), reason="needs oneDNN on x86-64")


@pytest.fixture(params=PRECISIONS, ids=["fp32", "bf16"])
def precision(request):
    dtype, tolerance = request.param
    if not supported(dtype):
        pytest.skip("the processor has no instructions for bfloat16")
    return dtype, tolerance


def reference(function, *tensors, dtype):
    """Apply a function in float64 to what the tensors become in `dtype`."""
    return function(*(tensor.to(dtype).double() for tensor in tensors)).float()


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 300])
def test_a_packed_linear_is_the_plain_one(rows, gelu, precision):
    dtype, tolerance = precision
    x, weight, bias = torch.randn(rows, 32), torch.randn(48, 32) / 6, torch.randn(48)
    out = PackedLinear(weight, bias, dtype, gelu)(x.to(dtype))

    def plain(x, weight, bias):
        mapped = F.linear(x, weight, bias)
        return F.gelu(mapped) if gelu else mapped

    expected = reference(plain, x, weight, bias, dtype=dtype)
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), expected, atol=tolerance, rtol=tolerance)


def test_a_packed_linear_may_have_no_bias():
    x, weight = torch.randn(5, 32), torch.randn(48, 32)
    torch.testing.assert_close(PackedLinear(weight, None, torch.float32)(x), x @ weight.T)


@pytest.mark.parametrize(("stride", "padding", "groups"), [(1, 0, 1), (2, 0, 1), (1, 2, 2), (2, 1, 1)])
@pytest.mark.parametrize("gelu", [False, True])
def test_a_packed_convolution_is_the_plain_one(stride, padding, groups, gelu, precision):
    dtype, tolerance = precision
    x, weight, bias = torch.randn(3, 50, 32), torch.randn(64, 32 // groups, 4) / 10, torch.randn(64)
    conv = PackedConv(
        weight, bias, dtype, stride=stride, padding=padding, groups=groups, gelu=gelu, frames=50
    )

    def plain(x, weight, bias):
        out = F.conv1d(x.transpose(1, 2), weight, bias, stride, padding, groups=groups).transpose(1, 2)
        return F.gelu(out) if gelu else out

    expected = reference(plain, x, weight, bias, dtype=dtype)
    torch.testing.assert_close(conv(x.to(dtype)).float(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("frames", [3, 500])
def test_without_groups_any_length_runs(frames):
    x, weight = torch.randn(1, frames, 16), torch.randn(16, 16, 3)
    conv = PackedConv(weight, None, torch.float32, stride=2, frames=50)
    expected = F.conv1d(x.transpose(1, 2), weight, stride=2).transpose(1, 2)
    torch.testing.assert_close(conv(x), expected, atol=1e-5, rtol=1e-5)


def test_packing_takes_a_copy():
    x, weight = torch.randn(5, 32), torch.randn(48, 32)
    linear = PackedLinear(weight, None, torch.float32)
    before = linear(x)
    weight.zero_()
    assert torch.equal(linear(x), before)


def test_nothing_is_supported_without_the_operators_or_on_another_processor(monkeypatch):
    assert not supported(torch.float16)
    with monkeypatch.context() as changed:
        changed.setattr(packed.platform, "machine", lambda: "arm64")
        assert not supported(torch.float32)
    with monkeypatch.context() as changed:
        changed.setattr(packed, "_OPERATORS", ("_linear_pointwise", "_of_another_torch"))
        assert not supported(torch.float32)
    with torch.backends.mkldnn.flags(enabled=False):
        assert not supported(torch.float32)
    with monkeypatch.context() as changed:
        changed.setattr(packed, "_fast_bfloat16", lambda: False)
        assert not supported(torch.bfloat16)
        assert supported(torch.float32)
