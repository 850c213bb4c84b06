"""Model-agnostic meta-learning: one adaptation step inside, one gradient outside.

The fast weights live in a dict and are updated in place. The first inner forward has kept them for the backward pass
through the adaptation, so the outer backward raises.
"""

import torch
import torch.nn.functional as F


def init_weights(generator):
    """Two-layer perceptron 1 -> 6 -> 1 as a dict of leaves."""
    weights = {
        "w1": torch.randn(6, 1, generator=generator),
        "b1": torch.zeros(6),
        "w2": torch.randn(1, 6, generator=generator),
        "b2": torch.zeros(1),
    }
    weights["w2"] *= 0.4
    return {name: w.requires_grad_() for name, w in weights.items()}


def network(x, weights):
    """(N, 1) -> (N, 1)."""
    hidden = torch.tanh(F.linear(x, weights["w1"], weights["b1"]))
    return F.linear(hidden, weights["w2"], weights["b2"])


def adapt(weights, x, y, lr, steps):
    """Fast weights after `steps` steps of gradient descent, differentiable in `weights`."""
    fast = {name: w.clone() for name, w in weights.items()}
    for _ in range(steps):
        loss = F.mse_loss(network(x, fast), y)
        grads = torch.autograd.grad(loss, list(fast.values()), create_graph=True)
        for name, grad in zip(fast, grads, strict=True):
            fast[name] -= lr * grad
    return fast


def sine_task(generator):
    """Support and query points of one sine wave."""
    phase = 3.0 * torch.rand(1, generator=generator)
    x = torch.rand(10, 1, generator=generator)
    x *= 10
    x -= 5
    y = torch.sin(x + phase)
    return x[:5], y[:5], x[5:], y[5:]


def main():
    generator = torch.Generator().manual_seed(20)
    weights = init_weights(generator)
    total = torch.zeros(())
    for _ in range(2):
        support_x, support_y, query_x, query_y = sine_task(generator)
        fast = adapt(weights, support_x, support_y, lr=0.05, steps=2)
        total = total + F.mse_loss(network(query_x, fast), query_y)
    total.backward()
    return {"meta loss": total.detach(), **{name: w.grad for name, w in weights.items()}}


if __name__ == "__main__":
    print(main()["meta loss"])
