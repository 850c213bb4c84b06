"""Forward algorithm of a hidden Markov model in probabilities, one row of the table for each observation."""

import torch
from torch import nn


class Markov(nn.Module):
    def __init__(self, states, symbols):
        super().__init__()
        self.transition = nn.Parameter(torch.randn(states, states))
        self.emission = nn.Parameter(torch.randn(states, symbols))
        self.states = states

    def forward(self, observed):
        move = self.transition.softmax(dim=1)
        emit = self.emission.softmax(dim=1)
        alpha = torch.zeros(len(observed), self.states)
        alpha[0] = emit[:, observed[0]] / self.states
        for t in range(1, len(observed)):
            alpha[t] = (alpha[t - 1] @ move) * emit[:, observed[t]]
        return alpha


def main():
    torch.manual_seed(29)
    model = Markov(3, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    observed = torch.tensor([0, 3, 1, 1, 2])
    history = []
    for _ in range(2):
        alpha = model(observed)
        loss = -alpha[-1].sum().log()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return {"history": history, "alpha": alpha, "transition": model.transition.grad, "emission": model.emission.grad}


if __name__ == "__main__":
    print(main()["history"])
