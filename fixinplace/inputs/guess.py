"""First guesses of arguments by their names and annotations, and what else a name may mean.

Note [Sizes]
    Every width is the same number, so that blocks which add what comes in to what goes out work at once.  Batch, length
    and image sides differ from it and from each other, so that an error which names a size names the dimension, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from fixinplace.inputs.values import Build, Code, Literal, Record, Series, Tensor, Value

BATCH, WIDTH, LENGTH, SIDE, IMAGE, DEPTH, VOCABULARY = 2, 32, 12, 16, 64, 6, 50

SHAPES: dict[int, tuple[int, ...]] = {
    0: (),
    1: (BATCH,),
    2: (BATCH, WIDTH),
    3: (BATCH, LENGTH, WIDTH),
    4: (BATCH, WIDTH, SIDE, SIDE),
    5: (BATCH, WIDTH, DEPTH, SIDE, SIDE),
    6: (BATCH, 3, WIDTH, DEPTH, SIDE, SIDE),
}
"""Shapes of tensors by number of dimensions."""

_NORMS = (
    "nn.LayerNorm",
    "nn.BatchNorm2d",
    "lambda *args, **kwargs: nn.BatchNorm2d(*args, **kwargs)",
    "nn.BatchNorm1d",
    "nn.Identity",
)
BLOCK, WIDE = "Block", "type('Wide', (Block,), {'expansion': 4})"
_ACTIVATIONS = (
    "nn.ReLU",
    "nn.GELU",
    "nn.ReLU()",
    "torch.relu",
    "lambda *args, **kwargs: nn.ReLU()",
    "'relu'",
    "'gelu'",
    "nn.Identity",
)

_NUMBERS: tuple[tuple[str, tuple[int | float | str | bool | None, ...]], ...] = (
    (r"(n_?|num_)?(spatial_?)?(dims|ndims?|dimensions?)|spatial_?dims?|rank", (2, 3, 1)),
    (r"(num_|n_|nb_)?(heads?|n_heads?)|num_attention_heads|nhead|n_head|.*_heads", (4, 2, 1, 8)),
    (r"(dim_head|head_dim|d_head|d_k|d_v|qk_dim|dim_per_head)", (8, 16, 32)),
    (r"(\w+_)?kernel_?sizes?|kernel|ks|ksize|k_size|k", (3, 1, 5, 7)),
    (r"strides?|s|downsample_factor", (1, 2)),
    (r"paddings?|pad|p", (1, 0, "same")),
    (r"dilations?|d|rate|atrous_rates?|dilation_rate", (1, 2)),
    (r"(num_|n_)?groups?|g|cardinality|num_groups|groups_num", (1, 2, 4, 8)),
    (r"(depths?|n_?layers?|num_layers?|layers|num_blocks|n_blocks|nb_layers|blocks|repeats?|n|num_.*_layers|num_hidden_"
     r"layers|.*depth|(\w+_)?(n|num)_?(conv\w*|res_?blocks?|stacks?|flows|stages))", (2, 1, 3, 4)),
    (r".*(drop|dropout|drop_path|droprate|drop_rate|attn_drop|proj_drop|_prob|p_drop).*", (0.1, 0.0)),
    (r"eps|epsilon|.*_eps", (1e-5,)),
    (r"momentum|bn_mom.*|alpha|beta|gamma|lam|lambda_.*|decay|.*_decay|temperature|tau|temp|scale_init|init_values?"
     r"|layer_scale.*|negative_slope|slope|margin|smoothing|threshold|.*_weight|.*_coef.*", (0.1, 0.5, 1.0)),
    (r"vocab.*|num_embeddings|(num_|n_)(tokens|words|vocab|embeddings)|ntoken|n_token|.*vocab_size", (VOCABULARY,)),
    (r"(max_)?(seq_?len.*|len.*|position.*|length|context_length|block_size|n_ctx|sequence_length|num_positions)"
     r"|max_position_embeddings|max_seq_len|seq_length|T|n_positions", (LENGTH, SIDE, 64)),
    (r"(image|img)_?(size|res.*|hw|shape|dim)", (IMAGE, 32, 224)),
    (r"(input|in|spatial|feat|fmap|feature_map|map)_?(size|res.*|hw|shape)|resolution|input_resolution|size|height"
     r"|width_px|h|w|H|W", (SIDE, IMAGE, 224)),
    (r".*patch_size|patch|p_size|patch_dim", (4, 2, 8, 16)),
    (r".*window_?size|ws|window", (4, 8, 2)),
    (r"num_classes|n_classes|nclass|classes|num_class|out_dim_cls|num_outputs|n_class|num_labels", (10,)),
    (r".*(reduction|squeeze_factor|rd_ratio)|r|reduction_ratio|se_ratio|rd_divisor", (4, 2, 8, 0.25)),
    (r"expansion.*|expand.*|mult|.*_mult|ff_mult|t|factor|.*_factor|upscale.*|scales?|up_scale|.*scale|.*ratio",
     (2, 4, 2.0, 1)),
    (r"(num_|n_|nb_)(frames|queries|points|levels|scales|experts|samples|nodes|patches|slots|latents|.*)", (4, 8, 2)),
    (r"(use|with|is|has|do|no|enable|add|return|need|apply|include|learn.*|share.*)_.*|.*_flag|bias|qkv_bias|affine"
     r"|residual|shortcut|skip|training|bidirectional|batch_first|causal|pretrained|inplace|bn|norm_first"
     r"|pre_norm|track_.*|concat|normalize|last|first|downsampling|verbose|deploy", (True, False)),
    (r"mode|.*_mode|.*_type|type|name|.*_name|method|kind|arch|variant|pool|pooling|reduce|aggr", ("", "mean", "max")),
    (r"device", ("cpu",)),
)  # fmt: skip

_WIDTHS = re.compile(
    r"(in|out|mid|inner|hidden|inter|emb|embed|feat|feature|c|ch|nc|nf|ngf|ndf|base|token|model|query|key|value|context"
    r"|q|k|v|d|dim|inp|oup|inplanes?|planes?|channels?|width|filters?|n_feats?|latent|text|cond|time|skip|proj|cross|kv"
    r"|fc|mlp|ff|rnn|enc|dec|encoder|decoder|input|output|hid|features?|units|size|n_embd|growth_rate|bottleneck|init"
    r"|i|o|cin|cout|ci|co|nin|nout|prev|low|high|x|y|f|g|l|m|n|z|num|n_hidden|bn_size|total|attn|rd|head|vision|image)"
    r"(_?(planes?|channels?|chs?|c|dims?|features?|feats?|size|width|embd?|embed|units|filters?|depth|planes|out|in|model"
    r"|hidden|nc|nf|maps|chan|chns|state|projection|ffn|inner|mlp|emb|embeds?))*[0-9]*"
)
_NORMAL = re.compile(r".*norm(ali[sz]ation)?(_?(layer|fn|func|cls|class|type|op|module|name|method))?s?[0-9]*|bn_layer")
_MODULES = re.compile(
    r".*(module|net|network|backbone|encoder|decoder|fn|func|function|model|submodule|sublayer|body|trunk|branch|stem"
    r"|projector|predictor|criterion|operation|op|transform|downsample|upsample|proj|embedding|head|block_fn|layer)"
)
_WHOLE = re.compile(r"(?!(d|dim|n|num|hid|hidden|emb|embed)_)(\w+_)?(model|encoder|decoder)|head")
_INDICES = re.compile(
    r"(input_?)?ids?|.*_ids|tokens?|idx|index|indices|src_tokens|.*_tokens|labels?|targets?|.*_index|.*indices|words?"
    r"|sequences?|text|captions?|class_labels|codes?|batch_idx"
)
_LENGTHS = re.compile(r".*lengths?|.*lens?|sizes?|x_lens")
_MASKS = re.compile(r".*mask.*|.*_valid|padding")
_CALLED = re.compile(r"(.*_)?(model|module|network|backbone|fn|func|criterion)")
_SCALES = re.compile(r"(.*_)?(scale|temperature|logit_bias|tau|alpha|beta|gamma|lam|lambda_?)")
_EMBEDDED = re.compile(
    r"(image|img|text|audio|video|sentence|anchor|positive|negative)_(features?|feats?|emb\w*|latents?)"
)
_STEPS = re.compile(r"(time_?)?steps?|t|time|timestep|sigmas?|noise_levels?")
_CONFIGS = re.compile(r"(.*_)?(cfg|config|conf|configs|args|opts?|options|hparams|hyp|params|hps|settings|arguments)")


_COUNTS = re.compile(
    r"(.*_)?(depths?|layers?|blocks?|repeats?|kernel.*|ks|strides?|padding|pad|dilations?|rate|heads?|n|num_layers|scales?"
    r"|factor|expansion|reduction|groups?|mult|ratio|experts|levels|iters?|steps?)"
)


def counts(name: str) -> bool:
    """True for the name of a number that stays small: of layers, heads, groups; of a stride or a kernel."""
    return _COUNTS.fullmatch(name.lower()) is not None


def smaller(name: str, default: Value) -> Value | None:
    """A smaller value than a default of a large model: few layers, a small image, a width that many numbers divide."""
    lowered = name.lower()
    deep = (
        re.fullmatch(r"(.*_)?(depths?|layers|blocks|repeats|stages|num_(hidden_)?layers|n_?layers?)", lowered)
        is not None
    )
    match default:
        case Literal(int(number)) if type(number) is int:
            if deep and number > 2:
                return Literal(2)
            if re.fullmatch(r"(image|img)_?(size|res.*|dim)", lowered) and number > IMAGE:
                return Literal(IMAGE)
            return Literal(_DIVISIBLE) if widths(lowered) and not counts(lowered) and number > 2 * _DIVISIBLE else None
        case Series(items, listed) if (deep or _DEEP.search(lowered)) and all(
            _number_of_layers(each) for each in items
        ):
            return Series((Literal(1),) * len(items), listed)
        case Series(items, listed) if re.search(r"channel|dim|plane|width|feature|filter|hidden", lowered):
            sizes = [each.value for each in items if isinstance(each, Literal) and type(each.value) is int]
            factor = min(sizes, default=0) // WIDTH
            if factor < 2 or len(sizes) < len(items) or any(size % factor for size in sizes):
                return None
            return Series(tuple(Literal(size // factor) for size in sizes), listed)
        case _:
            return None


_DIVISIBLE = 96
_DEEP = re.compile(
    r"^(?!.*(channel|dim|size|plane|width|kernel|head|stride|ratio|idx|ind)).*(depth|layer|block|stage|repeat)"
)


def _number_of_layers(value: Value) -> bool:
    return isinstance(value, Literal) and type(value.value) is int and 0 < value.value <= 64


def extents(name: str) -> bool:
    """True for the name of the size of an image, or of the length of a sequence."""
    return (
        re.fullmatch(r".*(size|res|resolution|len|length|hw|shape|height|width|h|w|dim|tokens|positions?)", name, re.I)
        is not None
    )


def widths(name: str) -> bool:
    """True for the name of a number of channels, features or the like."""
    return _WIDTHS.fullmatch(name.lower()) is not None


@cache
def argument(name: str, annotation: str = "", classes: tuple[str, ...] = ()) -> tuple[Value, ...]:
    """What a constructor's argument may be, the likeliest first; annotation: its text; classes: of the file."""
    lowered = name.lower().strip("_")
    typed = annotation.replace("typing.", "").replace("Optional[", "").strip("\"'")
    named = _by_name(lowered, classes)
    words = (
        [each for each in named if isinstance(each, Literal) and isinstance(each.value, str)] if "str" in typed else []
    )
    found = [*words, *_by_annotation(lowered, typed), *named]
    fallback: list[Value] = [
        Literal(WIDTH),
        Literal(2),
        Code("nn.Identity()"),
        Literal(True),
        Literal(0.5),
        Tensor(SHAPES[3]),
        Record(),
        Literal(None),
    ]
    return tuple(dict.fromkeys([*found, *fallback]))


