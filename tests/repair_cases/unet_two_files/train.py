"""Training of a tiny denoiser; the network is in `blocks.py`."""

import torch
from blocks import Denoiser
from schedule import noise_levels


def main():
    torch.manual_seed(11)
    model = Denoiser(width=4)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    clean = torch.randn(2, 1, 8, 8)
    levels = noise_levels(3)
    losses = []
    for level in levels:
        noise = torch.randn_like(clean)
        noisy = clean * (1 - level)
        noisy += level * noise
        loss = (model(noisy, level) - noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "weights": model.state_dict()}


if __name__ == "__main__":
    print(main()["losses"])
