"""Errors say where: in which module of a model, on which line forward, and who changed a tensor."""

from __future__ import annotations

import pytest

import tinygrad6 as torch
from tinygrad6 import nn

Z = torch.zeros


class Net(nn.Module):
    """A model around a layer, two levels deep."""

    def __init__(self, layer):
        super().__init__()
        self.body = nn.ModuleDict({"first": nn.Identity(), "fc2": layer})

    def forward(self, *args, **kwargs):
        return self.body["fc2"](*args, **kwargs)


WRONG = [
    (nn.Linear(100, 10), (Z(32, 5),), "(32, 5)"),
    (nn.Linear(100, 10), ([1.0],), "list"),
    (nn.Linear(100, 10), (Z(32, 100).double(),), "(32, 100) float64"),
    (nn.Bilinear(3, 4, 5), (Z(2, 3), Z(2, 5)), "(2, 3), (2, 5)"),
    (nn.Conv1d(3, 4, 3), (Z(2, 4, 9),), "(2, 4, 9)"),
    (nn.Conv2d(3, 4, 3), (Z(2, 4, 9, 9),), "(2, 4, 9, 9)"),
    (nn.Conv2d(3, 4, 5), (Z(2, 3, 4, 4),), "(2, 3, 4, 4)"),
    (nn.Conv3d(3, 4, 3), (Z(2, 4, 5, 5, 5),), "(2, 4, 5, 5, 5)"),
    (nn.ConvTranspose2d(3, 4, 3), (Z(2, 4, 9, 9),), "(2, 4, 9, 9)"),
    (nn.BatchNorm1d(8), (Z(2, 4),), "(2, 4)"),
    (nn.BatchNorm2d(8), (Z(2, 8),), "(2, 8)"),
    (nn.LayerNorm(8), (Z(2, 4),), "(2, 4)"),
    (nn.RMSNorm(8), (Z(2, 4),), "(2, 4)"),
    (nn.GroupNorm(2, 8), (Z(2, 4, 3),), "(2, 4, 3)"),
    (nn.InstanceNorm2d(8, affine=True), (Z(2, 4, 3, 3),), "(2, 4, 3, 3)"),
    (nn.Embedding(10, 4), (torch.tensor([10]),), "(1,) int64"),
    (nn.Embedding(10, 4), (Z(3),), "(3,)"),
    (nn.EmbeddingBag(10, 4), (torch.tensor([[10]]),), "(1, 1) int64"),
    (nn.RNN(4, 5), (Z(3, 2, 6),), "(3, 2, 6)"),
    (nn.LSTM(4, 5), (Z(3, 2, 4), (Z(1, 3, 5), Z(1, 3, 5))), "(3, 2, 4), ((1, 3, 5), (1, 3, 5))"),
    (nn.GRU(4, 5), (Z(6),), "(6,)"),
    (nn.LSTMCell(4, 5), (Z(3, 6),), "(3, 6)"),
    (nn.MultiheadAttention(8, 2), (Z(3, 2, 6),) * 3, "(3, 2, 6), (3, 2, 6), (3, 2, 6)"),
    (nn.Transformer(8, 2, 1, 1, 16), (Z(3, 2, 6), Z(3, 2, 8)), "(3, 2, 6), (3, 2, 8)"),
    (nn.MaxPool2d(2), (Z(3),), "(3,)"),
    (nn.PReLU(3), (Z(2, 4),), "(2, 4)"),
    (nn.Softmax(3), (Z(2),), "(2,)"),
    (nn.CrossEntropyLoss(), (Z(2, 3), torch.tensor([0, 1, 2])), "(2, 3), (3,) int64"),
]


@pytest.mark.parametrize("layer, args, got", WRONG, ids=lambda v: type(v).__name__)
def test_an_error_names_the_layer_its_settings_and_what_it_got(layer, args, got):
    with pytest.raises((RuntimeError, TypeError, ValueError, IndexError, AssertionError)) as caught:
        Net(layer)(*args)
    settings = "" if list(layer.children()) else f"({layer.extra_repr()})"
    assert caught.value.__notes__ == [f"body.fc2: {type(layer).__name__}{settings} got {got}"]


def test_the_innermost_of_many_modules_is_named():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 2)
    with pytest.raises(AssertionError) as caught:
        Net(encoder)(Z(3, 2, 6))
    assert caught.value.__notes__[0].startswith(
        "body.fc2.layers.0.self_attn: MultiheadAttention got (3, 2, 6)"
    )


