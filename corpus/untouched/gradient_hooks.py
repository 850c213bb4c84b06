"""Hooks that return new gradients and record detached activations; nothing is overwritten."""

import torch
from torch import nn


class Recorder:
    """Statistics of the outputs of chosen layers."""

    def __init__(self, model, names):
        self.seen, self.calls = {}, 0
        modules = dict(model.named_modules())
        self.handles = [modules[name].register_forward_hook(self.hook(name)) for name in names]

    def hook(self, name):
        def record(module, inputs, output):
            self.calls += 1
            self.seen[name] = output.detach().abs().mean().item()

        return record

    def close(self):
        for handle in self.handles:
            handle.remove()


def main():
    torch.manual_seed(71)
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2))
    recorder = Recorder(net, ["0", "1"])
    x = torch.randn(5, 3, requires_grad=True)
    x.register_hook(lambda grad: grad * 0.5)
    hidden = net[:2](x)
    hidden.register_hook(lambda grad: grad.clamp(-0.1, 0.1))
    net[2](hidden).square().sum().backward()
    recorder.close()
    return {"seen": recorder.seen, "calls": recorder.calls, "x.grad": x.grad, "grad": net[0].weight.grad}


if __name__ == "__main__":
    print(main()["calls"])
