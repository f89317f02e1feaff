r"""Draws the picture of the README: an evaluation trace with primal, tangent and adjoint value in every node.

The function is Bishop's, :math:`f(x_1, x_2) = x_1 x_2 + e^{x_1 x_2} - \sin x_2`; nodes, edges and numbers are
read off ``wg.trace(f)`` itself. Another function of numbers can be drawn the same way.

    python docs/picture.py        writes docs/trace-light.svg and docs/trace-dark.svg
"""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

import wengert as wg


class Palette(NamedTuple):
    """Colours of one appearance; the background is left to the page."""

    text: str
    faint: str
    box: str
    edge: str
    tangent: str
    adjoint: str


PALETTES = {
    "light": Palette("#1f2328", "#59636e", "#f6f8fa", "#afb8c1", "#0a5fc4", "#b3470a"),
    "dark": Palette("#f0f6fc", "#9198a1", "#161b22", "#4b535d", "#6cb0ff", "#ffa25c"),
}
WIDTH, HEIGHT, ACROSS, DOWN = 2.1, 1.5, 3.0, 2.15  # of a node, and from one node to the next


class Node(NamedTuple):
    """A variable of the trace: its equation, its three values, and the variables it is computed from."""

    name: str
    expression: str
    primal: float
    tangent: float
    adjoint: float
    parents: tuple[str, ...]


def f(x1: Any, x2: Any) -> Any:
    """Bishop's example, equation 8.50, written in the order of his evaluation trace."""
    product, sine = x1 * x2, np.sin(x2)
    return np.exp(product) + (product - sine)


def nodes(function: Callable[..., Any], *numbers: float) -> list[Node]:
    """Every variable of the trace of a function of numbers; tangents are those of the first input."""
    trace = wg.trace(function)(*numbers)
    names = trace.names()
    parents = {names[e.outputs[0]]: tuple(names[v] for v in e.variables()) for e in trace.equations}
    tangents, adjoints = trace.tangent(), trace.adjoint()
    return [
        Node(row.name, row.expression, float(row.value), float(tangents[row.name]),
             float(adjoints[row.name]), parents.get(row.name, ()))
        for row in trace.primal().rows
    ]  # fmt: skip


def places(found: list[Node]) -> dict[str, tuple[float, float]]:
    """Columns by the longest way from an input; each column centred, in the order of assignment."""
    depth: dict[str, int] = {}
    for node in found:
        depth[node.name] = 1 + max((depth[parent] for parent in node.parents), default=-1)
    columns = defaultdict(list)
    for node in found:
        columns[depth[node.name]].append(node.name)
    return {
        name: (ACROSS * column, DOWN * ((len(members) - 1) / 2 - i))
        for column, members in columns.items()
        for i, name in enumerate(members)
    }


def formula(text: str) -> str:
    """``exp(v3)`` as mathematics."""
    text = re.sub(r"([vx])(\d+)", r"\1_{\2}", text).replace(" * ", r"\,")
    return "$" + re.sub(r"\b(exp|sin|cos|ln)\b", r"\\\1", text) + "$"


def named(name: str, accent: str = "") -> str:
    """``v3`` with an accent, as mathematics."""
    letter, index = name[0], name[1:]
    return f"${accent}{{{letter}}}_{{{index}}}$" if accent else f"${letter}_{{{index}}}$"


def short(number: float) -> str:
    """Four digits, with a true minus sign."""
    return f"{number + 0.0:.4g}".replace("-", "\N{MINUS SIGN}")


def draw_node(axes: Axes, node: Node, place: tuple[float, float], colours: Palette) -> None:
    """A box with the equation, and below it the three values."""
    x, y = place
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    look = {"facecolor": colours.box, "edgecolor": colours.edge, "linewidth": 1.1, "zorder": 2}
    axes.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, "round,pad=0,rounding_size=0.12", **look))
    title = f"{named(node.name)} = {formula(node.expression)}"
    axes.text(x, y + 0.48, title, color=colours.text, fontsize=14, ha="center", va="center", zorder=3)
    lines = [
        (named(node.name), node.primal, colours.text),
        (named(node.name, r"\dot"), node.tangent, colours.tangent),
        (named(node.name, r"\bar"), node.adjoint, colours.adjoint),
    ]
    for i, (label, value, colour) in enumerate(lines):
        height = y + 0.12 - 0.32 * i
        axes.text(x - 0.3, height, label, color=colour, fontsize=12, ha="right", va="center", zorder=3)
        axes.text(x - 0.18, height, f"= {short(value)}", color=colour, fontsize=12, va="center", zorder=3)


def draw_edge(axes: Axes, start: tuple[float, float], end: tuple[float, float], colours: Palette) -> None:
    """An arrow from a variable to one that is computed from it."""
    down = np.sign(end[1] - start[1])
    a = (start[0] + WIDTH / 2, start[1] + 0.25 * down)
    b = (end[0] - WIDTH / 2, end[1] - 0.25 * down)
    look = {"color": colours.faint, "linewidth": 1.2, "zorder": 1}
    axes.add_patch(FancyArrowPatch(a, b, arrowstyle="-|>", mutation_scale=13, shrinkA=2, shrinkB=2, **look))


def draw_key(axes: Axes, left: float, right: float, height: float, colours: Palette) -> None:
    """What the three colours mean."""
    middle = (left + right) / 2 - 1.5
    tangent = r"tangent $\dot{v}_i = \partial v_i / \partial x_1$: one pass forwards"
    adjoint = r"adjoint $\bar{v}_i = \partial f / \partial v_i$: one pass backwards"
    lines = [
        (left, "left", r"primal $v_i$", colours.text),
        (middle, "center", tangent, colours.tangent),
        (right, "right", adjoint, colours.adjoint),
    ]
    for x, side, text, colour in lines:
        axes.text(x, height, text, color=colour, fontsize=12, ha=side, va="center")


def picture(found: list[Node], colours: Palette) -> Figure:
    """The whole trace."""
    where = places(found)
    xs, ys = zip(*where.values(), strict=True)
    left, right = min(xs) - WIDTH / 2 - 0.1, max(xs) + WIDTH / 2 + 0.1
    bottom, top = min(ys) - HEIGHT / 2 - 0.1, max(ys) + HEIGHT / 2 + 0.65
    figure = Figure(figsize=(0.82 * (right - left), 0.82 * (top - bottom)))
    figure.patch.set_alpha(0)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set_axis_off()
    for node in found:
        draw_node(axes, node, where[node.name], colours)
        for parent in dict.fromkeys(node.parents):
            draw_edge(axes, where[parent], where[node.name], colours)
    draw_key(axes, left + 0.12, right - 0.12, top - 0.2, colours)
    return figure


def main(folder: Path = Path(__file__).parent) -> None:
    """Write the picture in both appearances."""
    style = {"mathtext.fontset": "dejavusans", "svg.hashsalt": "wengert", "svg.fonttype": "path"}
    with matplotlib.rc_context(style):
        for name, colours in PALETTES.items():
            figure = picture(nodes(f, 1.0, 2.0), colours)
            figure.savefig(folder / f"trace-{name}.svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
