"""Decisions about writers, by class; everything else in the tables is read off torch.

Read by the generator only.  A key without a prefix stands for the method and the function of that name.

Note [Fills]
    `x.zero_()` gives the values of `torch.zeros_like(x)`, and autograd gives x's history a gradient of zeros where the
    out-of-place form cuts it: afterwards `x.requires_grad` differs.  `torch.fill(x, v)` keeps dtype, strides,
    `requires_grad`, the zero gradient and the gradient of a tensor `v`; it is the exact twin of `fill_` and `zero_`.

Note [Foreach]
    `torch._foreach_add_(xs, 1)` writes tensors that live in other places than the list (parameters, mostly).
    Rebinding `xs` leaves those as they were, so no row of this class is rewritten although the twins exist.
"""

from __future__ import annotations

VIEWS = frozenset(
    "as_strided_ detach_ squeeze_ swapaxes_ swapdims_ t_ transpose_ unsqueeze_".split(),
)
"""Data unchanged; the counterpart of the same name without the underscore is a view."""

FILLS = {
    "zero_": "torch.zeros_like",
    "fill_": "torch.full_like",
    "copy_": "Tensor.clone",
    "fill_diagonal_": "Tensor.clone",
}
"""See Note [Fills].  `copy_`: a clone of the source, cast and expanded; `fill_diagonal_`: written into a clone."""

RANDOM_FILLS = frozenset("bernoulli_ cauchy_ exponential_ geometric_ log_normal_ normal_ random_ uniform_".split())
"""Same numbers from the same stream on a fresh tensor, as long as the target is dense (contiguous or permuted)."""

RANDOM = frozenset(
    "alpha_dropout dropout dropout1d dropout2d dropout3d feature_alpha_dropout feature_dropout rrelu "
    "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout RReLU bernoulli multinomial "
    "normal poisson binomial rand randn randint randperm _fill_mem_eff_dropout_mask _philox_normal "
    "_philox_uniform _no_grad_normal _no_grad_uniform _no_grad_trunc_normal kaiming_normal "
    "kaiming_uniform orthogonal sparse trunc_normal uniform xavier_normal xavier_uniform".split(),
)
"""Draw numbers, at least for some arguments; names without a trailing underscore, besides RANDOM_FILLS."""

REFUSED = {
    **dict.fromkeys(
        "resize_ resize_as_ resize_as_sparse_ sparse_resize_ sparse_resize_and_clear_ set_ _resize_output_".split(),
        "resizes",
    ),
    **dict.fromkeys(
        "_coalesced_ _fill_mem_eff_dropout_mask_ _index_put_impl_ _philox_normal_ _philox_uniform_ apply_ "
        "map_ map2_ share_memory_ _sobol_engine_ff_ _sobol_engine_initialize_state_ "
        "_sobol_engine_scramble_".split(),
        "no-counterpart",
    ),
    **dict.fromkeys("embedding_renorm_ _no_grad_embedding_renorm_".split(), "state-update"),
    **dict.fromkeys(
        "_amp_foreach_non_finite_check_and_unscale_ _amp_update_scale_ _fused_adagrad_ _fused_adam_ "
        "_fused_adamw_ _fused_sgd_".split(),
        "optimizer",
    ),
    "requires_grad_": "untracked",
}
"""Methods and functions ending in an underscore that are never rewritten, with the name of the refusal."""

METADATA = frozenset(
    "_coalesced_ _resize_output_ resize_ resize_as_ resize_as_sparse_ sparse_resize_ "
    "sparse_resize_and_clear_ set_ share_memory_ requires_grad_ resize resize_as retain_grad backward "
    "register_hook data grad requires_grad increment_version".split(),
)
"""Write sizes, strides, storage or autograd state, no element; besides VIEWS."""

