"""What an exception of the user's program means: torch's in-place errors, a lack of this machine, or its own bug."""

from __future__ import annotations

import re

from fixinplace.verify.jobs import Failure, Run, Status

_INPLACE = re.compile(
    r"has been modified by an inplace operation"
    r"|leaf Variable that requires grad is being used in an in-place operation"
    r"|\bmodified inplace\b"
    r"|[Ii]nplace update to inference tensor outside InferenceMode"
    r"|Inference tensors cannot be saved for backward"
    r"|more than one element of the written-to tensor refers to a single memory location"
    r"|some elements of the input tensor and the written-to tensor refer to a single memory location"
    r"|Can't detach views in-place"
    r"|(?:has been|was) detached in-?place"
    r"|functions with out=\.\.\. arguments don't support automatic differentiation"
    r"|attempted to call in-place operation .* that would mutate a captured Tensor"
    r"|vmap: .* is not possible because there exists a Tensor"
    r"|Batch norm got a batched tensor as input while the running_mean or running_var"
)
FREED = "Trying to backward through the graph a second time"
_GPU = re.compile(
    r"Found no NVIDIA driver|not compiled with CUDA|No CUDA GPUs are available|CUDA driver|CUDA error"
    r"|with the '?CUDA'? backend|not linked with support for (?:cuda|mps|xpu|hip) devices|Torch not compiled with"
    r"|deserialize object on a CUDA device|error from cudaGetDeviceCount"
)
_CONFINED = re.compile(
    r"\[Errno (?:13|30|97|101)\]|Network is unreachable|Temporary failure in name resolution|Name or service not known"
)
"""What landlock and a network without interfaces answer: EACCES, EROFS, EAFNOSUPPORT, ENETUNREACH."""
_MEMORY = re.compile(r"can't allocate memory|[Cc]annot allocate memory|out of memory|unable to mmap|std::bad_alloc")


def is_inplace(failure: Failure) -> bool:
    """True for the errors by which autograd refuses an in-place write, at the write or at the backward."""
    return _INPLACE.search(failure.message) is not None


def is_broken(run: Run) -> bool:
    """True if an in-place error ended the run, or ended one of its backwards and was caught by the program."""
    return bool(inplace_failures(run))


def inplace_failures(run: Run) -> list[Failure]:
    """The in-place errors of a run, the one that ended it first."""
    ended = () if run.failure is None else (run.failure,)
    return [each for each in (*ended, *run.failures) if is_inplace(each)]


def is_freed(failure: Failure) -> bool:
    """True for the error of a backward into a graph that an earlier backward has used up."""
    return FREED in failure.message


def refuses_inference(failure: Failure) -> bool:
    """True for the errors about tensors that were made in inference mode."""
    return "inference tensor" in failure.message.lower() and is_inplace(failure)


def refuses_leaf(failure: Failure) -> bool:
    """True for the errors about a leaf, or a view of one, that is written in grad mode."""
    return "leaf Variable that requires grad is being used" in failure.message


def refuses_shared(failure: Failure) -> bool:
    """True for the error about a tensor that is written and has elements which share memory."""
    return "more than one element of the written-to tensor refers to a single memory location" in failure.message


def refuses_output(failure: Failure) -> bool:
    """True for the error about a view that a custom Function has returned and that is written."""
    return "This view was created inside a custom Function" in failure.message and is_inplace(failure)


def refuses_hooks(failure: Failure) -> bool:
    """True for the errors of torch.func under saved-tensor hooks, and of a function that writes what is around it.

    See Note [Functionalised transforms].
    """
    return any(words in failure.message for words in ("support saved tensor hooks", "mutating a non-functional tensor"))


def obstacle(run: Run) -> tuple[str, str] | None:
    """Why a run is no evidence, a name of `names.UNPROVED` and a sentence; an in-place error is no obstacle."""
    if run.status is Status.TIMED_OUT:
        return "timed-out", f"the run was {run.detail}"
    if run.status is not Status.ENDED:
        return "probe-failed", f"the run left no end record: {run.detail}"
    if run.interpreter:
        return "probe-failed", run.interpreter
    if run.failure is None:
        return _of_exit(run)
    return None if is_inplace(run.failure) or _told_by_exit(run) else _of_failure(run.failure)


def _of_exit(run: Run) -> tuple[str, str] | None:
    """The lack of this machine that a program has caught and names when it leaves; other exit codes are values."""
    named = any(words.search(run.exit) for words in (_GPU, _CONFINED, _MEMORY))
    return _of_failure(Failure("SystemExit", run.exit)) if named else None


def needs_gpu(message: str) -> bool:
    """True for the message of an error that says that a device is not here."""
    return _GPU.search(message) is not None


def _told_by_exit(run: Run) -> bool:
    """True if a function caught its in-place error and ends the program with a code of its own."""
    return run.failure is not None and run.failure.type == "SystemExit" and any(map(is_inplace, run.failures))


def _of_failure(failure: Failure) -> tuple[str, str]:
    if failure.missing:
        return (
            "needs-package",
            f"the program imports {failure.missing.partition('.')[0]}, which is not installed",
        )
    if needs_gpu(failure.message):
        return "needs-gpu", f"the program needs a GPU: {failure.sentence}"
    if failure.type in ("MemoryError", "OutOfMemoryError") or _MEMORY.search(failure.message):
        return "over-memory", f"the program needs more memory than it may use: {failure.sentence}"
    if _CONFINED.search(failure.message):
        allowed = "the sandbox, which lets it write to a scratch folder only and reach no network"
        return "probe-failed", f"the program is stopped by {allowed}: {failure.sentence}"
    return "probe-failed", f"the program fails by itself: {failure.sentence}"
