"""Static loss scaling by hand with a float16 network and float32 regularisation.

The loss is half precision; the float32 penalty is added onto it in place, which rounds to half, and the sum is scaled
in place for the backward pass. Nothing keeps these values: it finishes. Out of place the sum would turn into float32.
"""

import torch
from torch import nn

SCALE = 128.0


class HalfNet(nn.Module):
    """(N, D) float16 -> (N,) float16."""

    def __init__(self, dim, width):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(dim, width) * 0.3)
        self.w2 = nn.Parameter(torch.randn(width) * 0.3)

    def forward(self, x):
        hidden = torch.tanh(x @ self.w1.half())
        return hidden @ self.w2.half()


def loss_function(model, x, y):
    """Scaled float16 loss with weight decay computed in float32."""
    loss = (model(x) - y).abs().mean()
    decay = model.w1.square().sum() + model.w2.square().sum()
    loss += 1e-3 * decay
    loss *= SCALE
    return loss


def unscale(parameters):
    """Divide the gradients by the scale, in place, as an optimizer wrapper would."""
    with torch.no_grad():
        for p in parameters:
            p.grad /= SCALE


def main():
    torch.manual_seed(54)
    model = HalfNet(5, 4)
    x, y = torch.randn(6, 5).half(), torch.randn(6).half()
    loss = loss_function(model, x, y)
    loss.backward()
    unscale(model.parameters())
    return {"loss": loss.detach(), "w1.grad": model.w1.grad, "w2.grad": model.w2.grad}


if __name__ == "__main__":
    print(main()["loss"])
