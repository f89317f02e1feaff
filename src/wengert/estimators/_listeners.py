"""Callbacks of scikit-learn: told of the training as a whole, and of every epoch in it.

They are set by ``set_callbacks`` or handed down by a search or a pipeline, and may draw a progress bar or
watch a score. One that answers an epoch with True ends the training.
"""

from collections.abc import Callable
from typing import Any

PARTS = ("_labels", "_design", "_norms", "_encoder", "_fill", "_kept")


def told_of_training(estimator: Any, X: Any, y: Any, train: Callable[[], None]) -> None:
    """Train, and tell the callbacks when it begins and when it ends."""
    if not hasattr(estimator, "_skl_callbacks") and not hasattr(estimator, "_parent_callback_ctx"):
        return train()
    from sklearn.callback import with_callbacks

    return with_callbacks(_told_of_training)(estimator, X, y, train)


def _told_of_training(estimator: Any, X: Any, y: Any, train: Callable[[], None]) -> None:
    from sklearn.callback import CallbackSupportMixin

    root = CallbackSupportMixin._init_callback_context(estimator, max_subtasks=estimator.max_iter)
    root.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    train()
    root.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes=_fitted(estimator))


def told_of_epoch(estimator: Any, train: Callable[[], None]) -> bool:
    """Train for an epoch, and tell the callbacks; whether one of them ends the training."""
    root = getattr(estimator, "_callback_fit_ctx", None)
    if root is None:
        train()
        return False
    task = root.subcontext(task_name="epoch")
    task.call_on_fit_task_begin(estimator=estimator)
    train()
    return task.call_on_fit_task_end(estimator=estimator, reconstruction_attributes=_fitted(estimator))


def _fitted(estimator: Any) -> Callable[[], dict[str, Any]]:
    """What a copy needs to predict as the estimator does now."""

    def attributes() -> dict[str, Any]:
        found = vars(estimator).items()
        return {k: v for k, v in found if k in PARTS or (k.endswith("_") and not k.startswith("_"))}

    return attributes
