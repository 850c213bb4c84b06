"""Classes whose own methods end in an underscore; none of them is a tensor."""

import torch


class Scene:
    """A list of named objects that is edited by chaining, as in graphics libraries."""

    def __init__(self):
        self.objects = []
        self.offset = 0.0

    def add_(self, name):
        self.objects.append(name)
        return self

    def mul_(self, times):
        self.objects = self.objects * times
        return self

    def clamp_(self, limit):
        del self.objects[limit:]
        return self

    def zero_(self):
        self.objects.clear()


class Scaler:
    """Fits mean and scale in the manner of scikit-learn: fitted values carry a trailing underscore."""

    def fit(self, x):
        self.mean_ = x.mean(0)
        self.scale_ = x.std(0)
        self.n_ = len(x)
        self.n_ += 0
        return self

    def update_(self, rows):
        self.n_ += rows

    def transform(self, x):
        return (x - self.mean_) / self.scale_


def main():
    torch.manual_seed(8)
    scene = Scene()
    scene.add_("sun").add_("earth").mul_(3).clamp_(4)
    kept = list(scene.objects)
    scene.zero_()
    x = torch.randn(5, 2)
    scaler = Scaler().fit(x)
    scaler.update_(3)
    w = torch.ones(2, requires_grad=True)
    loss = (scaler.transform(x) @ w).pow(2).sum()
    loss.backward()
    return {"kept": kept, "n": scaler.n_, "left": scene.objects, "w.grad": w.grad}


if __name__ == "__main__":
    print(main())