def _by_annotation(name: str, typed: str) -> list[Value]:
    said = numbers(name)
    match typed.partition("[")[0].rpartition(".")[2].rstrip("]").partition(" |")[0]:
        case "int":
            whole = [value for value in said if type(value) is int]
            return [Literal(value) for value in (*whole, WIDTH)]
        case "float":
            return [Literal(float(value)) for value in said if isinstance(value, (int, float))] or [Literal(0.5)]
        case "bool":
            return [Literal(True), Literal(False)]
        case "str":
            return [Literal(value) for value in said if isinstance(value, str)] or [Literal("")]
        case "Tensor" | "FloatTensor":
            return [Tensor(SHAPES[2])]
        case "LongTensor":
            return [Tensor((BATCH, LENGTH), "index")]
        case "list" | "List" | "Sequence" | "Iterable" | "tuple" | "Tuple" | "Collection":
            return _series(name, typed)
        case "dict" | "Dict" | "Mapping" | "DictConfig":
            return [Record(style="dict")]
        case "Module":
            return [Code("Passing()"), Code(f"nn.Linear({WIDTH}, {WIDTH})"), Code("nn.ReLU()")]
        case "Type" | "type" | "Callable" | "ModuleType" | "LayerType":
            return [each for each in _by_name(name, ()) if isinstance(each, Code)] or [Code("nn.Identity")]
    return []


