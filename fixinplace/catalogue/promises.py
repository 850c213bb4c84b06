"""What results are, where torch's schemas cannot be trusted or do not exist.  Read by the generator only.

Note [Fresh]
    A result is called fresh on one of two grounds.  (1) The operator has kernels of its own, and its schema annotates
    no alias: such a kernel allocates its output, and autograd's generated code relies on it.  (2) It is composed of
    other operators, in C++ or Python, and stands in FRESH below: its last step is a kernel of kind (1) on every path.
     The counter-examples that forced this rule: `dropout` returns its argument in eval mode,
    `conj_physical` for real tensors, `dequantize` and `to` for the dtype they were asked for, `einsum` and
    `cartesian_prod` for one operand, `pixel_shuffle` on a GPU for factor 1; none of their schemas says so.
    What is on neither ground is `maybe`.  The tests compare storages on every sample of torch's own database.
"""

from __future__ import annotations

LIARS = frozenset(
    "dequantize pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle to_mkldnn "
    "to_padded_tensor int_repr sparse_mask sparse_compressed_tensor hspmm conj_physical histogramdd".split(),
)
"""Operators without annotation whose result may share storage all the same."""

INTERNAL = tuple(
    "batch_norm_ choose_ cudnn_ empty_quantized fbgemm_ miopen_ mkldnn_ q_per_ quantize_ quantized_ sym_".split()
)
"""Prefixes of what `torch` exports for its own use: no promise, no row."""

FRESH = frozenset(
    # torch and Tensor
    "absolute arccos arccosh arcsin arcsinh arctan arctan2 arctanh argsort argwhere clip corrcoef cov "
    "cross det diag diagflat diff divide fix fliplr flipud float_power ger greater greater_equal inner "
    "inverse isclose isfinite isreal kron less less_equal log_softmax logdet lu_solve matmul matrix_exp "
    "matrix_power max min msort multiply nanmean nanquantile negative not_equal orgqr outer pinverse "
    "prelu qr quantile repeat_interleave slogdet softmax square std subtract svd take_along_dim tile "
    "true_divide var where adaptive_avg_pool1d adaptive_max_pool1d avg_pool1d batch_norm bilinear "
    "column_stack combinations concat concatenate conv1d conv2d conv3d conv_transpose1d conv_transpose2d "
    "conv_transpose3d cosine_embedding_loss cosine_similarity ctc_loss cumulative_trapezoid dstack "
    "embedding_bag frobenius_norm gradient grid_sampler group_norm gru gru_cell hinge_embedding_loss "
    "hstack instance_norm kl_div layer_norm lstm lstm_cell margin_ranking_loss max_pool1d "
    "max_pool1d_with_indices max_pool2d max_pool3d norm_except_dim nuclear_norm pairwise_distance pdist "
    "poisson_nll_loss rms_norm rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell row_stack rrelu selu "
    "std_mean trapezoid trapz triplet_margin_loss vander var_mean vstack block_diag cdist norm stft istft "
    "tensordot unique unique_consecutive one_hot scaled_dot_product_attention linear "
    # torch.linalg, torch.special, torch.fft
    "linalg_cholesky linalg_cond linalg_det linalg_eigh linalg_eigvals linalg_eigvalsh linalg_inv "
    "linalg_ldl_factor linalg_lu_factor linalg_matmul linalg_matrix_norm linalg_matrix_power "
    "linalg_matrix_rank linalg_multi_dot linalg_norm linalg_pinv linalg_slogdet linalg_solve "
    "linalg_solve_ex linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve linalg_vander "
    "linalg_vecdot special_digamma special_erf special_erfc special_erfinv special_exp2 special_expit "
    "special_expm1 special_gammainc special_gammaincc special_gammaln special_i0 special_log1p "
    "special_log_softmax special_logit special_logsumexp special_multigammaln special_ndtr "
    "special_polygamma special_psi special_round special_sinc special_softmax special_xlogy fft_fft "
    "fft_fft2 fft_fftn fft_fftshift fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 fft_ifftn "
    "fft_ifftshift fft_ihfft fft_ihfft2 fft_ihfftn fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 "
    "fft_rfftn".split(),
)
"""Composed operators, by dispatcher name, that end in a kernel on every path."""

