"""The estimators without scikit-learn."""

import subprocess
import sys

PROGRAM = """
import sys, warnings
import numpy as np
import wengert as wg
from wengert.estimators._joining import NotConverged, NotFitted

x = np.random.default_rng(0).normal(size=(40, 3))
classifier = wg.MLPClassifier(max_iter=2, random_state=0)
try:
    classifier.predict(x)
except NotFitted as error:
    print(error)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    classifier.fit(x, x[:, 0] > 0)
print([w.category.__name__ for w in seen], seen[0].category is NotConverged)
print(repr(classifier), classifier.predict(x[:1]).dtype)
print(sorted({m.partition(".")[0] for m in sys.modules} & {"sklearn", "pandas", "matplotlib", "joblib"}))
import sklearn.base
print(isinstance(wg.MLPClassifier(), sklearn.base.BaseEstimator))
print(isinstance(sklearn.base.clone(classifier), sklearn.base.BaseEstimator))
print(isinstance(classifier, sklearn.base.BaseEstimator), hasattr(classifier, "set_fit_request"))
"""


def test_scikit_learn_is_not_imported_and_joins_when_somebody_else_has():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    lines = found.stdout.splitlines()
    assert lines[0].startswith("This MLPClassifier instance is not fitted yet.")
    assert lines[1] == "['NotConverged'] True"
    assert lines[2].strip() == "MLPClassifier(max_iter=2, random_state=0) bool"
    assert lines[3:] == ["[]", "True", "True", "True True"]
