"""Custom autograd functions: their bodies run without gradient recording, and edit fresh clones."""

import torch


class ClippedReLU(torch.autograd.Function):
    """min(max(x, 0), bound) with a gradient written by hand."""

    @staticmethod
    def forward(ctx, x, bound):
        ctx.save_for_backward(x)
        ctx.bound = bound
        out = x.clone()
        out[out < 0] = 0
        out.clamp_(max=bound)
        return out

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        grad = grad_output.clone()
        grad[x < 0] = 0
        grad[x > ctx.bound] = 0
        grad *= 1.0
        return grad, None


class ReverseGradient(torch.autograd.Function):
    """Identity forwards, scaled negation backwards."""

    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg().mul_(ctx.strength), None


def main():
    torch.manual_seed(22)
    x = torch.randn(6, requires_grad=True)
    y = ClippedReLU.apply(x * 2, 1.5)
    z = ReverseGradient.apply(y, 0.5)
    loss = (z * torch.arange(6.0)).sum()
    loss.backward()
    return {"y": y.detach(), "x.grad": x.grad}


if __name__ == "__main__":
    print(main())
