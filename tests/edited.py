"""What the tests of the editor share: a program, and one server with a file for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from editing import Editor, editor

PROGRAM = """\
import torch


def forward(a, skip):
    h = torch.sigmoid(a)
    h += skip
    return h.sum()


if __name__ == "__main__":
    weight = torch.ones(3, requires_grad=True)
    forward(weight * 2, torch.ones(3)).backward()
"""
FIXED = PROGRAM.replace("h += skip", "h = h + skip")
SLOW = PROGRAM.replace('__main__":\n', '__main__":\n    import time\n\n    time.sleep(60)\n')
PAIR = PROGRAM.replace("    return h.sum()", "    g = torch.tanh(a)\n    g *= skip\n    return (h + g).sum()")

Put = Callable[..., str]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    with editor(tmp_path_factory.mktemp("project")) as found:
        yield found


@pytest.fixture
def here(client: Editor, tmp_path: Path) -> Iterator[Put]:
    """Opens a file of its own for each test, in the one server; `disk` has another text than the editor."""

    def put(text: str = PROGRAM, name: str = "model.py", language: str = "python", disk: str | None = None) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((text if disk is None else disk).encode(errors="surrogatepass"))
        return client.open(path, text, language)

    yield put
    for uri in list(client.texts):
        client.shut(uri)
