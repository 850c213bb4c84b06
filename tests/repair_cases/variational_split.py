"""Variational encoder: one linear layer gives mean and log-scale, which is clamped where it stands."""

import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, inputs, latent):
        super().__init__()
        self.hidden = nn.Linear(inputs, 8)
        self.both = nn.Linear(8, 2 * latent)

    def forward(self, x):
        mean, log_scale = self.both(torch.relu(self.hidden(x))).chunk(2, dim=-1)
        log_scale.clamp_(-0.2, 0.2)
        return mean, log_scale


class Autoencoder(nn.Module):
    def __init__(self, inputs, latent):
        super().__init__()
        self.encoder = Encoder(inputs, latent)
        self.decoder = nn.Linear(latent, inputs)

    def forward(self, x, noise):
        mean, log_scale = self.encoder(x)
        return self.decoder(mean + noise * log_scale.exp()), mean, log_scale


def objective(model, x, noise):
    decoded, mean, log_scale = model(x, noise)
    divergence = 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(dim=1)
    loss = (decoded - x).square().sum(dim=1)
    loss += 0.1 * divergence
    return loss.mean()


def main():
    torch.manual_seed(40)
    model = Autoencoder(4, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = torch.randn(5, 4)
    losses = []
    for _ in range(2):
        loss = objective(model, x, torch.randn(5, 3))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "both": model.encoder.both.weight, "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
