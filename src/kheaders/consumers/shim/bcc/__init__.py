"""Stands before bcc on PYTHONPATH: it is replaced by the real package, whose programs then compile from slices.

It runs in the Python of the tool. Where that is too old for kheaders, or lacks what it needs, bcc stays as it is.
"""

import importlib
import importlib.util
import os
import sys


def _real() -> None:
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != here]
    del sys.modules[__name__]
    importlib.invalidate_caches()
    importlib.import_module(__name__)


def _install() -> None:
    """Have kheaders take part: imported from where this file lies, and nothing else from there."""
    if "kheaders" not in sys.modules:
        package = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
        spec = importlib.util.spec_from_file_location(
            "kheaders", os.path.join(package, "__init__.py"), submodule_search_locations=[package]
        )
        assert spec is not None and spec.loader is not None
        sys.modules["kheaders"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    importlib.import_module("kheaders.consumers.bcc").install()


if __name__ == "bcc":
    _real()
    try:
        _install()
    except Exception as error:
        _notes = os.environ.get("KHEADERS_EXEC_NOTES")
        if _notes:
            with open(_notes, "a") as _file:
                _file.write("full\tkheaders cannot run in this Python: {}\n".format(" ".join(str(error).split())))
