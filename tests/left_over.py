"""What is left of the wrong calls of bad_input.py: functions, and in how many calls of all."""

from __future__ import annotations


def _counts(table: str) -> dict[str, int]:
    return {name: int(n) for name, _, n in (entry.partition("=") for entry in table.split())}


# As many layers or workers as 2**70 are begun, as in PyTorch, which dies of it too; and what NumPy says of
# its own floats is left to it, since rules hand them to operations.
FAULTS = _counts(
    """
    data.DataLoader=1 nn.GRU=1 nn.LSTM=2 nn.RNN=1 nn.Transformer=4 torch.bitwise_and=1 torch.bitwise_or=1
    torch.bitwise_xor=1
    """
)

# PyTorch does otherwise: mostly another type of exception, as another of two things that are wrong is
# looked at first; some are refused at once that PyTorch finds later, or takes for what they are not (True
# for a size, NumPy's int64); some are taken that PyTorch's parser refuses (a 0-d tensor, a bool or
# NumPy's number for an int, None for what may be left out).
OTHERWISE = _counts(
    """
    F.adaptive_avg_pool2d=3 F.adaptive_avg_pool3d=2 F.adaptive_max_pool2d=1 F.adaptive_max_pool3d=2
    F.affine_grid=1 F.avg_pool1d=1 F.avg_pool2d=1 F.avg_pool3d=1 F.batch_norm=4 F.bilinear=1 F.conv_tbc=7
    F.conv_transpose1d=1 F.conv_transpose2d=1 F.cross_entropy=3 F.ctc_loss=8 F.embedding_bag=4 F.fold=4
    F.fractional_max_pool2d=5 F.gaussian_nll_loss=3 F.gumbel_softmax=1 F.huber_loss=1 F.instance_norm=5
    F.interpolate=9 F.layer_norm=1 F.linear=1 F.local_response_norm=4 F.lp_pool1d=2 F.lp_pool2d=3
    F.max_unpool1d=5 F.max_unpool2d=6 F.multi_head_attention_forward=5 F.multi_margin_loss=1
    F.multilabel_soft_margin_loss=2 F.normalize=3 F.pad=4 F.pdist=1 F.pixel_unshuffle=1 F.rms_norm=5
    F.scaled_dot_product_attention=5 F.smooth_l1_loss=2 F.soft_margin_loss=1 F.unfold=4 F.upsample=3
    data.DataLoader=8 data.RandomSampler=1 distributions.Categorical=1 distributions.Multinomial=3
    func.functional_call=4 func.jvp=2 func.vjp=6 init.dirac_=6 init.orthogonal_=2 linalg.cholesky_ex=2
    linalg.cond=5 linalg.diagonal=1 linalg.eigh=3 linalg.eigvalsh=2 linalg.lstsq=5 linalg.lu_solve=2
    linalg.matrix_exp=1 linalg.matrix_norm=3 linalg.matrix_rank=3 linalg.norm=5 linalg.pinv=2 linalg.solve=1
    linalg.solve_triangular=4 linalg.svd=1 linalg.svdvals=1 linalg.tensorinv=1 linalg.vander=1
    nn.AdaptiveLogSoftmaxWithLoss()=1 nn.AvgPool1d()=1 nn.AvgPool2d()=1 nn.AvgPool3d()=1 nn.Bilinear=4
    nn.CTCLoss()=4 nn.Conv1d=1 nn.Conv2d=7 nn.Conv3d=1 nn.ConvTranspose2d=3 nn.Embedding=3 nn.EmbeddingBag=13
    nn.FractionalMaxPool2d=6 nn.GRUCell=4 nn.GaussianNLLLoss()=2 nn.HingeEmbeddingLoss()=1 nn.HuberLoss()=2
    nn.Identity()=1 nn.LSTM=2 nn.LSTM()=4 nn.LSTMCell=4 nn.LayerNorm=1 nn.LazyConv1d=1 nn.LazyConv2d=3
    nn.LazyConv3d=1 nn.LazyInstanceNorm1d()=1 nn.LazyInstanceNorm2d()=1 nn.LazyInstanceNorm3d()=1
    nn.LazyLinear()=1 nn.Linear().type=1 nn.LocalResponseNorm()=1 nn.MultiLabelSoftMarginLoss()=2
    nn.PixelUnshuffle()=1 nn.RMSNorm=1 nn.RNNCell=4 nn.Sequential().insert=3 nn.SmoothL1Loss()=4
    nn.SoftMarginLoss()=2 nn.Softshrink=2 nn.Transformer=2 nn.TransformerDecoderLayer=2
    nn.TransformerEncoderLayer=2 nn.Upsample=1 nn.UpsamplingBilinear2d=1 nn.UpsamplingNearest2d=1
    optim.ASGD=2 optim.Adagrad=1 optim.Adam=1 optim.RAdam=1 optim.SGD=3 rnn.pack_padded_sequence=2
    rnn.pad_packed_sequence=4 rnn.unpad_sequence=1 special.logsumexp=1 special.round=1 torch.add=7
    torch.addcdiv=1 torch.addcmul=1 torch.addmv=1 torch.addr=12 torch.as_strided=1 torch.as_strided_copy=1
    torch.as_strided_scatter=1 torch.autograd.backward=1 torch.autograd.functional.hessian=2
    torch.autograd.functional.jacobian=2 torch.autograd.grad=1 torch.bernoulli=1 torch.binomial=9
    torch.broadcast_shapes=3 torch.can_cast=2 torch.cholesky=5 torch.combinations=1
    torch.cumulative_trapezoid=2 torch.diag_embed=1 torch.diagonal=2 torch.diagonal_copy=2 torch.div=2
    torch.divide=2 torch.einsum=8 torch.embedding=3 torch.expand_copy=2 torch.eye=1 torch.flip=1
    torch.floor_divide=3 torch.gather=2 torch.gradient=2 torch.histogram=4 torch.index_add=1
    torch.index_copy=2 torch.index_fill=5 torch.index_put=3 torch.lerp=2 torch.logsumexp=2 torch.lu_solve=2
    torch.matrix_exp=1 torch.max=4 torch.mean=8 torch.median=3 torch.min=4 torch.moveaxis=8 torch.movedim=8
    torch.mul=3 torch.multiply=3 torch.nanmean=7 torch.nanmedian=3 torch.narrow=1 torch.narrow_copy=1
    torch.norm=2 torch.normal=2 torch.pdist=1 torch.permute=1 torch.permute_copy=1 torch.poisson=1
    torch.pow=2 torch.prod=2 torch.promote_types=2 torch.put=2 torch.randint=3 torch.remainder=2
    torch.repeat_interleave=1 torch.reshape=1 torch.roll=2 torch.round=1 torch.rsub=5 torch.scatter=1
    torch.scatter_add=2 torch.scatter_reduce=4 torch.searchsorted=9 torch.split=4 torch.split_copy=6
    torch.squeeze=2 torch.squeeze_copy=2 torch.std=1 torch.std_mean=1 torch.sub=7 torch.subtract=7
    torch.svd=1 torch.take_along_dim=3 torch.tensor().addcdiv=1 torch.tensor().addcmul=1
    torch.tensor().addr=2 torch.tensor().broadcast_to=1 torch.tensor().diagonal=1 torch.tensor().expand=1
    torch.tensor().gather=2 torch.tensor().histogram=2 torch.tensor().index_put=1 torch.tensor().lerp=1
    torch.tensor().moveaxis=2 torch.tensor().movedim=2 torch.tensor().narrow=1 torch.tensor().narrow_copy=1
    torch.tensor().norm=2 torch.tensor().put=1 torch.tensor().roll=1 torch.tensor().round=1
    torch.tensor().scatter=1 torch.tensor().scatter_add=2 torch.tensor().scatter_reduce=2
    torch.tensor().size=1 torch.tensor().split=2 torch.tensor().stride=1 torch.tensor().sum_to_size=2
    torch.tensor().to=1 torch.tensor().unflatten=4 torch.tensor().unsafe_split=3 torch.tensor().where=5
    torch.tensordot=5 torch.tile=1 torch.topk=1 torch.trapezoid=2 torch.trapz=2 torch.true_divide=3
    torch.unflatten=4 torch.unravel_index=2 torch.unsafe_split=6 torch.vander=2 torch.var=1 torch.var_mean=1
    torch.view_copy=1 torch.where=2 torch.xlogy=3 utils.clip_grad_value_=2 utils.get_total_norm=1
    utils.vector_to_parameters=1 utils.weight_norm=4 x().__getitem__=7 x().__setitem__=6 x().backward=2
    x().fill_diagonal_=1 x().random_=1 x().resize_=1 x().to=6 x().type=2
    """
)
