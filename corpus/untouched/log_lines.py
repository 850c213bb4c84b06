"""Log lines and tables made by string concatenation, `%=` formatting and repetition."""

import torch


def progress_bar(done, total, width=10):
    """A text progress bar."""
    filled = width * done // total
    bar = "=" * filled
    bar += ">" if filled < width else ""
    bar += "." * (width - len(bar))
    return bar


def table(rows):
    """A Markdown table."""
    text = "| name | value |\n"
    text += "|---|---|\n"
    for name, value in rows:
        line = "| %s | %.2f |"
        line %= (name, value)
        text += line
        text += "\n"
    return text


def main():
    torch.manual_seed(19)
    w = torch.randn(3, requires_grad=True)
    log = []
    message = ""
    for step in range(1, 4):
        loss = (w * step).square().sum()
        loss.backward()
        message = f"step {step}"
        message += f" loss {loss.item():.3f}"
        message += " " + progress_bar(step, 3)
        log += [message]
    rule = "-"
    rule *= 8
    return {"log": log, "table": table([("norm", w.grad.norm().item())]), "rule": rule, "w.grad": w.grad}


if __name__ == "__main__":
    print("\n".join(main()["log"]))
