"""The unit protocol: plain JSON in, plain JSON out; what one worker does with files that are judged together.

Note [The protocol]
    Setup, once per worker: the fields of `Judging`; answered when the worker is ready.  A request: `stage` (`detect` or
    `prove`), `files` (each with `path`, `digest` of the plan or null, or `trouble`; `root` and `probes` of its
    configuration, `enabled` rules), `scripts` (script → files of the unit that it imports).  The answer: `files` in the
    same order, each with `state`, `record` and `data` (base64 of the new bytes, null if there are none); or `bad`, one
    line about the options, which ends the campaign. A record of state `judged` has the `document` of the file, as `fix
    --output-format json` prints it, and `after`, the digest of the new bytes; of state `more`, which asks for a proof,
    it says whether the file is a `script`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from fixinplace import files, pipeline
from fixinplace.commands import together
from fixinplace.commands.inputs import Input, failed
from fixinplace.commands.proving import Provers, Proving, has_guard, is_script
from fixinplace.commands.scope import Scope, broken
from fixinplace.config import BadConfig, Config
from fixinplace.model import Problem
from fixinplace.pipeline import Mode, Policy, Result
from fixinplace.report import document

Json = dict[str, Any]

CHANGED = "was changed by somebody else meanwhile; nothing was written to it"


@dataclass(frozen=True, slots=True)
class Judging:
    """The options that decide what is judged and how: `fix`'s own, with the same meaning."""

    mode: Mode = Mode.AUTO
    unsafe: bool = False
    probes: tuple[str, ...] = ()
    timeout: float = 60.0
    allow_run: bool = False
    inputs: bool = True
    cache: str | None = None
    sandbox: bool = False
    scope: Scope = Scope.TRACKED

    @property
    def policy(self) -> Policy:
        """What may be written."""
        return Policy(Mode(self.mode), self.unsafe)

    @property
    def proving(self) -> Proving:
        """What may be run."""
        cache = Path(self.cache) if self.cache is not None else None
        broken = Scope(self.scope) is Scope.BROKEN
        return Proving(tuple(self.probes), self.timeout, self.allow_run, self.inputs, cache, self.sandbox, broken)


class Judge:
    """Answers requests, one after the other; the fork server starts with the first proof and serves all of them."""

    def __init__(self, judging: Judging) -> None:
        self._policy = judging.policy
        self._narrow = Scope(judging.scope) is Scope.BROKEN
        self._provers = Provers(judging.proving)

    def close(self) -> None:
        """End the fork server."""
        self._provers.close()

    def answer(self, request: Json) -> Json:
        """The answer to one request; see Note [The protocol]."""
        try:
            items = [_read(each) for each in request["files"]]
            if request["stage"] == "detect":
                return {"files": [self._detected(item) for item in items]}
            return {"files": [_judged(result) for result in self._proved(items, request["scripts"])]}
        except BadConfig as error:
            return {"bad": str(error)}

    def _detected(self, item: Input | Result) -> Json:
        """The final word where nothing has to be run."""
        if isinstance(item, Result):
            return _judged(item)
        if not self._policy.runs:
            return _judged(pipeline.fix(item.source, item.enabled, self._policy, None))
        analysis = pipeline.analyse(item.source, item.enabled)
        script = has_guard(item.source) if self._narrow else is_script(item.source)
        if pipeline.fixes(analysis.findings) or script:
            return {"state": "more", "record": {"script": script}, "data": None}
        return _judged(Result(analysis, item.source, item.source.part.text))

    def _proved(self, items: Sequence[Input | Result], scripts: dict[str, list[str]]) -> list[Result]:
        self._provers.turn_to(
            {Path(script): frozenset(PurePath(file) for file in found) for script, found in scripts.items()}
        )
        items = broken(items, self._provers) if self._narrow else items
        joint = together.joint([item for item in items if isinstance(item, Input)], self._policy, self._provers)
        results: list[Result] = []
        for item in items:
            if isinstance(item, Result):
                results.append(item)
            elif item.source.path in joint:
                results.append(joint[item.source.path])
            else:
                prover = self._provers.prover(item.source, item.config)
                results.append(pipeline.fix(item.source, item.enabled, self._policy, prover, item.narrowed))
        return results


def _read(file: Json) -> Input | Result:
    """The source as it was planned; a result where it cannot be read or is another by now."""
    if file.get("trouble"):
        return failed(files.unreadable(file["path"], file["trouble"]))
    source = files.read(file["path"])
    if isinstance(source, Problem):
        return failed(source)
    if source.digest != file["digest"]:
        return failed(Problem("FIP905", file["path"], CHANGED))
    own = Config(Path(file["root"]), probes=tuple(file["probes"]), recorded=file.get("recorded", ""))
    return Input(source, own, frozenset(file["enabled"]))


def _judged(result: Result) -> Json:
    data = result.data if result.changed else None
    after = hashlib.sha256(data).hexdigest() if data is not None else None
    text = base64.b64encode(data).decode() if data is not None else None
    return {"state": "judged", "record": {"document": document.file(result), "after": after}, "data": text}
