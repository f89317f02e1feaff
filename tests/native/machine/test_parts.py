"""Modules in parts: what is shared is compiled once, and the parts together are the whole."""

import ctypes

import numpy as np
import pytest

from wengert.native.machine import host, ir, parts
from wengert.native.product.matmul import write_function
from wengert.native.product.plans import Product

LARGE = "\n".join(f"  %v{i + 1} = fadd double %v{i}, 1.0" for i in range(parts.WORTH))
INNER = "define internal double @inner(double %v0) nounwind {{\n{body}\n  ret double %v{count}\n}}\n"
OUTER = """define double @run(double %x) {
  %y = call double @inner(double %x)
  ret double %y
}
"""


def inner(body=LARGE, count=parts.WORTH):
    return INNER.format(body=body, count=count)


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """The texts that LLVM compiles, the cache being empty."""
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "cache"))
    texts = []
    compile_ = host.object_codes
    monkeypatch.setattr(host, "object_codes", lambda irs: texts.extend(irs) or compile_(irs))
    return texts


def value(text, x=0.5):
    code = host.load(text)
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("run"))(x)


def product_module(*shapes):
    """A module of products, named by their place."""
    module = ir.Module()
    for i, (m, n, k) in enumerate(shapes):
        write_function(module, Product(m, n, k, np.float32, (k, 1), (n, 1), n), f"product{i}")
    return str(module)


def product(code, i, m, n, k):
    rng = np.random.default_rng(m * n * k)
    a, b = rng.normal(size=(m, k)).astype("f4"), rng.normal(size=(k, n)).astype("f4")
    c, scratch = np.empty((m, n), "f4"), np.empty(1 << 20, np.uint8)
    types = [*[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_int64]
    ctypes.CFUNCTYPE(None, *types)(code.address(f"product{i}"))(
        *(x.ctypes.data for x in (a, b, c, scratch)), 0, m
    )
    return c, a @ b


def test_a_large_inner_function_is_a_module_of_its_own(compiled):
    text = inner() + OUTER
    assert value(text) == 0.5 + parts.WORTH
    shared, rest = compiled
    assert shared == inner().replace("define internal", "define").rstrip()
    assert rest.splitlines()[0] == "declare double @inner(double %v0) nounwind"
    assert rest.endswith(OUTER.rstrip())


def test_it_is_compiled_once_for_all_modules(compiled):
    value(inner() + OUTER)
    other = OUTER.replace("%y\n}", "%x\n}")
    assert value(inner() + other) == 0.5
    assert len(compiled) == 3
    assert value(inner() + OUTER) == value(inner() + OUTER)
    assert len(compiled) == 3


@pytest.mark.parametrize(
    "text",
    [
        inner("  %v1 = fadd double %v0, 1.0", 1) + OUTER,
        inner().replace("internal ", "") + OUTER,
        "@count = internal global double 0.0\n" + inner(LARGE.replace("%v0, 1.0", "%v0, %c").join(
            ["  %c = load double, ptr @count\n", ""])) + OUTER,
        'target triple = ""\n' + inner() + OUTER,
        "define double @run(double %x) { ret double %x }",
    ],
    ids=["small", "external", "variable", "other lines", "one line"],
)  # fmt: skip
def test_what_cannot_be_shared_stays_whole(text, compiled):
    assert parts.split(text) == ([], [text])
    assert value(text) > 0
    assert compiled == [text]


def test_constants_go_with_those_who_use_them():
    table = "@table = internal constant [2 x double] [double 1.0, double 2.0]\n"
    lonely = "@lonely = internal constant double 3.0\n"
    loads = "  %c = load double, ptr @table\n" + LARGE.replace("%v0, 1.0", "%v0, %c")
    (shared,), (rest,) = parts.split(table + lonely + inner(loads) + OUTER)
    assert table.rstrip() in shared
    assert "@lonely" not in shared + rest
    assert "@table" not in rest
    assert value(table + inner(loads) + OUTER) == 0.5 + parts.WORTH


def test_inner_functions_that_call_each_other():
    second = inner(LARGE.replace("fadd double %v0, 1.0", "call double @third(double %v0)")).replace(
        "@inner", "@second"
    )
    third = inner().replace("@inner", "@third")
    first = inner(LARGE.replace("fadd double %v0, 1.0", "call double @second(double %v0)"))
    text = first + second + third + OUTER
    assert [len(texts) for texts in parts.split(text)] == [3, 1]
    assert value(text) == 0.5 + 3 * parts.WORTH - 2


def test_a_mistake_in_the_text_is_llvms_to_tell():
    with pytest.raises(RuntimeError, match="parsing error"):
        host.load(inner() + "define double @run(double %x) {\n  ret double %x")


def test_products_share_their_tiles(compiled):
    shapes = [(16, 64, 32), (48, 128, 64)]
    for shape in shapes:
        before = len(compiled)
        found, expected = product(host.load(product_module(shape)), 0, *shape)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert before > 1
    assert len(compiled) == before + 1
    code = host.load(product_module(*shapes))
    assert len(compiled) == before + 2
    for i, shape in enumerate(shapes):
        np.testing.assert_allclose(*product(code, i, *shape), rtol=1e-4, atol=1e-4)


FEW = parts.WORTH - 10  # lines of a function that is not worth a module of its own


def chain(count):
    """Functions that call each other in turn, the last one first."""
    lines = "\n".join(LARGE.splitlines()[:FEW])
    functions = [
        f"define internal double @f{i}(double %v0) nounwind {{\n{lines}\n"
        f"  %r = call double @f{i + 1}(double %v{FEW})\n  ret double %r\n}}\n"
        for i in range(count)
    ]
    last = f"define internal double @f{count}(double %x) nounwind {{\n  ret double %x\n}}\n"
    return last + "".join(functions) + OUTER.replace("@inner", "@f0")


def test_a_long_rest_is_two_halves_that_call_each_other(compiled):
    text = chain(30)
    shared, halves = parts.split(text)
    assert not shared and len(halves) == 2
    assert abs(len(halves[0]) - len(halves[1])) < len(text) / 10
    assert value(text) == 0.5 + 30 * FEW
    assert compiled == halves


@pytest.mark.parametrize("text", [chain(1), "@count = internal global double 0.0\n" + chain(30)])
def test_what_is_short_or_has_variables_is_not_halved(text):
    assert parts.split(text) == ([], [text])


def test_several_at_a_time_are_each_as_alone():
    texts = [chain(i) for i in (5, 1, 9, 3, 7)]
    assert host.object_codes(texts) == [host.object_codes([text])[0] for text in texts]
    with pytest.raises(RuntimeError, match="parsing error"):
        host.object_codes([*texts, "define nonsense"])
