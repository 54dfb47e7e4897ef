"""Which functions of torch are of which kind, by the bare name that all their spellings share."""

from __future__ import annotations

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "linear",  # in all its tensors taken together, or it merely moves numbers
    "pointwise",  # one number in, one number out, each place for itself
    "step",  # pointwise, and only jumps
    "product",  # of two tensors or more that depend on the input
    "quotient",  # whose divisor depends on the input
    "layer",  # a product with weights
    "gate",  # a product, quotient or choice place by place, with fixed masks or numbers
    "softmax",
    "logsumexp",
    "maximum",
    "detach",  # cuts the gradient, though not the dependence
    "composite",  # made of other functions
    "unknown",
]


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


POINTWISE = _names(
    "abs absolute acos acosh arctan asin asinh atan atanh celu clamp clamp_max clamp_min clip cos"
    " cosh elu erf erfc exp exp2 expm1 float_power gelu hardshrink hardsigmoid hardswish hardtanh"
    " leaky_relu log log10 log1p log2 log_sigmoid logit logsigmoid mish nan_to_num pow prelu"
    " reciprocal relu relu6 rpow rrelu rsqrt selu sigmoid silu sin sinh softplus softshrink"
    " softsign special_expit sqrt square tan tanh tanhshrink threshold"
)
STEPS = _names("ceil fix floor round sgn sign trunc")
# Pointwise functions that let positive numbers through and hold back negative ones.
RECTIFIERS = _names(
    "celu elu gelu hardswish leaky_relu mish prelu relu relu6 rrelu selu silu softplus"
)
CONVOLUTIONS = _names(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution"
)
LAYERS = CONVOLUTIONS | _names("bmm einsum linear matmul mm mv rmatmul")
# Linear in each of their tensors.
MULTILINEAR = LAYERS | _names(
    "bilinear chain_matmul dot ger inner kron linalg_multi_dot linalg_vecdot mul multiply outer"
    " rmul tensordot vdot"
)
GATES = _names("masked_fill mul multiply rmul where")
MAXIMA = _names(
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d amax max max_pool1d max_pool2d"
    " max_pool3d"
)
QUOTIENTS = _names("div divide rdiv rtruediv true_divide truediv")
SOFTMAX = _names("log_softmax softmax")
LINEAR = _names(
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d add adjoint alias alpha_dropout"
    " as_strided as_subclass atleast_1d atleast_2d atleast_3d avg_pool1d avg_pool2d avg_pool3d"
    " batch_norm bfloat16 block_diag broadcast_tensors broadcast_to cat channel_shuffle chunk clone"
    " col2im column_stack concat concatenate constant_pad_nd contiguous copy cpu cuda cumsum"
    " deg2rad diag diag_embed diagflat diagonal diff double dropout dropout1d dropout2d dropout3d"
    " dsplit dstack expand expand_as feature_alpha_dropout feature_dropout fill fill_diagonal"
    " flatten flip fliplr flipud float fold gather get getitem half hsplit hstack im2col index"
    " index_add index_copy index_fill index_put index_select interpolate iter masked_scatter"
    " masked_select mean meshgrid moveaxis movedim nanmean nansum narrow narrow_copy neg negative"
    " pad permute pixel_shuffle pixel_unshuffle positive put rad2deg radd ravel real repeat"
    " repeat_interleave requires_grad reshape reshape_as resize_as retain_grad roll rot90 rsub"
    " scatter scatter_add select select_scatter set setitem slice_scatter split split_with_sizes"
    " squeeze stack sub subtract sum sum_to_size swapaxes swapdims t take take_along_dim"
    " tensor_split tile to trace transpose tril triu type type_as unbind unflatten unfold"
    " unsafe_chunk unsafe_split unsqueeze upsample upsample_bilinear upsample_nearest view view_as"
    " vsplit vstack zero"
)
