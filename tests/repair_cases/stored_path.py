"""The path of a pendulum is stored in a tensor made for it, which somebody has made a leaf that requires grad."""

import torch


def swing(state, length):
    angle, speed = state
    return torch.stack([angle + 0.1 * speed, speed - 0.1 * torch.sin(angle) / length])


def walk(start, length, steps):
    path = torch.zeros(steps + 1, 2, requires_grad=True)
    state = start
    path[0] = state
    for step in range(steps):
        state = swing(state, length)
        path[step + 1] = state
    return path


def objective(path, seen):
    return (path - seen).square().mean()


def main():
    torch.manual_seed(90)
    length = torch.tensor(1.5, requires_grad=True)
    optimizer = torch.optim.SGD([length], lr=0.5)
    start = torch.tensor([0.8, 0.0])
    with torch.no_grad():
        seen = torch.stack([start] * 7) * torch.linspace(1, 0, 7).unsqueeze(1)
    losses = []
    for _ in range(3):
        loss = objective(walk(start, length, 6), seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grad": length.grad}


if __name__ == "__main__":
    print(main()["losses"])