FRESH_FUNCTIONALS = frozenset(
    "adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d "
    "affine_grid batch_norm binary_cross_entropy binary_cross_entropy_with_logits celu "
    "cosine_embedding_loss cross_entropy ctc_loss elu embedding embedding_bag fold fractional_max_pool2d "
    "fractional_max_pool3d gaussian_nll_loss glu grid_sample group_norm gumbel_softmax hardsigmoid "
    "hardswish hardtanh hinge_embedding_loss huber_loss instance_norm interpolate kl_div l1_loss "
    "layer_norm leaky_relu log_softmax logsigmoid lp_pool1d lp_pool2d lp_pool3d margin_ranking_loss "
    "max_pool1d max_pool2d max_pool3d max_unpool1d max_unpool2d max_unpool3d mish mse_loss "
    "multi_head_attention_forward multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss "
    "nll_loss normalize pad poisson_nll_loss relu relu6 rms_norm rrelu selu sigmoid silu smooth_l1_loss "
    "soft_margin_loss softmax softmin softsign tanh tanhshrink threshold triplet_margin_loss "
    "triplet_margin_with_distance_loss unfold upsample upsample_bilinear upsample_nearest".split(),
)
"""Python functions of `torch.nn.functional` that end in a kernel on every path, without `inplace`."""

VIEWS = frozenset(
    "adjoint broadcast_to broadcast_tensors chunk conj dsplit expand_as hsplit imag meshgrid moveaxis "
    "movedim narrow positive real split swapaxes swapdims tensor_split unflatten view_as vsplit "
    "atleast_1d atleast_2d atleast_3d linalg_diagonal from_dlpack from_numpy frombuffer unsafe_chunk "
    "unsafe_split unsafe_split_with_sizes".split(),
)
"""Composed operators that always share storage, besides those that have kernels and say so in their schema."""

CONVERSIONS = frozenset(
    "bfloat16 bool byte cdouble cfloat chalf char cpu cuda double float half int ipu long mtia short to "
    "type type_as xpu".split(),
)
"""Methods that return their own tensor when there is nothing to convert."""

ALWAYS_MAYBE = frozenset(
    "coalesce contiguous flatten pin_memory ravel reshape reshape_as resolve_conj resolve_neg".split()
)

EITHER = frozenset("max min median nanmedian unique unique_consecutive nonzero".split())
"""One tensor or several, by the arguments.  Pools and `where` are tensors: they return several for `return_indices`
and for a condition alone, which is rare."""

LIKE = frozenset(
    "zeros_like ones_like empty_like rand_like randn_like full_like randint_like new_zeros new_ones "
    "new_empty new_full new_empty_strided".split(),
)
"""Factories that take dtype and device from their operand."""

UNTRACKED = LIKE | frozenset("detach detach_copy tensor new_tensor".split())
"""Results that never require grad, besides those of functions without a tensor argument, integers and booleans."""

DTYPES = {
    **dict.fromkeys(LIKE, "same"),
    **dict.fromkeys(
        "detach detach_copy affine_grid affine_grid_generator fold gumbel_softmax lp_pool1d lp_pool2d "
        "lp_pool3d lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell pin_memory "
        "conv_tbc upsample max_pool1d_with_indices norm_except_dim nuclear_norm frobenius_norm "
        "native_dropout unsafe_split_with_sizes grid_sampler binomial alpha_dropout dropout "
        "feature_alpha_dropout feature_dropout native_channel_shuffle poisson row_stack convolution "
        "special_gammainc special_gammaincc".split(),
        "same",
    ),
    **dict.fromkeys(
        "zeros ones empty rand randn eye linspace logspace bartlett_window blackman_window hamming_window "
        "hann_window kaiser_window empty_strided empty_permuted fft_fftfreq fft_rfftfreq".split(),
        "float",
    ),
    **dict.fromkeys(
        "add sub subtract mul multiply rsub pow remainder fmod floor_divide clamp clip clamp_min "
        "clamp_max where embedding embedding_bag".split(),
        "float",
    ),
    **dict.fromkeys(
        "randint randperm tril_indices triu_indices searchsorted bucketize one_hot unravel_index".split(), "int"
    ),
}
"""Dtypes by operator name that the samples miss or show too narrowly: with a Python float as the other operand,
arithmetic on integers gives the default dtype; an embedding gives its weight's, whatever its indices are.
As everywhere in the tables: without a `dtype=` argument."""

