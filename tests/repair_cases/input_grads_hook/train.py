"""Training of adapters on a frozen language model; a hook makes the embeddings require grad."""

import torch
from model import Language, inputs_require_grad


def objective(model, tokens):
    logits = model(tokens[:, :-1])
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def main():
    torch.manual_seed(45)
    model = Language(vocabulary=9, size=4, longest=6)
    model.embed.weight.requires_grad_(False)
    inputs_require_grad(model.embed)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    tokens = torch.randint(0, 9, (2, 6))
    losses = []
    for _ in range(2):
        loss = objective(model, tokens)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "position": model.position, "grads": [p.grad for p in trained]}


if __name__ == "__main__":
    print(main()["losses"])
