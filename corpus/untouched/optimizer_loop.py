"""An ordinary loop with optimizer, scheduler, clipping and frozen parameters: all underscores here belong to torch."""

import torch
from torch import nn


def main():
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    model[0].requires_grad_(False)
    model[0].bias.requires_grad_()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    norms = []
    for _ in range(4):
        x = torch.randn(8, 4)
        loss = (model(x).squeeze(1) - x[:, 0]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(trainable, 1.0).item())
        nn.utils.clip_grad_value_(trainable, 0.5)
        optimizer.step()
        scheduler.step()
    for group in optimizer.param_groups:
        group["lr"] *= 0.5
        group["weight_decay"] += 0.01
    return {"norms": norms, "lr": optimizer.param_groups[0]["lr"], "loss": loss.detach()}


if __name__ == "__main__":
    print(main()["norms"])
