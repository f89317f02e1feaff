r"""The search for good options: many are tried for a few epochs, and the better ones of them for longer.

*Successive halving* trains n candidates for r epochs, keeps the best third of them for 3r epochs, the best
third of these for 9r, and so on to the last,

.. math:: n_{i+1} = \lceil n_i / \eta \rceil, \qquad r_{i+1} = \eta\, r_i, \qquad \eta = 3,

so that every round costs about the same and most of the work goes to what is promising. The search is
scikit-learn's; what it asks for is kept in a journal, a line for each training, and a search that goes on
from a journal finds there what is known already.

References
----------
Jamieson and Talwalkar, *Non-stochastic best arm identification and hyperparameter optimization*,
AISTATS 2016.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (makes the import below possible)
from sklearn.model_selection import HalvingRandomSearchCV

from wengert._files import write_atomically
from wengert._jobs import training
from wengert._jobs.options import Options
from wengert._jobs.training import Course, Problem
from wengert.errors import DataError, DivergenceError

Array = np.ndarray
Said = Callable[[str], None]

FACTOR = 3
FEWEST_EPOCHS = 3
WORST = -1e30  # the score of a training that diverged


class LogUniform:
    """Numbers between two ends, as often of each order of magnitude, rounded to three digits."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def rvs(self, size: Any = None, random_state: Any = None) -> float:
        """One of them, as SciPy's distributions draw."""
        value = math.exp(random_state.uniform(math.log(self.low), math.log(self.high)))
        return float(f"{value:.3g}")


SPACE: dict[str, Any] = {
    "hidden": [(32,), (64,), (128,), (256,), (64, 32), (128, 64), (256, 128), (64, 64, 64)],
    "activation": ["relu", "tanh", "silu", "elu"],
    "learning_rate": LogUniform(3e-4, 3e-2),
    "weight_decay": LogUniform(1e-3, 1.0),
    "dropout": ["0", "0", "0.1", "0.3"],
    "normalisation": [None, None, "batch"],
    "batch_size": [16, 32, 64, 128],
}


class Journal:
    """What is known of trainings, and a file in which it is kept line by line."""

    def __init__(self, path: Path) -> None:
        self.path, self.known = path, dict[str, float]()
        if path.exists():
            *lines, last = path.read_text(encoding="utf-8").split("\n")
            self.known = dict(map(self._entry, lines))
            if last:  # cut short when the search was ended
                write_atomically(path, "".join(line + "\n" for line in lines).encode())

    def _entry(self, line: str) -> tuple[str, float]:
        try:
            entry = json.loads(line)
            return json.dumps(entry["trained"], sort_keys=True), float(entry["error"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.path}: is no journal of a search; delete it, or choose another name"
            ) from error

    def error(self, trained: Mapping[str, Any], compute: Callable[[], float]) -> float:
        """The error of a training, from the journal if it is there."""
        key = json.dumps(trained, sort_keys=True)
        if key not in self.known:
            self.known[key] = compute()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"trained": trained, "error": self.known[key]}) + "\n")
        return self.known[key]


class Candidate(BaseEstimator):
    """A training with some options, as scikit-learn's search knows it."""

    def __init__(
        self,
        search: Any = None,
        epochs: int = 1,
        hidden: Any = (128,),
        activation: str = "relu",
        learning_rate: float = 2e-3,
        weight_decay: float = 0.1,
        dropout: str = "0",
        normalisation: str | None = None,
        batch_size: int = 32,
    ) -> None:
        self.search, self.epochs = search, epochs
        self.hidden, self.activation, self.learning_rate = hidden, activation, learning_rate
        self.weight_decay, self.dropout = weight_decay, dropout
        self.normalisation, self.batch_size = normalisation, batch_size

    def fit(self, x: Array, y: Any = None) -> "Candidate":
        """Train: the rows are those of the problem."""
        chosen = {name: value for name, value in self.get_params(deep=False).items() if name != "search"}
        self.error_ = self.search.error(chosen)
        return self

    def score(self, x: Array, y: Any = None) -> float:
        """Minus the validation error of the best epoch."""
        return -self.error_ if math.isfinite(self.error_) else WORST


class Search:
    """The problem, the options that are not searched, and what is known."""

    def __init__(
        self, problem: Problem, options: Options, threads: int | None, journal: Journal, said: Said
    ) -> None:
        self.problem, self.options, self.threads = problem, options, threads
        self.journal, self.said = journal, said

    def __deepcopy__(self, memo: Any) -> "Search":
        """Itself: scikit-learn copies the parameters of each candidate."""
        return self

    def error(self, chosen: Mapping[str, Any]) -> float:
        """The validation error of these options."""
        plain = {name: list(v) if isinstance(v, tuple) else _number(v) for name, v in chosen.items()}
        about = {"data": self._data(), "seed": self.options.seed, **plain}
        error = self.journal.error(about, lambda: self._computed(chosen))
        words = ", ".join(f"{name} {value}" for name, value in plain.items() if name != "epochs")
        self.said(f"{plain['epochs']} epochs  error {error:.4f}  {words}")
        return error

    def _data(self) -> str:
        x = self.problem.x
        shapes = f"{len(x.training)} and {len(x.validation)} rows of {x.training.shape[1]}"
        return f"{shapes}, sum {float(x.training.sum(dtype=np.float64)):.9g}"

    def _computed(self, chosen: Mapping[str, Any]) -> float:
        options = replace(self.options, **{name: _option(name, value) for name, value in chosen.items()})
        model = training.start(self.problem, options)
        try:
            result = training.train(
                model, self.problem, options, Course(threads=self.threads, progress=False)
            )
        except DivergenceError:
            return math.inf
        if result.interrupted:
            raise KeyboardInterrupt
        return math.inf if result.best_error is None else float(result.best_error)


def _number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _option(name: str, value: Any) -> Any:
    return tuple(int(units) for units in value) if name == "hidden" else _number(value)


def tuned(search: Search, candidates: int) -> dict[str, Any]:
    """The best options of so many candidates, and the error that they came to."""
    rows = np.zeros((len(search.problem.parts.training), 1))
    epochs = search.options.epochs
    rounds = max(1, 1 + math.floor(math.log(candidates, FACTOR)))
    halving = HalvingRandomSearchCV(
        Candidate(search),
        SPACE,
        n_candidates=candidates,
        factor=FACTOR,
        resource="epochs",
        max_resources=epochs,
        min_resources=max(min(FEWEST_EPOCHS, epochs), epochs // FACTOR ** (rounds - 1)),
        cv=[(np.arange(len(rows)), np.arange(1))],
        refit=False,
        random_state=search.options.seed,
        error_score="raise",
    )
    halving.fit(rows, np.zeros(len(rows)))
    best = {name: _option(name, value) for name, value in halving.best_params_.items() if name != "epochs"}
    return {"options": best, "error": -float(halving.best_score_), "tried": len(search.journal.known)}
