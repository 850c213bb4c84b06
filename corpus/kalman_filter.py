"""A differentiable Kalman filter with learnable noise levels.

State and covariance are updated in place by the prediction and the correction; the matrix products of both have kept
them: backward raises. The identity matrix and the observations are plain data.
"""

import torch
from torch import nn


class KalmanFilter(nn.Module):
    """Constant-velocity model; observations (T, 1) of the position -> filtered states (T, 2)."""

    def __init__(self, dt=0.5):
        super().__init__()
        self.log_q = nn.Parameter(torch.tensor(-2.0))
        self.log_r = nn.Parameter(torch.tensor(-1.0))
        motion = torch.eye(2)
        motion[0, 1] = dt
        self.register_buffer("motion", motion)
        self.register_buffer("observe", torch.tensor([[1.0, 0.0]]))

    def forward(self, observations):
        eye = torch.eye(2)
        process = self.log_q.exp() * eye
        noise = self.log_r.exp() * eye[:1, :1]
        state = torch.zeros(2)
        cov = process * 1.0
        states, loglik = [], torch.zeros(())
        for z in observations:
            state = self.motion @ state
            cov = self.motion @ cov @ self.motion.t()
            cov += process

            innovation = z - self.observe @ state
            spread = self.observe @ cov @ self.observe.t() + noise
            gain = cov @ self.observe.t() / spread
            state += gain @ innovation
            cov -= gain @ self.observe @ cov
            loglik = loglik - 0.5 * (innovation**2 / spread + spread.log()).sum()
            states.append(self.observe @ state)
        return torch.stack(states), loglik


def track(steps):
    """Noisy positions of something that moves at constant speed, (steps, 1)."""
    position = torch.arange(steps, dtype=torch.float32).unsqueeze(1)
    position *= 0.4
    position += 0.2 * torch.randn(steps, 1)
    return position


def main():
    torch.manual_seed(49)
    model = KalmanFilter()
    filtered, loglik = model(track(5))
    loss = filtered[-1].square().sum() - loglik
    loss.backward()
    grads = {f"{name}.grad": p.grad for name, p in model.named_parameters()}
    return {"filtered": filtered.detach(), "loglik": loglik.detach(), **grads}


if __name__ == "__main__":
    print(main()["loglik"])
