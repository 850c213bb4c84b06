"""Three tasks in turn, one optimizer each: the trunk and the weights of the losses are shared by all of them."""

import torch
from torch import nn
import torch.nn.functional as F


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
        self.depth, self.label, self.edge = nn.Linear(8, 1), nn.Linear(8, 3), nn.Linear(8, 1)
        self.log_vars = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        h = self.trunk(x)
        return self.depth(h), self.label(h), self.edge(h)


class Trainer:
    def __init__(self, net):
        self.net = net
        shared = list(net.trunk.parameters())
        self.depth_opt = torch.optim.Adam(shared + list(net.depth.parameters()) + [net.log_vars], lr=0.01)
        self.label_opt = torch.optim.Adam(shared + list(net.label.parameters()) + [net.log_vars], lr=0.01)
        self.edge_opt = torch.optim.Adam(shared + list(net.edge.parameters()) + [net.log_vars], lr=0.01)

    def weigh(self, loss, n):
        return torch.exp(-self.net.log_vars[n]) * loss + self.net.log_vars[n]

    def train_step(self, x, d, y, e):
        depth, label, edge = self.net(x)
        depth_loss = self.weigh(F.mse_loss(depth, d), 0)
        label_loss = self.weigh(F.cross_entropy(label, y), 1)
        edge_loss = self.weigh(F.l1_loss(edge, e), 2)

        self.depth_opt.zero_grad()
        depth_loss.backward(retain_graph=True)
        self.depth_opt.step()

        self.label_opt.zero_grad()
        label_loss.backward(retain_graph=True)
        self.label_opt.step()

        self.edge_opt.zero_grad()
        edge_loss.backward()
        self.edge_opt.step()
        return depth_loss.item(), label_loss.item(), edge_loss.item()


def main():
    torch.manual_seed(0)
    net = MultiTask()
    trainer = Trainer(net)
    losses = []
    for _ in range(2):
        batch = torch.randn(5, 6), torch.randn(5, 1), torch.randint(0, 3, (5,)), torch.randn(5, 1)
        losses.append(trainer.train_step(*batch))
    return {"losses": losses, "net": list(net.parameters())}


if __name__ == "__main__":
    print(main()["losses"])
