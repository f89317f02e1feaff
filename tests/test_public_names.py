"""What `dir` and `help` show of the public modules: their public names, each with a sentence of its own."""

import inspect
import types
from importlib import import_module

import pytest

import wengert as wg

MODULES = [f"wengert.{name}" for name in wg.__all__ if isinstance(getattr(wg, name), types.ModuleType)]
MODULES += ["wengert", "wengert.data", "wengert.datasets", "wengert.models", "wengert.control", "wengert.api"]
DOCUMENTED = [
    (module, name)
    for module in MODULES
    for name in import_module(module).__all__
    if inspect.isroutine(getattr(import_module(module), name))
    or inspect.isclass(getattr(import_module(module), name))
]


@pytest.mark.parametrize("module", MODULES)
def test_dir_shows_the_public_names_alone(module):
    found = import_module(module)
    assert [name for name in dir(found) if not name.startswith("_")] == sorted(found.__all__)
    assert len(set(found.__all__)) == len(found.__all__)
    assert inspect.getdoc(found)[0].isupper() or inspect.getdoc(found).startswith("wengert")


@pytest.mark.parametrize(("module", "name"), DOCUMENTED)
def test_help_begins_with_a_sentence(module, name):
    thing = getattr(import_module(module), name)
    text = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    opening = inspect.cleandoc(text or "").split("\n\n")[0]
    assert opening[:1].isupper() or opening[:1] in ("`", "1")
    assert opening.endswith((".", ":"))
    assert not opening.startswith(f"{name}(")  # what a dataclass without a text of its own shows
