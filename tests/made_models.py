"""Model classes as libraries have them, each with an in-place write that made inputs have to reach."""

from __future__ import annotations

HEAD = """
import math
from dataclasses import dataclass
import torch
import torch.nn.functional as F
from torch import nn
"""

MODELS: dict[str, str] = {
    "residual": """
class Residual(nn.Module):
    expansion = 2

    def __init__(self, inplanes, planes, stride=1, norm_layer=None):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = norm_layer(planes)
        self.conv2 = nn.Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn2 = norm_layer(planes * self.expansion)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x
        return F.relu(out)
""",
    "squeeze": """
class Squeeze(nn.Module):
    def __init__(self, channels, reduction=16):
        super().__init__()
        self.down = nn.Conv2d(channels, channels // reduction, 1)
        self.up = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x):
        b, c, h, w = x.shape
        s = self.up(F.relu(self.down(x.mean((2, 3), keepdim=True))))
        s.sigmoid_()
        return x * s
""",
    "attention": """
class SelfAttention(nn.Module):
    def __init__(self, dim, num_heads, qkv_bias=False, attn_drop=0.0):
        super().__init__()
        assert dim % num_heads == 0, "dim has to be divisible"
        self.heads = num_heads
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)

    def forward(self, x, mask=None):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1)
        scores *= (c // self.heads) ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -1e9)
        return (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c)
""",
    "config": """
class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)
        self.drop = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states):
        h = self.down(F.gelu(self.up(hidden_states)))
        h *= 0.5
        return self.drop(h) + hidden_states
""",
    "dataclass": """
@dataclass
class Settings:
    n_embd: int = 48
    n_head: int = 4
    vocab_size: int = 100
    block_size: int = 16


class Language(nn.Module):
    def __init__(self, settings: Settings):
        super().__init__()
        self.tokens = nn.Embedding(settings.vocab_size, settings.n_embd)
        self.positions = nn.Embedding(settings.block_size, settings.n_embd)
        self.head = nn.Linear(settings.n_embd, settings.vocab_size)

    def forward(self, idx):
        b, t = idx.size()
        assert t <= 16, "too long"
        h = self.tokens(idx)
        h += self.positions(torch.arange(t))
        return self.head(h)
""",
    "words": """
class Pool(nn.Module):
    def __init__(self, channels, mode):
        super().__init__()
        if mode not in ("avg", "max"):
            raise ValueError(f"unknown mode {mode}")
        self.mode = mode
        self.weight = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x):
        h = self.weight(x)
        if self.mode == "max":
            h = h.amax(-1)
        else:
            h = h.mean(-1)
        h.tanh_()
        return h
""",
    "switch": """
class Switched(nn.Module):
    def __init__(self, dim, use_bias=False):
        super().__init__()
        self.fc = nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.zeros(dim)) if use_bias else None

    def forward(self, x):
        h = self.fc(x)
        if self.bias is not None:
            h += self.bias
        return h.exp()
""",
    "image": """
class Patches(nn.Module):
    def __init__(self, img_size=224, patch_size=16, in_chans=3, embed_dim=768):
        super().__init__()
        self.img_size = (img_size, img_size)
        count = (img_size // patch_size) ** 2
        self.proj = nn.Conv2d(in_chans, embed_dim, patch_size, patch_size)
        self.pos = nn.Parameter(torch.zeros(1, count, embed_dim))

    def forward(self, x):
        B, C, H, W = x.shape
        assert H == self.img_size[0] and W == self.img_size[1], f"input size ({H}*{W}) does not match the model"
        tokens = self.proj(x).flatten(2).transpose(1, 2)
        tokens += self.pos
        return tokens
""",
    "layers": """
class Layer(nn.Module):
    def __init__(self, d_model, nhead):
        super().__init__()
        self.attn = nn.MultiheadAttention(d_model, nhead, batch_first=True)

    def forward(self, src):
        return src + self.attn(src, src, src, need_weights=False)[0]


class Stack(nn.Module):
    def __init__(self, layer, num_layers):
        super().__init__()
        self.layers = nn.ModuleList([layer for _ in range(num_layers)])
        self.norm = nn.LayerNorm(layer.attn.embed_dim)

    def forward(self, src):
        for layer in self.layers:
            src = layer(src)
        out = self.norm(src)
        out *= 2
        return out
""",
    "recurrent": """
class Tagger(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        self.rnn = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.out = nn.Linear(hidden_size, 7)

    def forward(self, x, state=None):
        h, state = self.rnn(x, state)
        scores = self.out(h)
        scores -= scores.logsumexp(-1, keepdim=True)
        return scores, state
""",
    "volume": """
class Volume(nn.Module):
    def __init__(self, in_channels, out_channels, groups=8):
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, 3, padding=1)
        self.norm = nn.GroupNorm(groups, out_channels)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))
""",
    "factory": """
class Net(nn.Module):
    def __init__(self, block, layers, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.body = nn.Sequential(*[block(16, 16) for _ in range(sum(layers))])
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        h = self.body(self.stem(x)).mean((2, 3))
        h.mul_(0.5)
        return self.fc(h)


class Basic(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv = nn.Conv2d(a, b, 3, padding=1)

    def forward(self, x):
        return x + self.conv(x)


def net18(pretrained=False):
    return Net(Basic, [1, 1], num_classes=5)
""",
}
