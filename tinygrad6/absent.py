"""Names of PyTorch that are not here, and what to use instead:
`tinygrad6.name` raises AttributeError in one line."""

from __future__ import annotations

_REASONS = (
    ("BFloat16Tensor", "bfloat16 is not supported: use float32, or float16"),
    (
        "int1 int2 int3 int4 int5 int6 int7 uint1 uint2 uint3 uint4 uint5 uint6 uint7 bits8 bits16",
        "use uint8 or int8",
    ),
    (
        "view_as_complex view_as_real polar stft istft eig",
        "complex tensors are not supported: keep real and imaginary parts apart, or use numpy on x.numpy()",
    ),
    ("fft", "Fourier transforms need complex tensors, which are not supported: use numpy.fft on x.numpy()"),
    (
        "sparse sparse_coo sparse_csr sparse_csc sparse_bsr sparse_bsc sparse_coo_tensor sparse_csr_tensor "
        "sparse_csc_tensor sparse_bsr_tensor sparse_bsc_tensor sparse_compressed_tensor smm spmm hspmm "
        "sspaddmm saddmm",
        "sparse tensors are not supported: keep tensors dense",
    ),
    (
        "quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic dequantize qint8 qint32 quint8 "
        "quint4x2 quint2x4 quantization ao fake_quantize_per_tensor_affine fake_quantize_per_channel_affine "
        "per_tensor_affine qscheme",
        "quantized tensors are not supported: use float16 or float32",
    ),
    (
        "float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2",
        "floats of 8 bits are not supported: use float16",
    ),
    (
        "Storage UntypedStorage TypedStorage FloatStorage DoubleStorage LongStorage",
        "tensors have no storage objects here",
    ),
    ("export", "programs are not traced or exported: call the module itself"),
    ("hpu", "there is no such device: tinygrad6 computes on the CPU only"),
    ("symeig", "use linalg.eigh"),
    ("lobpcg", "use linalg.eigh, or svd_lowrank for the largest singular values"),
    ("lstsq solve matrix_rank", "use the function of this name in linalg"),
    ("triangular_solve", "use linalg.solve_triangular"),
    ("geqrf orgqr ormqr", "use linalg.qr"),
    ("frobenius_norm nuclear_norm norm_except_dim", "use linalg.norm, or norm with its dim"),
    ("histogramdd", "use numpy.histogramdd on x.numpy()"),
    ("cond while_loop", "write Python's if or while: programs are not traced"),
    (
        "batch_norm binary_cross_entropy_with_logits cosine_embedding_loss ctc_loss embedding_bag "
        "grid_sampler grid_sampler_2d grid_sampler_3d hinge_embedding_loss instance_norm kl_div "
        "margin_ranking_loss poisson_nll_loss triplet_margin_loss affine_grid_generator convolution "
        "feature_dropout feature_dropout_ embedding_renorm_ native_batch_norm native_dropout "
        "native_group_norm native_layer_norm",
        "use nn.functional, whose functions take names where these take numbers",
    ),
    (
        "rnn_tanh rnn_relu lstm gru rnn_tanh_cell rnn_relu_cell lstm_cell gru_cell",
        "use the modules nn.RNN, nn.LSTM, nn.GRU and their cells",
    ),
    ("fork wait Future", "use concurrent.futures"),
    ("Stream Event", "there are no streams on the CPU"),
    ("nested jagged", "tensors of ragged rows are not supported: use nn.utils.rnn"),
)
REASONS = {name: reason for names, reason in _REASONS for name in names.split()}


def message(name: str) -> str:
    """What the AttributeError for `tinygrad6.name` says."""
    reason = REASONS.get(name)
    return f"module 'tinygrad6' has no attribute {name!r}" + (f": {reason}" if reason else "")
