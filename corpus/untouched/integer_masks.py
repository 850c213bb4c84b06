"""Boolean masks and integer index tensors changed in place before they meet anything differentiable."""

import torch


def band(size, width):
    """Boolean (size, size) mask of a diagonal band without the corner."""
    index = torch.arange(size)
    mask = (index[:, None] - index[None, :]).abs_() <= width
    mask.fill_diagonal_(False)
    mask[0, -1] = True
    mask &= ~torch.zeros(size, size, dtype=torch.bool)
    mask |= mask.t().clone()
    return mask


def bucket(lengths, boundaries):
    """Bucket number of every length, an int64 tensor."""
    result = torch.zeros_like(lengths)
    for boundary in boundaries:
        result += (lengths > boundary).long()
    result.clamp_(max=2)
    return result


def main():
    torch.manual_seed(11)
    mask = band(5, 1)
    lengths = torch.tensor([3, 9, 14, 30])
    buckets = bucket(lengths, (4, 10, 20))
    edges = torch.tensor([[0, 1, 2], [1, 2, 0]])
    edges[1] += 2
    edges %= 5
    counts = torch.zeros(5, dtype=torch.int64)
    counts.scatter_add_(0, edges[0], torch.ones(3, dtype=torch.int64))

    scores = torch.randn(5, 5, requires_grad=True)
    probs = scores.masked_fill(mask, float("-inf")).softmax(dim=1)
    loss = probs[edges[0], edges[1]].log().clamp(min=-50).sum()
    loss.backward()
    return {"mask": mask, "buckets": buckets, "counts": counts, "loss": loss.detach(), "scores.grad": scores.grad}


if __name__ == "__main__":
    print(main())
