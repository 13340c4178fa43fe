"""Paths and names that scripts import: the same statement works with both, or says what to use instead."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from helpers import pytorch, same

import tinygrad6

IMPORTS = """
amp: autocast GradScaler
amp.grad_scaler: GradScaler
amp.autocast_mode: autocast
autograd: Variable Function grad backward
autograd.function: once_differentiable Function FunctionCtx InplaceFunction
autograd.functional: jacobian
autograd.grad_mode: no_grad enable_grad set_grad_enabled inference_mode
autograd.gradcheck: gradcheck
autograd.graph: save_on_cpu
autograd.profiler: record_function profile
autograd.variable: Variable
compiler: disable is_compiling reset
cuda.amp: autocast GradScaler
distributed: is_available is_initialized init_process_group destroy_process_group all_reduce barrier get_rank
func: vmap grad functional_call
hub: load_state_dict_from_url download_url_to_file get_dir set_dir
functional: einsum norm split
jit: script trace ignore unused export is_scripting ScriptModule annotate Final load save
linalg: norm
nn.attention: SDPBackend sdpa_kernel
nn.common_types: _size_1_t _size_2_t _size_3_t _size_any_t _ratio_2_t
nn.functional: relu
nn.init: xavier_uniform_
nn.modules: Module Linear
nn.modules.activation: MultiheadAttention ReLU
nn.modules.adaptive: AdaptiveLogSoftmaxWithLoss
nn.modules.batchnorm: _BatchNorm BatchNorm2d SyncBatchNorm LazyBatchNorm1d
nn.modules.channelshuffle: ChannelShuffle
nn.modules.container: Sequential ModuleList
nn.modules.conv: _ConvNd _ConvTransposeNd Conv2d LazyConv2d _single _pair _triple _reverse_repeat_tuple
nn.modules.distance: CosineSimilarity
nn.modules.dropout: _DropoutNd Dropout
nn.modules.flatten: Flatten
nn.modules.fold: Fold
nn.modules.instancenorm: _InstanceNorm
nn.modules.lazy: LazyModuleMixin
nn.modules.linear: Linear NonDynamicallyQuantizableLinear
nn.modules.loss: _Loss _WeightedLoss CrossEntropyLoss
nn.modules.module: Module _addindent _IncompatibleKeys register_module_forward_hook
nn.modules.normalization: LayerNorm LocalResponseNorm
nn.modules.padding: ReflectionPad2d
nn.modules.pixelshuffle: PixelShuffle
nn.modules.pooling: _MaxPoolNd _AvgPoolNd MaxPool2d
nn.modules.rnn: RNNBase LSTM
nn.modules.sparse: Embedding
nn.modules.transformer: TransformerEncoder _get_clones _get_activation_fn
nn.modules.upsampling: Upsample
nn.modules.utils: _single _pair _triple _quadruple _ntuple consume_prefix_in_state_dict_if_present
nn.parallel: DataParallel DistributedDataParallel
nn.parameter: Parameter
nn.utils.clip_grad: clip_grad_norm_ clip_grad_value_
nn.utils.convert_parameters: parameters_to_vector vector_to_parameters
nn.utils.init: skip_init
nn.utils.parametrizations: orthogonal weight_norm spectral_norm
nn.utils.rnn: pad_sequence
nn.utils.stateless: functional_call
optim.adadelta: Adadelta
optim.adagrad: Adagrad
optim.adam: Adam
optim.adamax: Adamax
optim.adamw: AdamW
optim.asgd: ASGD
optim.lbfgs: LBFGS
optim.lr_scheduler: LRScheduler _LRScheduler
optim.nadam: NAdam
optim.optimizer: Optimizer
optim.radam: RAdam
optim.rmsprop: RMSprop
optim.rprop: Rprop
optim.sgd: SGD
optim.swa_utils: AveragedModel
profiler: profile record_function schedule ProfilerActivity tensorboard_trace_handler
random: fork_rng
special: gammainc
testing: assert_close
types: Number Device _size
utils.checkpoint: checkpoint
utils.data._utils.collate: default_collate
utils.data.dataloader: DataLoader default_collate
utils.data.dataset: Dataset random_split
utils.data.distributed: DistributedSampler
utils.data.sampler: Sampler
utils.hooks: RemovableHandle
utils.model_zoo: load_url
version: cuda
"""


@pytest.mark.parametrize("line", IMPORTS.strip().splitlines())
def test_imports(line):
    path, names = line.split(": ")
    theirs = importlib.import_module(f"torch.{path}")
    ours = importlib.import_module(f"tinygrad6.{path}")
    for name in names.split():
        a, b = getattr(theirs, name), getattr(ours, name)
        if path not in ("jit", "profiler", "cuda.amp", "types", "nn.common_types"):  # where one is a stand-in
            assert callable(a) == callable(b) and isinstance(a, type) == isinstance(b, type)
    root, _, attribute = path.rpartition(".")
    parent = importlib.import_module(f"tinygrad6.{root}" if root else "tinygrad6")
    assert hasattr(parent, attribute)


ABSENT = """
    _dynamo autograd.forward_ad distributed.rpc export fft library masked
    nn.grad nn.quantized quantization sparse storage
    utils.cpp_extension utils.data.datapipes utils.tensorboard
