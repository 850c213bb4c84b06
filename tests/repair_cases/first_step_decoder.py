"""A decoder that reads its own last output, and what the encoder gave at the first step, chosen in the call itself."""

import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.cell = nn.GRUCell(width, width)

    def forward(self, code, steps):
        outputs = torch.zeros(steps, *code.shape)
        state = code
        for t in range(steps):
            state = self.cell(outputs[t - 1] if t > 0 else code, state)
            outputs[t] = state
        return outputs


def main():
    torch.manual_seed(71)
    encoder, decoder = nn.Linear(2, 4), Decoder(4)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
    x = torch.randn(3, 2)
    y = torch.linspace(-1, 1, 5).reshape(5, 1, 1).expand(5, 3, 4)
    losses = []
    for _ in range(2):
        loss = (decoder(encoder(x), 5) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "code": encoder.weight.grad}


if __name__ == "__main__":
    print(main()["losses"])
