"""Packages that import their modules on first use."""

import ast
import os
import pathlib
import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = (
    "wengert.api",
    "wengert.estimators",
    "wengert.losses",
    "wengert.nn",
    "wengert.optim",
    "wengert.train",
)


def _declared(package):
    """Names and modules as type checkers read them."""
    source = pathlib.Path(import_module(package).__file__).read_text()
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return {
        alias.name: node.module for node in imports if node.module.startswith(package) for alias in node.names
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_what_type_checkers_take_them_for(package):
    module, declared = import_module(package), _declared(package)
    assert sorted(declared) == sorted(module.__all__) and dir(module) == sorted(module.__all__)
    for name, home in declared.items():
        assert getattr(module, name) is getattr(import_module(home), name), name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there(package):
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = import_module(package).nothing
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec(f"from {package} import nothing")


def test_training_a_perceptron_imports_what_it_needs():
    program = """
import sys
import numpy as np
import wengert as wg
wg.MLPRegressor(max_iter=1, random_state=0).fit(np.eye(3), np.arange(3.0))
print(*sorted(name for name in sys.modules if name.startswith("wengert.")))
from wengert.optim import *
print(LBFGS.__module__)
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    loaded, of_lbfgs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"wengert.nn._mlp", "wengert.optim._moments", "wengert.train._trainer"} <= {*loaded.split()}
    unused = {
        "wengert.api._checks",
        "wengert.nn._unit_graph",
        "wengert.optim._whole_batch",
        "wengert.train._fit",
    }
    assert not unused & {*loaded.split()}
    assert of_lbfgs == "wengert.optim._whole_batch"


FORK = """
import os, signal, sys, threading, time
import wengert.api

wengert.__path__.append(sys.argv[1])
thread = threading.Thread(target=lambda: __import__("wengert.slow"))
thread.start()
while "wengert.slow" not in sys.modules:
    time.sleep(0.001)
pid = os.fork()
if not pid:
    signal.alarm(20)
    import wengert.slow
    os._exit(wengert.slow.done)
status = os.waitpid(pid, 0)[1]
thread.join()
sys.exit(os.waitstatus_to_exitcode(status) != 7)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that fork")
def test_a_fork_while_another_thread_imports(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.5)\ndone = 7\n")
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK, tmp_path], timeout=60, check=True)
