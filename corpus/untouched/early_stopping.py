"""Early stopping with flags and best values: booleans and floats under `|=`, `&=` and `-=`."""

import copy

import torch
from torch import nn


class EarlyStopping:
    """Keeps the best state and says when to stop."""

    def __init__(self, patience, slack=1e-3):
        self.patience, self.slack = patience, slack
        self.best, self.bad, self.state, self.stop = float("inf"), 0, None, False

    def __call__(self, value, model):
        improved = value < self.best - self.slack
        if improved:
            self.best, self.bad = value, 0
            self.state = copy.deepcopy(model.state_dict())
        else:
            self.bad += 1
        self.stop |= self.bad >= self.patience
        return improved


def main():
    torch.manual_seed(70)
    net = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    stopping, always = EarlyStopping(2), True
    x, y = torch.randn(8, 3), torch.randn(8, 1)
    budget = 12
    while budget and not stopping.stop:
        loss = (net(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        always &= stopping(loss.item(), net)
        budget -= 1
    net.load_state_dict(stopping.state)
    return {"best": stopping.best, "always": always, "left": budget, "weight": net.weight.detach()}


if __name__ == "__main__":
    print(main()["best"])