def _series(name: str, typed: str) -> list[Value]:
    listed = typed.lower().startswith(("list", "seq", "iter", "coll"))
    inner = typed.partition("[")[2].rstrip("]")
    if "Tensor" in inner:
        return [Series((Tensor(SHAPES[4]), Tensor(SHAPES[4])), listed)]
    if "str" in inner:
        return [Series((), listed)]
    said = (*numbers(name.rstrip("s")), *numbers(name))
    number = next((value for value in said if type(value) is int), WIDTH)
    count = inner.count("int") if not listed and "..." not in inner else 0
    counts = [count] if count else [4, 2, 3] if said else [2, 4, 3]
    return [Series((Literal(number),) * each, listed) for each in counts]


def _by_name(name: str, classes: Sequence[str]) -> list[Value]:
    if re.fullmatch(
        r".*norm(ali[sz]ation)?(_?(layer|fn|func|cls|class|type|op|module|name|method))?s?[0-9]*|bn_layer", name
    ):
        return [*_codes(_NORMS), Code("partial(nn.GroupNorm, 4)"), Literal("batch"), Literal("layer"),
                Literal(None), Code(f"nn.BatchNorm2d({WIDTH})")]  # fmt: skip
    if re.fullmatch(r".*(act|activation|nonlin.*|relu)(_?(layer|fn|func|function|cls|name|type))?s?[0-9]*", name):
        return [*_codes(_ACTIVATIONS), Literal(None)]
    if re.fullmatch(r".*conv(_?(layer|fn|op|builder|func|cls|module|1|2))?", name):
        return [
            Code("nn.Conv2d"),
            Code("nn.Conv1d"),
            Code(f"nn.Conv2d({WIDTH}, {WIDTH}, 3, padding=1)"),
            Code("nn.Conv3d"),
        ]
    if re.fullmatch(r".*pool(ing)?_?(layer|fn|op|func)", name):
        return [Code("nn.MaxPool2d"), Code("nn.Identity()")]
    if re.fullmatch(
        r"(basic_?)?block(_?(fn|cls|class|type|layer))?s?|unit|cell|layer_?(type|cls|class)|.*_class", name
    ):
        own = [Code(f"target.{each}") for each in classes if re.search(r"block|bottleneck|unit|layer|cell", each, re.I)]
        return [*own, *_codes((BLOCK, WIDE)), Code("Passing"), Series((Literal(2), Literal(2), Literal(2), Literal(2)))]
    if _CONFIGS.fullmatch(name):
        return [Record(), Record(style="dict")]
    values: list[Value] = [Literal(value) for value in numbers(name)]
    if _MODULES.fullmatch(name) and not values and (not widths(name) or _WHOLE.fullmatch(name)):
        return [*_built(name, classes), Code("Passing()"), Code("nn.Identity"), Code(f"nn.Linear({WIDTH}, {WIDTH})")]
    if not values and re.fullmatch(r".*(channels|dims|sizes|widths|planes|features|filters|chs)", name):
        many = Series((Literal(WIDTH),) * 4)
        return [Literal(WIDTH), many, Series((Literal(WIDTH),) * 3), Series((Literal(WIDTH),) * 2)]
    if widths(name):
        values = [*values, Literal(WIDTH)]
    if values and name.endswith("s"):
        first = values[0]
        values += [Series((first,) * count) for count in (4, 3, 2)]
    return values + ([Series((values[0], values[0]), False)] if values and re.search(r"size|res|kernel", name) else [])


