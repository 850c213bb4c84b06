"""Where gradients come to after a value was made: what is written into a storage, by whom, reaches its other readers.

Note [Written elsewhere]
    A buffer that somebody wrote a tracked value into requires grad from then on, for everybody.  Inside a function
    the state follows that in order.  Between functions there is no order: what one of them writes into an attribute,
    a global or an enclosing function's name is held against every other one that reads it (`Program.written`), and
    what a function writes into its parameters (`Summary.writes`) against its callers' arguments.
"""

from __future__ import annotations

from dataclasses import replace

from fixinplace.detect.frame import Frame
from fixinplace.detect.kinds import Dtype, Origin
from fixinplace.detect.values import Memories, Memory, Value, join_live


def _is_untracked(given: Value | None) -> bool:
    return given is not None and given.tensor and given.live is False


_STATISTICS = ("mean", "var", "std", "count")


class Gradients(Frame):
    """Follows gradients through writes; see Note [Written elsewhere]."""

    def wrote(self, written: Value, live: bool | None) -> None:
        """A value that requires grad, or may, was written into a tensor's storage."""
        if live is not False and self._takes_gradients(written):
            self.make_live(written.memory, live)
            self._tell_others(written.memory, live)

    def given_back(self, written: Value, value: Value) -> Value:
        """What a write gives back, the tensor itself: in `b.add_(h).sub_(c)` the second write is one to what requires
        grad since the first."""
        if value.live is False or not self._takes_gradients(written):
            return written
        return replace(written, live=join_live(iter((written.live, value.live))))

    def _takes_gradients(self, written: Value) -> bool:
        return self.grad and written.dtype not in (Dtype.INT, Dtype.BOOL)

    def rebound(self, name: str, value: Value) -> None:
        """A name of an enclosing scope stands for another value from now on."""
        if value.live is not False and self.grad:
            self.program.note_written(name, value.live)

    def caught_up(self) -> None:
        """A function of this file has run: it may have written what attributes of self hold."""
        attrs, cls = self.state.attrs, self.place.cls
        for text, value in attrs.items() if cls is not None else ():
            owner, _, attr = text.partition(".")
            if owner == self.place.first_parameter and cls is not None:
                attrs[text] = self.program.as_written(value, f"{cls.name}.{attr}")

    def keeps_state(self, written: Value) -> bool:
        """True for statistics that a module keeps from call to call; a graph in them would grow without end."""
        method = self.place.name.rsplit(".", 1)[-1].lstrip("_")
        updates = method.startswith(("update", "observe"))
        return bool(written.memory) and all(self._is_state(one, updates) for one in written.memory)

    def _is_state(self, memory: Memory, updates: bool) -> bool:
        """A buffer that is called like statistics; in an update whatever starts without a gradient."""
        cls = self.place.cls
        if memory.origin is Origin.PARAMETER and updates:
            return self.program.passed(self.place.key, memory.label, _is_untracked)
        owner, _, attr = memory.label.rpartition(".")
        if cls is None or memory.origin is not Origin.ATTRIBUTE or owner != self.place.first_parameter:
            return False
        value = self.program.index.attribute(cls.name, attr)
        kept = self.program.index.is_buffer(cls.name, attr) and attr.endswith(_STATISTICS)
        return (updates or kept) and value is not None and value.tensor and value.live is False

    def _tell_others(self, memory: Memories, live: bool | None) -> None:
        for one in memory:
            match one.origin:
                case Origin.PARAMETER:
                    self.into[one.label] = join_live(iter((self.into.get(one.label, live), live)))
                case Origin.GLOBAL:
                    self.program.note_written(one.label, live)
                case Origin.ATTRIBUTE:
                    owner, _, attr = one.label.rpartition(".")
                    for name in self._owners(owner):
                        self.program.note_written(f"{name}.{attr}", live)

    def _owners(self, owner: str) -> list[str]:
        """Classes of the file that the attribute of `owner` may belong to."""
        index, cls = self.program.index, self.place.cls
        if cls is None or owner != self.place.first_parameter:
            return list(index.classes)
        return [info.name for info in (*index.lineage(cls.name), *index.heirs(cls.name))]
