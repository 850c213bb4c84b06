"""Found first by every Python that a recorded command starts: begins to watch, then gives way to the user's own."""

import importlib.util
import os
import sys

_NAME, _HOOK = "sitecustomize", "fixinplace_recording"
_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - in every process: nothing more is imported


def _begin(folder: str) -> None:
    home = os.path.join(os.path.dirname(_HERE), "hook")  # noqa: PTH118, PTH120
    spec = importlib.util.spec_from_file_location(_HOOK, os.path.join(home, "__init__.py"), submodule_search_locations=[home])  # noqa: PTH118, E501  # fmt: skip
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[_HOOK] = module
    spec.loader.exec_module(module)
    module.begin(folder)


def _give_way() -> None:
    """Import the `sitecustomize` that this one hides, if there is one."""
    own = sys.modules.pop(_NAME)
    try:
        importlib.import_module(_NAME)
    except ImportError as error:
        if error.name != _NAME:
            raise
        sys.modules[_NAME] = own


if __name__ == _NAME:
    sys.path[:] = [each for each in sys.path if os.path.abspath(each or os.curdir) != _HERE]  # noqa: PTH100
    if "FIXINPLACE_RECORDING" in os.environ and sys.version_info >= (3, 11):
        _begin(os.environ["FIXINPLACE_RECORDING"])
    _give_way()