OPERATORS = {
    "__iadd__": "__add__",
    "__isub__": "__sub__",
    "__imul__": "__mul__",
    "__itruediv__": "__truediv__",
    "__idiv__": "__div__",
    "__ifloordiv__": "__floordiv__",
    "__imod__": "__mod__",
    "__ipow__": "__pow__",
    "__iand__": "__and__",
    "__ior__": "__or__",
    "__ixor__": "__xor__",
    "__ilshift__": "__lshift__",
    "__irshift__": "__rshift__",
}
"""Augmented assignment.  `__imatmul__` is not there: `x @= y` binds a new tensor already."""

SETTERS = {
    "data": ("FIP111", "state-update"),
    "grad": (None, "optimizer"),
    "grad_dtype": (None, "optimizer"),
    "requires_grad": (None, "untracked"),
    "real": ("FIP114", "no-counterpart"),
    "imag": ("FIP114", "no-counterpart"),
}
"""Attributes of a tensor whose assignment changes the tensor: rule and refusal."""

WITHOUT_UNDERSCORE = {
    "Tensor.resize": ("FIP112", "resizes"),
    "Tensor.resize_as": ("FIP112", "resizes"),
    "Tensor.retain_grad": (None, "untracked"),
    "Tensor.register_hook": (None, "untracked"),
    "Tensor.backward": (None, "optimizer"),
    "Tensor.module_load": (None, "optimizer"),
    "Tensor.record_stream": (None, "no-counterpart"),
    "torch._C._nn.rrelu_with_noise": (None, "no-counterpart"),
    "torch._batch_norm_with_update": (None, "running-statistics"),
    "torch._native_batch_norm_legit": (None, "running-statistics"),
    "torch._cummax_helper": (None, "no-counterpart"),
    "torch._cummin_helper": (None, "no-counterpart"),
    "torch._flash_attention_forward_no_dropout_inplace": (None, "no-counterpart"),
    "torch._fused_moving_avg_obs_fq_helper": (None, "running-statistics"),
    "torch.batch_norm": (None, "running-statistics"),
    "torch.cudnn_batch_norm": (None, "running-statistics"),
    "torch.fbgemm_linear_fp16_weight": (None, "no-counterpart"),
    "torch.fbgemm_linear_fp16_weight_fp32_activation": (None, "no-counterpart"),
    "torch.fused_moving_avg_obs_fake_quant": (None, "running-statistics"),
    "torch.instance_norm": (None, "running-statistics"),
    "torch.miopen_batch_norm": (None, "running-statistics"),
    "torch.native_batch_norm": (None, "running-statistics"),
    "torch.nn.functional.batch_norm(training=True)": (None, "running-statistics"),
    "torch.nn.functional.instance_norm(use_input_stats=True)": (None, "running-statistics"),
    "torch.nn.functional.embedding(max_norm=)": (None, "state-update"),
    "torch.nn.functional.embedding_bag(max_norm=)": (None, "state-update"),
    "torch.nn.Module.load_state_dict": (None, "optimizer"),
    "torch.optim.Optimizer.step": (None, "optimizer"),
    "torch.optim.Optimizer.zero_grad": (None, "optimizer"),
    "torch.nn.utils.clip_grad_norm": (None, "optimizer"),
    "torch.nn.utils.clip_grad_norm_": (None, "optimizer"),
    "torch.nn.utils.clip_grad_value_": (None, "optimizer"),
    "torch.nn.utils.clip_grads_with_norm_": (None, "optimizer"),
    "torch.nn.utils.vector_to_parameters": (None, "state-update"),
    "torch.utils.swap_tensors": (None, "state-update"),
    "torch.autograd.graph.increment_version": (None, "no-counterpart"),
}
"""Writers whose name or schema does not say so (the schemas of `native_batch_norm` and its relatives lie), and the
helpers around gradients.  Without a rule nothing reports them: they are harmless, or only a run can tell."""

SELF_KEYWORD = "input"
"""What torch's Python functions call the argument that its schemas call `self`."""
