"""The README and the pages keep their word: every block of code runs and prints what it says, links lead
somewhere."""

import doctest
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/tour.md", "docs/command_line.md", "docs/decisions.md")
}
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d*)?(?:e[+-]?\d+)?")


def all_blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of each block of code."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    return [code for found, code in all_blocks(page) if found == language]


def split(text: str) -> tuple[list[str], list[float]]:
    """The words of a text, white space aside, and its numbers."""
    return NUMBER.sub("#", text).split(), [float(number) for number in NUMBER.findall(text)]


class CloseNumbers(doctest.OutputChecker):
    """Words must be the same; the last digits of numbers depend on the machine."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        (words, numbers), (got_words, got_numbers) = split(want), split(got)
        same = words == got_words and len(numbers) == len(got_numbers)
        return (same and np.allclose(numbers, got_numbers, rtol=1e-5, atol=1e-12)) or super().check_output(
            want, got, optionflags
        )


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_is_tested(page):
    assert {language for language, _ in all_blocks(page)} <= {"pycon", "console", "text"}
    assert PAGES[page].count("\n```") == 2 * len(all_blocks(page))


@pytest.mark.parametrize(
    ("page", "fewest"), [("README.md", 10), ("docs/tour.md", 50), ("docs/command_line.md", 3)]
)
def test_the_tour(page, fewest):
    """In one session, from the first block to the last."""
    test = doctest.DocTestParser().get_doctest("\n".join(blocks(page, "pycon")), {}, page, page, 0)
    runner = doctest.DocTestRunner(
        CloseNumbers(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    report: list[str] = []
    runner.run(test, out=report.append)
    assert len(test.examples) > fewest
    assert not report, "".join(report)


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("[1.0, 2]", "[1.,  2.0000001]", True),
        ("[1.0, 2]", "[1.0, 2.001]", False),
        ("v1 = 2.50", "v1 =  2.5000001", True),
        ("v1 = 2", "v2 = 2", False),
    ],
)
def test_numbers_are_compared_as_numbers(want, got, same):
    assert CloseNumbers().check_output(want, got, 0) is same


def commands(page: str = "README.md") -> list[tuple[str, str]]:
    """Every command, and the output printed below it."""
    parts = [
        part
        for block in blocks(page, "console")
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)
        if part
    ]
    return [(line, output) for line, _, output in (part.partition("\n") for part in parts)]


def run(line: str, folder: Path) -> str:
    """The standard output of a ``wengert`` command."""
    words = line.split()
    assert words[0] == "wengert"
    code = "from wengert.cli import main; main()"
    environment = {**os.environ, "MPLCONFIGDIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code, *words[1:]], cwd=folder, env=environment,
                          capture_output=True, text=True, encoding="utf-8", check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", ["README.md", "docs/command_line.md"])
def test_the_commands(page, tmp_path):
    lines = [line for line, _ in commands(page) if not line.startswith("make ")]
    assert len(lines) == 5
    for line in lines:
        run(line, tmp_path)
    made = {"wine.wengert", "wine.html", "predictions.parquet", "wine.c"}
    assert {path.name for path in tmp_path.iterdir()} >= made


def test_make_demo_ends_as_printed(tmp_path):
    """The command of the Makefile, and the README's last lines of it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    variables = dict(re.findall(r"^(DEMO_\w+)\s*:=\s*(.*)$", makefile, re.MULTILINE))
    flags = variables["DEMO_FLAGS"].replace("$(DEMO_DIR)", variables["DEMO_DIR"])
    (tmp_path / variables["DEMO_DIR"]).mkdir()
    printed = run(f"wengert train {flags}", tmp_path).splitlines()
    promised = dict(commands())["make demo"].splitlines()[1:]
    for want, got in zip(promised, printed[-len(promised) :], strict=True):
        assert split(want)[0] == split(got)[0]
        np.testing.assert_allclose(split(want)[1], split(got)[1], atol=0.02)


def test_make_has_the_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake (\w+)\b(?=`|$)", PAGES["README.md"], re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize(("page", "fewest"), [("README.md", 8), ("docs/tour.md", 0)])
def test_links_and_files_exist(page, fewest):
    links = re.findall(r'\]\((?!http)([^)#]+)\)|(?:src|srcset)="([^"]+)"', PAGES[page])
    assert len(links) >= fewest
    for path in (a or b for a, b in links):
        assert ((ROOT / page).parent / path).exists(), path


def test_the_map_names_what_is_there():
    (drawing,) = blocks("README.md", "text")
    folder = ROOT / "src/wengert"
    for line in drawing.splitlines()[1:]:
        if line.startswith("  "):
            names = re.match(r"  ((?:[\w.]+/?\s{1,2})+)\s{2,}", line)
            for name in names[1].split() if names else ():
                assert (folder / name).exists(), name


@pytest.mark.parametrize("numbers", [(1.0, 2.0), (0.5, -1.0)])
def test_the_picture_shows_the_derivatives(numbers, monkeypatch):
    """Last tangent and first adjoints against the formula; the numbers at (1, 2) are those of the README."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import picture

    found = picture.nodes(picture.f, *numbers)
    a, b = numbers
    assert found[-1].primal == pytest.approx(a * b + np.exp(a * b) - np.sin(b))
    assert found[-1].tangent == pytest.approx(b + b * np.exp(a * b)) == found[0].adjoint
    assert found[1].adjoint == pytest.approx(a + a * np.exp(a * b) - np.cos(b))
    assert [node.parents for node in found[2:]] == [
        ("v1", "v2"), ("v2",), ("v3",), ("v3", "v4"), ("v5", "v6"),
    ]  # fmt: skip


@pytest.mark.parametrize("script, drawn", [("picture", "trace"), ("learning_curve", "learning-curve")])
def test_a_picture_is_drawn(script, drawn, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import_module(script).main(tmp_path)
    for name in (f"{drawn}-light.svg", f"{drawn}-dark.svg"):
        assert (tmp_path / name).read_text().startswith("<?xml")
        assert (ROOT / "docs" / name).stat().st_size > 10_000
