"""Low-rank adapter on a frozen embedding; the looked-up vectors are made to require grad for checkpointing."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Adapted(nn.Module):
    def __init__(self, vocabulary, size, rank):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, size)
        self.embed.weight.requires_grad_(False)
        self.down = nn.Embedding(vocabulary, rank)
        self.up = nn.Linear(rank, size, bias=False)
        self.block = nn.Sequential(nn.Linear(size, size), nn.Tanh())
        self.block.requires_grad_(False)

    def forward(self, tokens):
        h = self.embed(tokens)
        h.requires_grad_()
        h += self.up(self.down(tokens))
        return checkpoint(self.block, h, use_reentrant=False)


def objective(model, tokens, wanted):
    return (model(tokens).mean(dim=1) - wanted).square().mean()


def main():
    torch.manual_seed(44)
    model = Adapted(10, 4, 2)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    tokens, wanted = torch.randint(0, 10, (3, 5)), torch.randn(3, 4)
    losses = []
    for _ in range(2):
        loss = objective(model, tokens, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "up": model.up.weight, "grads": [p.grad for p in model.parameters() if p.requires_grad]}


if __name__ == "__main__":
    print(main()["losses"])
