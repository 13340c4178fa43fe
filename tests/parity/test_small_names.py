"""Small names of utilities that libraries and tutorials use."""

from __future__ import annotations

import warnings

from helpers import same

import tinygrad6


class Five:
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return i


def test_datasets_and_loaders():
    def run(torch):
        data = torch.utils.data
        both = data.ConcatDataset([Five(), Five()])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            old = both.cummulative_sizes
        whole, single = data.DataLoader(Five(), batch_size=2), data.DataLoader(Five(), batch_size=None)
        return [
            both.cumsum([[1], [2, 3]]), old, [w.category.__name__ for w in caught],
            [type(d._index_sampler).__name__ for d in (whole, single)],
            [d._auto_collation for d in (whole, single)], [len(whole), len(single)],
        ]  # fmt: skip

    same(run)


def test_packed_sequences():
    def run(torch, x):
        kind = torch.nn.utils.rnn.PackedSequence
        packed = torch.nn.utils.rnn.pack_sequence([x, x[:1]])
        older = kind((packed.data, packed.batch_sizes))
        return [older.data, older.batch_sizes, packed.char().data, packed.byte().data]

    same(run, tinygrad6.tensor([1.0, 2.0, 3.0]))


def test_weights_in_another_format():
    def run(torch, kind):
        convert = torch.nn.utils.convert_conv2d_weight_memory_format
        torch.manual_seed(0)
        net = torch.nn.Conv2d(1, 2, 2)
        return [convert(net, getattr(torch, kind)) is net, net.weight]

    same(run, kind="channels_last")


def test_batch_norms_for_vmap():
    def run(torch):
        net = torch.nn.Sequential(
            torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2, affine=False)
        )
        same_net = torch.func.replace_all_batch_norm_modules_(net)
        return [same_net is net, list(net.state_dict()), repr(net), net[0].running_mean is None]

    same(run)
    same(lambda torch: torch.func.functionalize(lambda x: x + 1)(torch.ones(1)))
    same(lambda torch: torch.func.functionalize(lambda x: x, remove="z")(1))


def test_parametrizations_move():
    def run(torch, name):
        p = torch.nn.utils.parametrize

        class Twice(torch.nn.Module):
            def forward(self, x):
                return x * 2

        torch.manual_seed(0)
        a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        untouched = p.transfer_parametrizations_and_params(a, b) is b
        p.register_parametrization(a, "weight", Twice())
        kinds = [p.type_before_parametrizations(m) is torch.nn.Linear for m in (a, b)]
        p.transfer_parametrizations_and_params(a, b, name)
        bare = torch.nn.Module()
        p.transfer_parametrizations_and_params(a, bare, "weight")
        return [untouched, kinds, b.weight.detach(), bare.weight.detach(), list(b.state_dict()),
                b.parametrizations.weight.original is a.parametrizations.weight.original]  # fmt: skip

    for name in (None, "weight", "bias"):
        same(run, name=name)