def _codes(texts: Sequence[str]) -> list[Value]:
    return [Code(each) for each in texts]


def _built(name: str, classes: Sequence[str]) -> list[Value]:
    """Instances of the file's own classes whose names end like the argument."""
    words = name.replace("_", "")
    return [Build(f"target.{each}") for each in classes if each.lower().endswith(words)]


def numbers(name: str) -> tuple[int | float | str | bool | None, ...]:
    """Values that a name says, the likeliest first; empty where it says none."""
    return next((values for pattern, values in _NUMBERS if re.fullmatch(pattern, name, re.I)), ())


_LETTERS = {"B": BATCH, "N": BATCH, "C": WIDTH, "D": DEPTH, "H": SIDE, "W": SIDE, "L": LENGTH, "T": LENGTH, "S": LENGTH,
            "E": WIDTH, "F": WIDTH}  # fmt: skip


def lettered(letters: Sequence[str]) -> Tensor:
    """A tensor of a shape as people write it: `B`, `C`, `H`, `W`, or numbers."""
    return Tensor(tuple(int(each) if each.isdigit() else _LETTERS.get(each[:1], LENGTH) for each in letters))


_ANNOTATED = re.compile(r"(?:Optional\[)?(List|list|Tuple|tuple|Sequence)\[(int|float)\b([^]|]*)\]")
"""An annotation of several numbers: `Tuple[int, int]`, `list[float]`."""


