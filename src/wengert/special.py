"""Special functions whose SciPy versions are Python code; all of SciPy's ufuncs can be called as they are."""

from wengert.ops.special import log_softmax, logistic, polygamma, softmax, softplus
from wengert.ops.special import logsumexp_of as logsumexp

__all__ = ["logistic", "softplus", "logsumexp", "softmax", "log_softmax", "polygamma"]
