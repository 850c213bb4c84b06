"""A sparse mixture of experts with top-2 routing.

The balance term squares the gates, which keeps them; renormalising them in place afterwards overwrites them, and
backward raises. Tokens are gathered per expert and summed back into a fresh buffer with `index_add_`, which does no
harm.
"""

import torch
from torch import nn


class MoE(nn.Module):
    """(N, D) -> (N, D) and the squared gate mass, a scalar."""

    def __init__(self, dim, experts=3, k=2):
        super().__init__()
        self.k = k
        self.router = nn.Linear(dim, experts, bias=False)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(dim, dim), nn.Tanh()) for _ in range(experts))
        self.register_buffer("load", torch.zeros(experts))

    def forward(self, x):
        probs = torch.softmax(self.router(x), dim=-1)
        gates, chosen = probs.topk(self.k, dim=-1)
        spread = (gates**2).sum()
        gates /= gates.sum(dim=-1, keepdim=True)

        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            token, slot = torch.where(chosen == index)
            if token.numel() == 0:
                continue
            out.index_add_(0, token, gates[token, slot, None] * expert(x[token]))
            with torch.no_grad():
                self.load[index] += token.numel()
        return out, spread


def main():
    torch.manual_seed(17)
    layer = MoE(5)
    x = torch.randn(8, 5, requires_grad=True)
    out, spread = layer(x)
    loss = out.pow(2).mean()
    loss += 0.01 * spread
    loss.backward()
    values = {"out": out.detach(), "loss": loss.detach(), "x.grad": x.grad, "load": layer.load}
    for name, parameter in layer.named_parameters():
        values[name] = parameter.grad
    return values


if __name__ == "__main__":
    print("tokens per expert", main()["load"].tolist())