@cache
def tensor(name: str, annotation: str = "", dims: int = 0) -> tuple[Value, ...]:
    """What an argument of a forward may be, the likeliest first; dims: number of dimensions that its use tells."""
    lowered = name.lower().strip("_")
    typed = annotation.replace("typing.", "").strip("\"'")
    short = typed.replace("Optional[", "").rpartition(".")[2].rstrip("]")
    plain: list[Value] = [Tensor(SHAPES[dims or 3]), Tensor(SHAPES[4]), Tensor(SHAPES[2])]
    if short in ("int", "float", "bool", "str"):
        return (*_by_annotation(lowered, short), *_by_name(lowered, ()), Literal(WIDTH))
    if re.match(r"(Optional\[)?([\w.]*\.)?(Callable|Module)\b", typed):
        return (Code("Passing()"), *plain)
    if re.match(r"(Optional\[)?(List|list|Tuple|tuple|Sequence)\b", typed) and "Tensor" in typed:
        return (Series((Tensor(SHAPES[4]), Tensor(SHAPES[4]))), Series((Tensor(SHAPES[3]), Tensor(SHAPES[3]))), *plain)
    if (found := _ANNOTATED.match(typed)) is not None:
        number = Literal(SIDE if found[2] == "int" else 0.5)
        return (Series((number,) * max(found[3].count(found[2]) + 1, 2), found[1].lower() != "tuple"), *plain)
    if re.match(r"(Optional\[)?(Dict|dict|Mapping)\b", typed):
        return (Record(style="dict"), *plain)
    if _MASKS.fullmatch(lowered):
        return (Tensor((BATCH, LENGTH), "bool"), Literal(None), Tensor((LENGTH, LENGTH), "bool"), *plain)
    if _LENGTHS.fullmatch(lowered) and not dims:
        return (
            Tensor((BATCH,), "index", LENGTH),
            Literal(LENGTH),
            Series((Literal(LENGTH), Literal(LENGTH - 1))),
            *plain,
        )
    if _INDICES.fullmatch(lowered):
        index: Value = Tensor((BATCH, LENGTH) if dims in (0, 2) else SHAPES[dims], "index", 10)
        return (index, Tensor((BATCH,), "index", 10), *plain)
    if _STEPS.fullmatch(lowered) and not dims:
        return (Tensor((BATCH,), "unit"), Tensor((BATCH,), "index", 10), Literal(1), *plain)
    if lowered in ("h", "w", "height", "width", "d"):
        return (Literal(SIDE), Tensor(SHAPES[dims or 3]))
    if re.fullmatch(
        r"(x_?size|hw_?shape|.*spatial_shape|input_?size|out_?size|.*_shape|shape|grid_size|resolution)", lowered
    ):
        return (Series((Literal(SIDE), Literal(SIDE)), False), *plain)
    if lowered in ("edge_index", "edge_label_index", "edges"):
        return (Tensor((2, LENGTH), "index", 10), *plain)
    if not dims and _CALLED.fullmatch(lowered):
        return (Code("Passing()"), *plain)
    if not dims and _SCALES.fullmatch(lowered):
        return (Tensor(()), *plain)
    if not dims and _EMBEDDED.fullmatch(lowered):
        return (Tensor(SHAPES[2]), Tensor(SHAPES[3]), *plain)
    if not dims and re.fullmatch(r".*(image|img|pixel|frame|picture|fmap|feature_map).*s?", lowered):
        return (Tensor((BATCH, 3, IMAGE, IMAGE)), Tensor(SHAPES[4]), *plain)
    if (
        re.fullmatch(r"(features|feats|inputs|xs|outs|outputs|x_list|tensors|skips|hidden_states_list)", lowered)
        and not dims
    ):
        return (Tensor(SHAPES[4]), Series((Tensor(SHAPES[4]), Tensor(SHAPES[4]))), *plain)
    if _CONFIGS.fullmatch(lowered):
        return (Record(), *plain)
    return (*plain, Tensor((BATCH, LENGTH), "index", 10), Literal(None), Series((Tensor(SHAPES[4]), Tensor(SHAPES[4]))))
