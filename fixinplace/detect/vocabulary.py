"""The words that forbid `safe`, and what the findings say of them; see Note [Words of a file] in `words.py`."""

from __future__ import annotations

SWITCHES = "the file switches grad mode in a way that cannot be followed"
SUBCLASS = "the file defines a class of tensors"
HOOKS = "the file registers forward hooks, which may keep a module's output"
INTERCEPTS = "the file intercepts torch's operations"
REPLACES = "the file replaces parts of modules by name"
SETS = "the file sets attributes by name"
CHANGES = "the file changes which layers a module has"
REMOVES = "the file removes parts of modules"
EXPECTS = "the file expects errors"
SUPPRESSES = "the file suppresses errors"
HANDLES = "the file handles errors that torch may raise"
ELSEWHERE = "the file runs code in threads, processes, tasks or callbacks, whose errors end there"
PACKS = "the file hooks saved tensors, which switches torch's own check off"
TAPS = "the file taps what layers return"
COUNTS = "the file counts the operations that torch runs"
AGAIN = "the file uses checkpointing, which switches torch's own check off"
PATCHES = "the file may replace what names of torch, or of Python, stand for"
NAMESPACE = "the file may write into its own names as into a table"
CLASSES = "the file makes or changes a class in a way that is not followed"
WORDS = {
    "autocast": "the file uses autocast, which mixes dtypes",
    "set_default_dtype": "the file changes the default dtype",
    "register_forward_hook": HOOKS,
    "register_module_forward_hook": HOOKS,
    "register_forward_pre_hook": HOOKS,
    "register_module_forward_pre_hook": HOOKS,
    "TorchDispatchMode": INTERCEPTS,
    "TorchFunctionMode": INTERCEPTS,
    "__torch_function__": INTERCEPTS,
    "__torch_dispatch__": INTERCEPTS,
    "saved_tensors_hooks": PACKS,
    "save_on_cpu": PACKS,
    "set_submodule": REPLACES,
    "fuse_modules": REPLACES,
    "fuse_modules_qat": REPLACES,
    "register_module": REPLACES,
    "__defaults__": REPLACES,
    "__kwdefaults__": REPLACES,
    "__code__": REPLACES,
    "__setstate__": REPLACES,
    "register_module_module_registration_hook": REPLACES,
    "expectedFailure": EXPECTS,
    "Thread": ELSEWHERE,
    "Timer": ELSEWHERE,
    "Process": ELSEWHERE,
    "submit": ELSEWHERE,
    "ThreadPoolExecutor": ELSEWHERE,
    "ProcessPoolExecutor": ELSEWHERE,
    "starmap_async": ELSEWHERE,
    "imap": ELSEWHERE,
    "imap_unordered": ELSEWHERE,
    "add_done_callback": ELSEWHERE,
    "apply_async": ELSEWHERE,
    "map_async": ELSEWHERE,
    "create_task": ELSEWHERE,
    "ensure_future": ELSEWHERE,
    "call_soon": ELSEWHERE,
    "call_later": ELSEWHERE,
    "call_at": ELSEWHERE,
    "call_soon_threadsafe": ELSEWHERE,
    "run_in_executor": ELSEWHERE,
    "start_new_thread": ELSEWHERE,
    "fork": ELSEWHERE,
    "__del__": ELSEWHERE,
    "excepthook": ELSEWHERE,
    "unraisablehook": ELSEWHERE,
    "xfail": EXPECTS,
    "TextTestRunner": EXPECTS,
    "TestResult": EXPECTS,
    "runTest": EXPECTS,
    "retry": SUPPRESSES,
    "__setattr__": SETS,
    "create_feature_extractor": TAPS,
    "IntermediateLayerGetter": TAPS,
    "as_subclass": "the file makes tensors of other classes",
    "assertRaises": EXPECTS,
    "assertRaisesRegex": EXPECTS,
    "monkeypatch": "the file may replace functions for a while",
    "settrace": "the file traces its own execution",
    "setprofile": "the file traces its own execution",
    "f_locals": "the file traces its own execution",
}
UNCHECKED = frozenset((PACKS, AGAIN))
"""Doubts about what switches torch's own check off."""
NOTICED = frozenset((EXPECTS, SUPPRESSES, ELSEWHERE, HANDLES))
"""Doubts about who may see that an error is raised."""
MIXES = frozenset((WORDS["autocast"], WORDS["set_default_dtype"]))
"""Doubts about the dtype that several operands give together."""
RUNNING = frozenset((COUNTS, *UNCHECKED, *NOTICED, *MIXES))
"""Doubts about what goes on while a trainer calls the network that it was handed, whichever that is."""
LASTING = frozenset(
    (
        WORDS["set_default_dtype"],
        WORDS["settrace"],
        WORDS["monkeypatch"],
        INTERCEPTS,
        SUBCLASS,
        PATCHES,
        NAMESPACE,
    )
)
"""What does not end with the call that does it, or is about a class of tensors, of which anything may be one.

What switches grad mode is none of them: it matters between the lines that make and that write a tensor, and what is
called between them is around them.
"""
LIBRARIES = {
    "pytest.raises": EXPECTS,
    "contextlib.suppress": SUPPRESSES,
    "contextlib.ExitStack": SUPPRESSES,
    "contextlib.AsyncExitStack": SUPPRESSES,
    "torch.fx": "the file interprets traced graphs, which may keep what layers return",
    "torchvision.models.feature_extraction": TAPS,
    "atexit": ELSEWHERE,
    "sched": ELSEWHERE,
    "types.new_class": CLASSES,
    "dataclasses.make_dataclass": CLASSES,
    "torch.profiler": COUNTS,
    "torch.autograd.profiler": COUNTS,
    "weakref": "the file holds weak references",
    "unittest.mock.patch": "the file may replace functions for a while",
    "mock.patch": "the file may replace functions for a while",
}
"""What must be imported to be used."""