""".split()


@pytest.mark.parametrize("path", ABSENT)
def test_absent_modules_say_what_to_use(path):
    if path == "distributed.rpc":
        with pytest.raises(ModuleNotFoundError, match="not a package"):
            importlib.import_module(f"tinygrad6.{path}")
        return
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'tinygrad6\..*': \w.*"):
        importlib.import_module(f"tinygrad6.{path}")
    root, _, name = path.rpartition(".")
    with pytest.raises(ImportError, match=r": \w.*"):
        exec(f"from tinygrad6{'.' * bool(root)}{root} import {name}")


def test_names_that_are_no_modules_say_what_to_use_too():
    with pytest.raises(ImportError, match="complex"):
        exec("from tinygrad6 import view_as_complex")
    with pytest.raises(ModuleNotFoundError, match="No module named 'tinygrad6.nonsense'$"):
        import tinygrad6.nonsense  # noqa: F401


def test_aliases_break_no_functions():
    """A module that bears the name of a function must not take its place in the package."""
    from tinygrad6.nn import utils
    from tinygrad6.paths import ALIASES

    for path in ALIASES:
        importlib.import_module(f"tinygrad6.{path}")
    assert callable(utils.weight_norm) and callable(utils.spectral_norm)
    assert callable(tinygrad6.compile) and callable(tinygrad6.utils.checkpoint.checkpoint)


def test_the_finder_is_small_and_late():
    """Importing the library loads neither the absent names nor what the aliases stand for."""
    code = "import sys, tinygrad6; print([m for m in sys.modules if m.startswith('tinygrad6')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for late in ("absent", "nn", "optim", "distributions", "jit", "profiler", "distributed"):
        assert f"'tinygrad6.{late}'" not in loaded


def test_variables_are_tensors():
    def run(torch, x):
        v = torch.autograd.Variable(x, requires_grad=True)
        kinds = [isinstance(t, torch.autograd.Variable) for t in (x, v, torch.nn.Parameter(x), 3)]
        return [(v * 2).sum(), kinds, type(v) is torch.Tensor]

    same(run, tinygrad6.ones(2))


# ---- modules that do what PyTorch does when there is nothing to do


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
def test_scripts_are_the_functions_themselves():
    def run(torch):
        @torch.jit.script
        def double(x: torch.Tensor) -> torch.Tensor:
            return x + x

        class Net(torch.nn.Module):
            __constants__ = ["k"]

            def __init__(self):
                super().__init__()
                self.k = 3

            @torch.jit.export
            def forward(self, x):
                if torch.jit.is_scripting():
                    return x
                return double(x) * self.k

            @torch.jit.ignore
            def helper(self, x):
                return x

            @torch.jit.unused
            def other(self, x):
                return x

        net = Net()
        return [net(torch.ones(2)), torch.jit.is_tracing(), torch.jit.annotate(int, 3), net.helper(1)]

    same(run)
    for name in ("trace", "load", "save"):
        with pytest.raises(NotImplementedError, match="not traced"):
            getattr(tinygrad6.jit, name)(None)


def test_labels_of_a_profiler_and_compiler_switches():
    def run(torch):
        @torch.compiler.disable
        def f(x):
            return x + 1

        @torch.autograd.profiler.record_function("f")
        def g(x):
            return x * 2

        @torch.compiler.disable(recursive=False)
        def h(x):
            return x - 1

        with torch.profiler.record_function("block"):
            y = g(f(torch.ones(2)))
        return [h(y), torch.compiler.is_compiling()]

    same(run)


def test_one_process():
    d = tinygrad6.distributed
    assert not d.is_available() and not d.is_initialized() and not d.is_torchelastic_launched()
    for name in ("init_process_group", "get_rank", "all_reduce"):
        with pytest.raises(NotImplementedError, match="one process"):
            getattr(d, name)("nccl")
    with pytest.raises(NotImplementedError, match="one process"):
        tinygrad6.nn.parallel.DistributedDataParallel(tinygrad6.nn.Linear(1, 1))
    with pytest.raises(AttributeError):
        d.nonsense  # noqa: B018


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize(("n", "replicas"), [(10, 3), (2, 7), (8, 4), (0, 2), (5, 1)])
def test_distributed_sampler(shuffle, drop_last, n, replicas):
    if not n and not drop_last:
        pytest.skip("PyTorch fails for an empty dataset")

    def run(torch):
        out = []
        for rank in range(replicas):
            s = torch.utils.data.distributed.DistributedSampler(
                list(range(n)), replicas, rank, shuffle=shuffle, seed=5, drop_last=drop_last
            )
            s.set_epoch(2)
            out.append([list(s), len(s)])
        return out

    same(run)


@pytest.mark.parametrize("given", [{}, {"num_replicas": 2}, {"num_replicas": 2, "rank": 2}, {"rank": 0}])
def test_distributed_sampler_without_a_group(given):
    same(lambda torch: torch.utils.data.distributed.DistributedSampler([1, 2], **given))


def test_tuples():
    def run(torch):
        u = importlib.import_module(f"{torch.__name__}.nn.modules.utils")
        state = {"module.a": 1, "b": 2, "module.c.module.d": 3}
        u.consume_prefix_in_state_dict_if_present(state, "module.")
        numbers = [u._single(3), u._pair(3), u._triple((1, 2, 3)), u._ntuple(5)(0), u._quadruple("a")]
        return [numbers, state, u._reverse_repeat_tuple((1, 2), 2)]

    same(run)


def test_stripping_a_state_dict_of_data_parallel():
    def run(torch):
        torch.manual_seed(0)
        net = torch.nn.Linear(2, 2)
        state = torch.nn.DataParallel(net).state_dict()
        strip = importlib.import_module(f"{torch.__name__}.nn.modules.utils")
        strip.consume_prefix_in_state_dict_if_present(state, "module.")
        new = torch.nn.Linear(2, 2)
        return [list(state), list(state._metadata), str(new.load_state_dict(state)), new.weight]

    same(run)


def test_backends_of_attention_are_all_one():
    def run(torch):
        attention = importlib.import_module(f"{torch.__name__}.nn.attention")
        torch.manual_seed(0)
        q = torch.randn(1, 2, 3, 4)
        with attention.sdpa_kernel(attention.SDPBackend.MATH):
            a = torch.nn.functional.scaled_dot_product_attention(q, q, q)
        with attention.sdpa_kernel([attention.SDPBackend.MATH, attention.SDPBackend.FLASH_ATTENTION]):
            b = torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)
        return [a, b, attention.SDPBackend.MATH.name, int(attention.SDPBackend.FLASH_ATTENTION.value)]

    same(run, rtol=1e-4)
    same(
        lambda torch: (
            importlib.import_module(f"{torch.__name__}.nn.attention").sdpa_kernel("math").__enter__()
        )
    )


def test_types_are_for_annotations():
    theirs, ours = pytorch().types, tinygrad6.types
    assert isinstance(3, ours.Number) and not isinstance("a", ours.Number)
    assert str(theirs.Number) == str(ours.Number)
    assert isinstance((1, 2), tuple) and ours._size and ours.Device
    with pytest.raises(AttributeError):
        ours._size_x_t  # noqa: B018


PATHS = """
    nn.utils.stateless nn.utils.convert_parameters nn.common_types utils.hooks.RemovableHandle
    autograd.grad_mode utils.data._utils.collate.default_collate utils.data.dataset.Dataset serialization.load
    optim.lr_scheduler.StepLR nn.utils.rnn.pad_sequence nn.modules.loss multiprocessing.spawn
""".split()


@pytest.mark.parametrize("path", PATHS)
def test_paths_need_no_import_of_their_own(path):
    code = f"import tinygrad6; tinygrad6.{path}"
    subprocess.run([sys.executable, "-c", code], check=True)
