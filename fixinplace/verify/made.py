"""What a probe with made inputs returns, apart: what the program computed, and what it was given.

Note [Who looks at an argument]
    Nobody but the probe holds the inputs, and nothing that it returns may depend on whether they were written: a real
    caller may look.  They are recorded as the arguments of the file's functions are, so that a write that is gone makes
    the verdict `hidden-caller`, also where no function of the file was called, as in a subclass of `nn.Sequential`.
"""

from __future__ import annotations

from typing import Any

from fixinplace.verify import tensors
from fixinplace.verify.observe import Differentiation
from fixinplace.verify.records import Records
from fixinplace.verify.sound import tensors_in


def computed(result: Any, records: Records, differentiation: Differentiation) -> list[dict[str, object]]:
    """What the calls of a probe computed; records the tensors that they were given, as they are afterwards."""
    for number, call in enumerate(result, start=1):
        for name, value in call["given"].items():
            for index, tensor in enumerate(tensors_in(value)):
                path = f"call {number} argument {name}" + (f"[{index}]" if index else "")
                reading = tensors.read(tensor).passing
                reading.facts["requires_grad"] = differentiation.tracked(tensor)
                records.rows.append({"kind": "tensor", "path": path, "role": "argument", **records.stored(reading)})
    return [{name: each for name, each in call.items() if name != "given"} for call in result]
