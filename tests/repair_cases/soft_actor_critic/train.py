"""Soft actor-critic on a toy batch; the update is in `agent.py`."""

import torch
from agent import Agent


def main():
    torch.manual_seed(66)
    agent = Agent(state=3, action=2)
    history = []
    for _ in range(2):
        batch = {"state": torch.randn(5, 3), "action": torch.rand(5, 2), "reward": torch.randn(5, 1)}
        batch["action"].mul_(2).sub_(1)
        history.append(agent.update(batch))
    return {"history": history, "policy": agent.policy.state_dict(), "q": agent.q.state_dict()}


if __name__ == "__main__":
    print(main()["history"])
