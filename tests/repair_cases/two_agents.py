"""Two cooperating agents with a critic each; every agent learns from the joint action, one after the other."""

import torch
from torch import nn


def actor():
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1), nn.Tanh())


def main():
    torch.manual_seed(67)
    actors = [actor(), actor()]
    critics = [nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1)) for _ in actors]
    for critic in critics:
        critic.requires_grad_(False)
    optimizers = [torch.optim.SGD(each.parameters(), lr=0.5) for each in actors]
    observations = torch.randn(2, 4, 2)
    observations[1] += 0.5
    history = []
    for _ in range(2):
        actions = [each(seen) for each, seen in zip(actors, observations)]
        record = []
        for index, optimizer in enumerate(optimizers):
            joint = torch.cat((*observations, *actions), dim=1)
            loss = -critics[index](joint).mean()
            optimizer.zero_grad()
            loss.backward(retain_graph=True)
            optimizer.step()
            record.append(loss.item())
        history.append(record)
    return {"history": history, "actors": [each.state_dict() for each in actors]}


if __name__ == "__main__":
    print(main()["history"])
