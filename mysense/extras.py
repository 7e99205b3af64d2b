"""Libraries that only some plugins need: imported when used, named when missing."""

from importlib import import_module
from types import ModuleType


def library(module: str, extra: str) -> ModuleType:
    """Import *module*; when it is missing, say which extra of mysense brings it.

    Raises ImportError with the line to type. Call it in a plugin's ``open``, so that a
    kit without the plugin needs neither the library nor the memory it takes.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # the library is there, something below it is not
        hint = f"needs the library {error.name!r}: pip install 'mysense[{extra}]'"
        raise ModuleNotFoundError(hint, name=error.name) from None
