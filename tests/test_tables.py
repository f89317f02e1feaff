"""Tables of primal, tangent and adjoint equations, as the textbook and the lectures print them."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import MismatchError
from wengert.tables import BAR, DOT, justified

LOG, E6 = np.log(2.0), np.exp(6.0)


def plain(text):
    """A dot as ', a bar as _: v'1 and v_1."""
    return text.replace(DOT, "'").replace(BAR, "_")


def equations(table):
    return [plain(f"{row.name} = {row.expression}") for row in table.rows]


def bishop(x1, x2):
    """Deep Learning: Foundations and Concepts, equations 8.50 to 8.56."""
    v3 = x1 * x2
    v4 = np.sin(x2)
    v5 = np.exp(v3)
    v6 = v3 - v4
    return v5 + v6


def bishop_two(x1, x2):
    v3 = x1 * x2
    v4 = np.sin(x2)
    v5 = np.exp(v3)
    v6 = v3 - v4
    return v5 + v6, v5 * v6


class TestBishop:
    trace = wg.trace(bishop_two)(1.5, 0.8)
    E = np.exp(1.2)

    def test_primal(self):
        assert equations(self.trace.primal()) == [
            "v1 = x1",
            "v2 = x2",
            "v3 = v1 * v2",
            "v4 = sin(v2)",
            "v5 = exp(v3)",
            "v6 = v3 - v4",
            "v7 = v5 + v6",
            "v8 = v5 * v6",
        ]

    def test_primal_numbers(self):
        values = [row.value for row in self.trace.primal().rows]
        sine = np.sin(0.8)
        expected = [1.5, 0.8, 1.2, sine, self.E, 1.2 - sine, self.E + 1.2 - sine, self.E * (1.2 - sine)]
        assert values == pytest.approx(expected)

    def test_what_is_printed(self):
        assert str(wg.trace(bishop)(1.5, 0.8)).splitlines() == [
            "v1 = x1        float64   1.5",
            "v2 = x2        float64   0.8",
            "v3 = v1 * v2   float64   1.2",
            "v4 = sin(v2)   float64   0.717356",
            "v5 = exp(v3)   float64   3.32012",
            "v6 = v3 - v4   float64   0.482644",
            "v7 = v5 + v6   float64   3.80276",
            "output: v7",
        ]

    def test_tangent(self):
        """Equations 8.58 to 8.64; one pass serves both outputs."""
        table = self.trace.tangent()
        assert equations(table) == [
            "v'1 = 1",
            "v'2 = 0",
            "v'3 = v'1 * v2 + v'2 * v1",
            "v'4 = v'2 * cos(v2)",
            "v'5 = v'3 * v5",
            "v'6 = v'3 - v'4",
            "v'7 = v'5 + v'6",
            "v'8 = v'5 * v6 + v'6 * v5",
        ]
        assert [table[f"v{i}"] for i in range(1, 7)] == pytest.approx([1, 0, 0.8, 0, 0.8 * self.E, 0.8])
        assert table.result == pytest.approx((0.8 * self.E + 0.8, table["v8"]))

    def test_tangent_by_the_other_input(self):
        table = self.trace.tangent(0.0, 1.0)
        assert table["v7"] == pytest.approx(1.5 * self.E + 1.5 - np.cos(0.8))

    def test_adjoint(self):
        """Equations 8.70 to 8.76."""
        table = wg.trace(bishop)(1.5, 0.8).adjoint()
        assert equations(table) == [
            "v_7 = 1",
            "v_6 = v_7",
            "v_5 = v_7",
            "v_4 = -v_6",
            "v_3 = v_5 * v5 + v_6",
            "v_2 = v_3 * v1 + v_4 * cos(v2)",
            "v_1 = v_3 * v2",
        ]
        v3 = self.E + 1
        numbers = [1, 1, 1, -1, v3, 1.5 * v3 - np.cos(0.8), 0.8 * v3]
        assert [row.value for row in table.rows] == pytest.approx(numbers)
        assert table.result == pytest.approx([0.8 * v3, 1.5 * v3 - np.cos(0.8)])

    def test_adjoint_of_the_second_output(self):
        table = self.trace.adjoint(0.0, 1.0)
        assert equations(table)[:3] == ["v_8 = 1", "v_6 = v_8 * v5", "v_5 = v_8 * v6"]
        assert equations(self.trace.adjoint(1.0, 1.0))[2:4] == [
            "v_6 = v_7 + v_8 * v5",
            "v_5 = v_7 + v_8 * v6",
        ]

    def test_rows_can_be_looked_up(self):
        table = self.trace.adjoint()
        assert table["v3"] == table["v" + BAR + "3"] == pytest.approx(self.E + 1)
        assert len(table) == 7
        with pytest.raises(KeyError, match="v99"):
            table["v99"]


class TestLecture:
    """y = exp(xz) + xz/ln x + sin(ln x)/(xz) at x = 2, z = 3."""

    trace = wg.trace(lambda x, z: np.exp(x * z) + x * z / np.log(x) + np.sin(np.log(x)) / (x * z))(2.0, 3.0)
    by_x = 3 * E6 + 3 / LOG - 3 / LOG**2 + np.cos(LOG) / 12 - np.sin(LOG) / 12
    by_z = 2 * E6 + 2 / LOG - np.sin(LOG) / 18

    def test_value(self):
        assert self.trace.result == pytest.approx(E6 + 6 / LOG + np.sin(LOG) / 6)
        assert "v10 = sin(v9)" in str(self.trace)

    def test_forward(self):
        assert self.trace.tangent().result == pytest.approx(self.by_x)
        assert self.trace.tangent(0.0, 1.0).result == pytest.approx(self.by_z)

    def test_reverse(self):
        assert self.trace.adjoint().result == pytest.approx([self.by_x, self.by_z])

    def test_quotients_and_logarithms(self):
        assert "v'6 = v'1 / v1" in equations(self.trace.tangent())
        assert "v_5 = v_7 / v6" in equations(self.trace.adjoint())
        assert "v_1 = v_3 * v2 + v_5 * v2 + v_6 / v1 + v_9 / v1 + v_11 * v2" in equations(
            self.trace.adjoint()
        )


def test_sum_times_z():
    trace = wg.trace(lambda x, y, z: (x + y) * z)(-2.0, 5.0, -4.0)
    assert trace.result == -12
    assert equations(trace.primal())[3:] == ["v4 = v1 + v2", "v5 = v4 * v3"]
    assert equations(trace.adjoint()) == [
        "v_5 = 1",
        "v_4 = v_5 * v3",
        "v_3 = v_5 * v4",
        "v_2 = v_4",
        "v_1 = v_4",
    ]
    assert trace.adjoint().result == [-4, -4, 3]


def test_squared_norm_of_a_product():
    W, x = np.array([[0.1, 0.5], [-0.3, 0.8]]), np.array([0.2, 0.4])
    trace = wg.trace(lambda W, x: np.sum((W @ x) ** 2))(W, x)
    assert trace.result == pytest.approx(0.116)
    assert equations(trace.primal()) == ["v1 = W", "v2 = x", "v3 = v1 @ v2", "v4 = v3 ^ 2", "v5 = sum(v4)"]
    table = trace.adjoint()
    np.testing.assert_allclose(table["v3"], [0.44, 0.52])
    np.testing.assert_allclose(table["v1"], [[0.088, 0.176], [0.104, 0.208]])
    np.testing.assert_allclose(table["v2"], [-0.112, 0.636])
    assert "v_2 = v1ᵀ @ v_3" in equations(table)
    assert "v'3 = v'1 @ v2 + v1 @ v'2" in equations(trace.tangent())


def test_logistic_unit():
    """Also known as the circuit of gates: 0.73, and the gradients that flow to w and x."""
    w, x = np.array([2.0, -3.0, -3.0]), np.array([-1.0, -2.0])
    trace = wg.trace(lambda w, x: 1 / (1 + np.exp(-(w[0] * x[0] + w[1] * x[1] + w[2]))))(w, x)
    assert trace.result == pytest.approx(0.73, abs=5e-3)
    by_w, by_x = trace.adjoint().result
    np.testing.assert_allclose(by_w, [-0.2, -0.39, 0.2], atol=5e-3)
    np.testing.assert_allclose(by_x, [0.39, -0.59], atol=5e-3)
    assert trace.adjoint()["v14"] == pytest.approx(-0.53, abs=5e-3)


class TestForms:
    def test_arguments_are_named_and_trees_spelled_out(self):
        trace = wg.trace(lambda net, x: net["w"][0] * x)({"w": [2.0, 3.0]}, 5.0)
        assert equations(trace.primal())[:3] == ["v1 = net['w'][0]", "v2 = net['w'][1]", "v3 = x"]

    def test_types_and_large_values(self):
        text = str(wg.trace(lambda x: x * 2.0)(np.zeros((20, 30), np.float32)))
        assert "float32[20,30]" in text and "..." in text
        assert max(map(len, text.splitlines())) < 110

    def test_an_unused_input_is_zero(self):
        trace = wg.trace(lambda x, y: np.sin(x))(1.0, np.ones(2))
        assert trace.adjoint().result[1].tolist() == [0, 0]
        assert trace.tangent(0.0, np.ones(2)).result == 0

    def test_an_operation_without_derivative(self):
        trace = wg.trace(lambda x: np.where(x > 0, x, 0.1 * x))(np.array([1.0, -1.0]))
        assert "v2 = v1 > 0" in equations(trace.primal())
        np.testing.assert_allclose(trace.adjoint().result[0], [1, 0.1])
        assert not any(row.name.endswith("2") for row in trace.adjoint().rows)

    def test_several_results_of_one_operation(self):
        A = np.array([[2.0, 0.5], [0.5, 1.0]])
        trace = wg.trace(lambda A: np.sum(np.linalg.eigh(A)[0]))(A)
        assert "[0]" in str(trace) and "[1]" in str(trace)
        np.testing.assert_allclose(trace.adjoint().result[0], np.eye(2), atol=1e-12)

    def test_parentheses_where_they_matter(self):
        trace = wg.trace(lambda x: x * np.sqrt(1 + x) / (1 - x * x))(0.5)
        assert trace.adjoint().result == pytest.approx(
            [wg.numerical.derivative(lambda x: x * np.sqrt(1 + x) / (1 - x * x), 0.5)]
        )
        row = next(r for r in wg.trace(lambda x: np.tanh(x))(0.5).tangent().rows if r.name.endswith("2"))
        assert plain(row.expression) == "v'1 * (1 - v2 * v2)"

    def test_loops_are_one_row(self):
        trace = wg.trace(lambda x: wg.scan(lambda c, t: (c * t, c), 1.0, x)[0])(np.array([2.0, 3.0]))
        assert "scan(" in str(trace)
        np.testing.assert_allclose(trace.adjoint().result[0], [3, 2])

    def test_outputs_that_are_trees(self):
        trace = wg.trace(lambda x: {"a": x * 2, "b": (x, 7.0)})(3.0)
        assert trace.result == {"a": 6.0, "b": (3.0, 7.0)}
        assert trace.tangent().result == {"a": 2.0, "b": (1.0, 0.0)}
        assert str(trace).splitlines()[-1] == "output: v2, v1, 7"

    def test_nothing_to_show(self):
        assert str(wg.trace(lambda: 3.0)()).startswith("(no equations)")

    @pytest.mark.parametrize("pass_, what", [("tangent", "tangents"), ("adjoint", "cotangents")])
    def test_seeds_are_counted(self, pass_, what):
        trace = wg.trace(bishop)(1.5, 0.8)
        with pytest.raises(MismatchError, match=rf"test_tables.py:\d+: 3 {what} were given for \d leaves"):
            getattr(trace, pass_)(1.0, 2.0, 3.0)


@pytest.mark.parametrize("names, last", [(0, "   a   100"), (1, "a      100"), (2, "a     100 ")])
def test_names_stand_to_the_left_and_numbers_to_the_right(names, last):
    assert justified([["name", "rows"], ["a", "100"]], names).splitlines() == ["name  rows", last]
