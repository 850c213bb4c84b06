"""Soft prompt tuning: a few learned vectors in front of frozen token embeddings.

The prompt is a leaf that requires grad; adding positions onto it in place dies in the forward pass. Binding the sum to
the same name would run, and leave `prompt.grad` empty for the update below, because the name no longer means the leaf.
"""

import torch
from torch import nn


class FrozenReader(nn.Module):
    """Embedding, one attention layer, head; nothing in it is trained."""

    def __init__(self, vocabulary, dim, classes):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.attention = nn.MultiheadAttention(dim, 2, batch_first=True)
        self.head = nn.Linear(dim, classes)
        self.requires_grad_(False)

    def forward(self, inputs):
        mixed, _ = self.attention(inputs, inputs, inputs, need_weights=False)
        return self.head(mixed.mean(dim=1))


def tune(model, tokens, labels, length=3, steps=2, lr=0.5):
    """Train a prompt of `length` vectors; returns the losses and the prompt."""
    prompt = torch.randn(length, model.embed.embedding_dim)
    prompt *= 0.1
    prompt.requires_grad_()
    positions = torch.linspace(-0.1, 0.1, length)[:, None]
    losses = []
    for _ in range(steps):
        prompt += positions
        inputs = torch.cat([prompt.expand(len(tokens), -1, -1), model.embed(tokens)], dim=1)
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        with torch.no_grad():
            prompt -= lr * prompt.grad
            prompt.grad.zero_()
        losses.append(loss.item())
    return losses, prompt


def main():
    torch.manual_seed(58)
    model = FrozenReader(10, 4, 3)
    tokens = torch.randint(0, 10, (4, 5))
    labels = torch.tensor([0, 1, 2, 1])
    losses, prompt = tune(model, tokens, labels)
    return {"losses": losses, "prompt": prompt.detach(), "prompt.grad": prompt.grad}


if __name__ == "__main__":
    print(main()["losses"])