ROWS = {
    "torch.spmm": "tensor fresh same",  # names that `torch.mm` had for sparse operands, bound to it in C++
    "torch.dsmm": "tensor fresh same",
    "torch.sparse.mm": "tensor fresh same",
    "Tensor.T": "tensor view same",
    "Tensor.H": "tensor view same",
    "Tensor.mT": "tensor view same",
    "Tensor.mH": "tensor view same",
    "Tensor.real": "tensor view any",
    "Tensor.imag": "tensor view any",
    "Tensor.data": "tensor view same untracked",
    "Tensor.grad": "tensor maybe any",
    "Tensor.shape": "other fresh",
    "Tensor.dtype": "other fresh",
    "Tensor.device": "other fresh",
    "Tensor.layout": "other fresh",
    "Tensor.grad_fn": "other maybe",
    "Tensor.ndim": "number fresh",
    "Tensor.nbytes": "number fresh",
    "Tensor.itemsize": "number fresh",
    "Tensor.requires_grad": "number fresh",
    "Tensor.is_leaf": "number fresh",
    "Tensor.is_cuda": "number fresh",
    "Tensor.is_sparse": "number fresh",
    "Tensor.is_quantized": "number fresh",
    "Tensor._version": "number fresh",
    "Tensor._base": "tensor maybe any",
    "Tensor.size": "other fresh",
    "Tensor.stride": "other fresh",
    "Tensor.item": "number fresh",
    "Tensor.tolist": "other fresh",
    "Tensor.numpy": "other view",
    "Tensor.element_size": "number fresh",
    "Tensor.numel": "number fresh",
    "Tensor.nelement": "number fresh",
    "Tensor.ndimension": "number fresh",
    "Tensor.data_ptr": "number fresh",
    "Tensor.is_shared": "number fresh",
    "Tensor.get_device": "number fresh",
    "Tensor.new_tensor": "tensor fresh same untracked",
    "Tensor.new": "tensor maybe same untracked",
    "Tensor.unique": "either fresh same",
    "Tensor.unique_consecutive": "either fresh same",
    "Tensor.norm": "tensor fresh same",
    "Tensor.split": "tensors view same",
    "Tensor.unflatten": "tensor view same",
    "Tensor.stft": "tensor fresh any",
    "Tensor.istft": "tensor fresh any",
    "Tensor.storage": "other view",
    "Tensor.untyped_storage": "other view",
    "Tensor.as_subclass": "tensor view same",
    "Tensor.__getitem__": "tensor maybe same",
    "Tensor.__iter__": "other view",
    "Tensor.__reversed__": "tensor maybe same",
    "Tensor.__deepcopy__": "tensor fresh same",
    "Tensor.__len__": "number fresh",
    "Tensor.__bool__": "number fresh",
    "Tensor.__int__": "number fresh",
    "Tensor.__float__": "number fresh",
    "Tensor.__complex__": "number fresh",
    "Tensor.__index__": "number fresh",
    "Tensor.__contains__": "number fresh",
    "Tensor.__array__": "other view",
    "Tensor.__pos__": "tensor view same",
    "torch.tensor": "tensor fresh any untracked",
    "torch.as_tensor": "tensor maybe any",
    "torch.asarray": "tensor maybe any",
    "torch.from_numpy": "tensor view any untracked",
    "torch.frombuffer": "tensor view any untracked",
    "torch.from_dlpack": "tensor view any untracked",
    "torch.einsum": "tensor maybe same",
    **dict.fromkeys(
        "einops.rearrange einops.reduce einops.repeat einops.einops.rearrange einops.einops.reduce "
        "einops.einops.repeat".split(),
        "tensor maybe same",  # reshapes, permutes and expands; it keeps nothing of what it is given
    ),
    "torch.chain_matmul": "tensor maybe same",
    "torch.cartesian_prod": "tensor maybe same",
    "torch.broadcast_tensors": "tensors view same",
    "torch.meshgrid": "tensors view same",
    "torch.atleast_1d": "either view same",
    "torch.atleast_2d": "either view same",
    "torch.atleast_3d": "either view same",
    "torch.block_diag": "tensor fresh any",
    "torch.cdist": "tensor fresh same",
    "torch.norm": "tensor fresh same",
    "torch.split": "tensors view same",
    "torch.stft": "tensor fresh any",
    "torch.istft": "tensor fresh any",
    "torch.tensordot": "tensor fresh same",
    "torch.unique": "either fresh same",
    "torch.unique_consecutive": "either fresh same",
    "torch.is_tensor": "number fresh",
    "torch.is_storage": "number fresh",
    "torch.load": "other maybe",
    "torch.result_type": "other fresh",
    "torch.promote_types": "other fresh",
    "torch.get_default_dtype": "other fresh",
    "torch.broadcast_shapes": "other fresh",
    "torch.initial_seed": "number fresh",
    "torch.seed": "number fresh",
    "torch.unravel_index": "tensors fresh int",
    "torch.Tensor": "tensor maybe any untracked",
    **dict.fromkeys(
        "torch.FloatTensor torch.DoubleTensor torch.HalfTensor torch.BFloat16Tensor torch.cuda.FloatTensor "
        "torch.cuda.DoubleTensor torch.cuda.HalfTensor torch.cuda.BFloat16Tensor".split(),
        "tensor maybe any untracked",
    ),
    **dict.fromkeys(
        "torch.LongTensor torch.IntTensor torch.ShortTensor torch.CharTensor torch.ByteTensor torch.cuda.LongTensor "
        "torch.cuda.IntTensor torch.cuda.ShortTensor torch.cuda.CharTensor torch.cuda.ByteTensor".split(),
        "tensor maybe int untracked",
    ),
    "torch.BoolTensor": "tensor maybe bool untracked",
    "torch.cuda.BoolTensor": "tensor maybe bool untracked",
    "torch.autograd.Variable": "tensor view any",
    "torch.autograd.grad": "tensors maybe any",
    "torch.nn.Parameter": "tensor view any",
    "torch.nn.Buffer": "tensor view any",
    "torch.nn.utils.rnn.pad_sequence": "tensor fresh same",
    "torch.nn.utils.rnn.unpad_sequence": "tensors maybe same",
    "torch.nn.utils.rnn.pad_packed_sequence": "tensors maybe any",
    "torch.nn.utils.rnn.pack_padded_sequence": "other maybe",
    "torch.nn.utils.parameters_to_vector": "tensor maybe same",
    "torch.utils.checkpoint.checkpoint": "either maybe any",
    "torch.utils.checkpoint.checkpoint_sequential": "either maybe any",
    "torch.nn.functional.dropout": "tensor maybe same",
    "torch.nn.functional.dropout1d": "tensor maybe same",
    "torch.nn.functional.dropout2d": "tensor maybe same",
    "torch.nn.functional.dropout3d": "tensor maybe same",
    "torch.nn.functional.alpha_dropout": "tensor maybe same",
    "torch.nn.functional.feature_alpha_dropout": "tensor maybe same",
    "torch.nn.functional.local_response_norm": "tensor maybe same",
    **{f"torch.nn.functional.adaptive_max_pool{n}d_with_indices": "tensors fresh same" for n in (1, 2, 3)},
    **{f"torch.nn.functional.fractional_max_pool{n}d_with_indices": "tensors fresh same" for n in (2, 3)},
    **{f"torch.nn.functional.max_pool{n}d_with_indices": "tensors fresh same" for n in (1, 2, 3)},
    "torch.nn.functional.multi_head_attention_forward": "tensors fresh same",
    "torch.nn.functional.linear_cross_entropy": "tensor maybe any",
}
"""Rows in full: kind, memory, dtype, and `untracked` where no result requires grad."""

OPERATORS = {
    **dict.fromkeys("__matmul__ __rmatmul__ __neg__ __abs__".split(), "tensor fresh same"),
    **dict.fromkeys(
        "__add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __floordiv__ __rfloordiv__ __mod__ __rmod__ "
        "__pow__ __rpow__ __truediv__ __rtruediv__ __div__ __rdiv__".split(),
        "tensor fresh float",
    ),
    **dict.fromkeys("__eq__ __ne__ __lt__ __le__ __gt__ __ge__".split(), "tensor fresh bool untracked"),
    **dict.fromkeys(
        "__and__ __rand__ __or__ __ror__ __xor__ __rxor__ __invert__ __lshift__ __rlshift__ __rshift__ "
        "__rrshift__".split(),
        "tensor fresh same untracked",
    ),
}
"""Python's operators on tensors."""
