"""An encoder with two heads and an optimizer for each task; the encoder belongs to the first."""

import torch
from torch import nn


def main():
    torch.manual_seed(69)
    encoder = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    decoder, classifier = nn.Linear(3, 4), nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))
    first = torch.optim.SGD([*encoder.parameters(), *decoder.parameters()], lr=0.3)
    second = torch.optim.SGD(classifier.parameters(), lr=0.3)
    x, labels = torch.randn(6, 4), torch.tensor([0, 1, 0, 1, 1, 0])
    x /= x.std()
    history = []
    for _ in range(2):
        code = encoder(x)
        reconstruction = (decoder(code) - x).square().mean()
        first.zero_grad()
        reconstruction.backward(retain_graph=True)
        first.step()

        classification = nn.functional.cross_entropy(classifier(code), labels)
        second.zero_grad()
        classification.backward()
        second.step()
        history.append((reconstruction.item(), classification.item()))
    return {
        "history": history,
        "encoder": encoder.state_dict(),
        "decoder": decoder.state_dict(),
        "classifier": classifier.state_dict(),
    }


if __name__ == "__main__":
    print(main()["history"])