def test_arguments_by_name_are_told_too():
    with pytest.raises(RuntimeError) as caught:
        Net(nn.Linear(2, 1))(input=Z(4, 3))
    assert caught.value.__notes__[0].endswith("got input=(4, 3)")


def test_a_module_that_is_in_no_tree_keeps_its_short_name():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(2, 1)]  # a list, which registers nothing

        def forward(self, x):
            return self.layers[0](x)

    with pytest.raises(RuntimeError) as caught:
        Net(Hidden())(Z(4, 3))
    assert caught.value.__notes__[0].startswith("Linear(in_features=2")


def test_telling_where_never_hides_the_error():
    class Broken(nn.Module):
        def extra_repr(self):
            return 1 / 0

        def forward(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Broken()()

    class Unborn(Broken):
        def __init__(self):
            pass  # forgets super().__init__()

    with pytest.raises(KeyError, match="mine"):
        Unborn()()


def test_a_very_deep_model_says_where_in_no_time():
    class Deep(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x)

    model = nn.Linear(2, 1)
    for _ in range(150):
        model = Deep(model)
    with pytest.raises(RuntimeError) as caught:
        model(Z(4, 3))
    assert caught.value.__notes__[0].startswith("inner." * 149 + "inner: Linear")


# ---- the first nan


def nan_of_a_function(x):
    y = x.sqrt()  # here
    return y * 0


def nan_of_a_change_in_place(x):
    y = x * 1
    y.sqrt_()  # here
    return y * 0


def nan_in_a_module(x):
    class Bad(nn.Module):
        def forward(self, x):
            return (x - x).sqrt()  # here

    return Bad()(x) * 0


@pytest.mark.parametrize(
    "program, op",
    [
        (nan_of_a_function, "SqrtBackward0"),
        (nan_of_a_change_in_place, "SqrtBackward0"),
        (nan_in_a_module, "SqrtBackward0"),
    ],
)
def test_anomaly_mode_names_line_and_op_of_the_first_nan(program, op):
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    with torch.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError) as caught:
        program(x).sum().backward()
    text = str(caught.value)
    assert f"Function '{op}' returned nan" in text
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    assert lines[-1].endswith("# here"), text
    assert not any("self.forward" in line or "tinygrad6" in line for line in lines), "only the user's lines"
    assert x.grad is None


# ---- who changed it


def changed_by_a_method(w):
    a = w.exp()
    b = a * 2
    a.add_(1)  # here
    return b + a * 0, "the output of exp()"


def changed_through_a_view(w):
    a = w * 1
    b = a * a
    a[1:].mul_(2)  # here
    return b, "'input' of mul()"


def changed_by_an_index(w):
    a = torch.ones(3)
    b = a * w
    a[0] = 5.0  # here
    return b, "'input' of mul()"


def changed_by_out(w):
    a = torch.ones(3)
    b = a * w
    torch.add(a, 1, out=a)  # here
    return b, "'input' of mul()"


def changed_without_recording(w):
    a = torch.ones(3)
    b = w * a
    with torch.no_grad():
        a.zero_()  # here
    return b, "'other' of mul()"


def changed_by_an_optimizer(w):
    layers = nn.Linear(3, 2), nn.Linear(2, 1)
    optimizer = torch.optim.Adam(layers[1].parameters())
    loss = layers[1](layers[0](w))
    loss.sum().backward(retain_graph=True)
    optimizer.step()  # here
    return loss, "'weight' of linear()"


@pytest.mark.parametrize(
    "program",
    [
        changed_by_a_method,
        changed_through_a_view,
        changed_by_an_index,
        changed_by_out,
        changed_without_recording,
        changed_by_an_optimizer,
    ],
)
def test_a_conflict_names_the_tensor_the_op_and_the_line(program):
    w = torch.ones(3, requires_grad=True)
    with torch.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError) as caught:
        result, named = program(w)
        result.sum().backward()
    text = str(caught.value)
    assert "modified by an inplace operation" in text and named in text
    assert text.rstrip().endswith("# here"), text
    assert "Traceback of the forward call" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="set_detect_anomaly"):
        program(torch.ones(3, requires_grad=True))[0].sum().backward()
