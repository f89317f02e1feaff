"""What every estimator can do: name its parameters, show itself, and answer scikit-learn's questions.

An estimator is a dataclass of parameters. Training adds attributes whose names end in an underscore.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from wengert.estimators._joining import join, not_fitted
from wengert.estimators._parameters import changed

LINE = 79


class Foundation:
    """Where the bases of an estimator begin, as Python asks of classes that another joins later."""


class Estimator(Foundation):
    """An object with parameters, in scikit-learn's protocol."""

    joins = True

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """An estimator; where scikit-learn is at work, one of its own."""
        join(cls)
        return object.__new__(cls)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name.

        Parameters
        ----------
        deep
            For estimators that contain others; this one contains none.

        Returns
        -------
        dict
            Names and values.
        """
        join(type(self))
        return {name: getattr(self, name) for name in self._get_param_names()}

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted(f.name for f in fields(cls))  # type: ignore[arg-type]

    def set_params(self, **params: Any) -> "Estimator":
        """Change parameters; their values are checked when the estimator is fitted.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Where there is no parameter of a name.
        """
        valid = self._get_param_names()
        for name, value in params.items():
            if name not in valid:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}. Valid parameters are: {valid!r}."
                )
            setattr(self, name, value)
        return self

    def set_callbacks(self, *callbacks: Any) -> "Estimator":
        """Callbacks of :mod:`sklearn.callback`, told of the training and of every epoch; without any, none.

        Returns
        -------
        self
        """
        if callbacks:
            self._skl_callbacks = list(callbacks)
        else:
            vars(self).pop("_skl_callbacks", None)
        return self

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        name = type(self).__name__
        parts = [f"{key}={value!r}" for key, value in changed(self).items()]
        return _filled(f"{name}(", parts)[:N_CHAR_MAX]

    def __sklearn_tags__(self) -> Any:
        join(type(self))
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=True),
            input_tags=InputTags(sparse=True, allow_nan=getattr(self, "missing", None) == "indicator"),
            transformer_tags=None,
            classifier_tags=None,
            regressor_tags=None,
        )

    def _require_fitted(self) -> None:
        if "n_iter_" not in vars(self):
            raise not_fitted()(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate "
                "arguments before using this estimator."
            )


class Task(ABC):
    """What classification and regression do differently."""

    @property
    @abstractmethod
    def _loss(self) -> Any:
        """The error of a pattern: a name in scikit-learn's scale, or a function."""

    @property
    @abstractmethod
    def _units(self) -> int:
        """How many output units there are."""

    @abstractmethod
    def _new_targets(self, y: Any, x: Any) -> Any:
        """The targets of a new training, as the output units take them."""

    @abstractmethod
    def _more_targets(self, y: Any, x: Any) -> Any:
        """The targets of a training that goes on."""

    @abstractmethod
    def _weights(self, sample_weight: Any, x: Any, t: Any) -> Any:
        """The weight of each pattern, or None."""

    @abstractmethod
    def _split(self, sample: Any) -> tuple[Any, Any]:
        """Indices of the patterns to train on, and of those kept aside."""

    @abstractmethod
    def _score_aside(self, network: Any, aside: Any) -> float:
        """The score of a network on patterns kept aside."""


def _filled(head: str, parts: list[str]) -> str:
    """A call, its lines filled up."""
    lines, indent = [head], " " * len(head)
    for i, part in enumerate(parts):
        end = ")" if i == len(parts) - 1 else ","
        glue = "" if lines[-1] in (head, indent) else " "
        if len(lines[-1]) + len(glue + part + end) > LINE and glue:
            lines.append(indent)
            glue = ""
        lines[-1] += glue + part + end
    return "\n".join(lines) + ("" if parts else ")")


class available_if:
    """A method that an instance has only where a check does not raise ``AttributeError``."""

    def __init__(self, check: Callable[[Any], None]) -> None:
        self.check = check

    def __call__(self, method: Callable[..., Any]) -> "available_if":
        """Take the method."""
        self.method = method
        functools.update_wrapper(self, method)  # type: ignore[arg-type]
        return self

    def __get__(self, instance: Any, owner: type) -> Any:
        """The method, bound."""
        if instance is None:
            return self.method
        self.check(instance)
        return self.method.__get__(instance, owner)
