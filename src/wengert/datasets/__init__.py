"""Four small data sets that come with the package, for demonstrations and tests.

They are stored as compressed CSV files with a header; the last column, ``target``, is to be predicted.

``digits`` (1797 rows, 64 features, 10 classes)
    Handwritten digits as 8 x 8 images with values 0 to 16. E. Alpaydin and C. Kaynak, "Optical Recognition of
    Handwritten Digits" (1998), its test part, UCI Machine Learning Repository. Licence: CC BY 4.0.
``iris`` (150 rows, 4 features, 3 classes)
    Lengths and widths of sepals and petals of three species, in cm. R. A. Fisher, "The use of
    multiple measurements in taxonomic problems" (1936), UCI Machine Learning Repository. Licence: CC BY 4.0.
``wine`` (178 rows, 13 features, 3 classes)
    Chemical analysis of wines from three cultivators of one region. S. Aeberhard and M. Forina,
    "Wine" (1992), UCI Machine Learning Repository. Licence: CC BY 4.0.
``diabetes`` (442 rows, 10 features, a number)
    Age, sex, body mass index, blood pressure and six serum values of patients; the target is the progress
    of the disease one year later. B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least Angle
    Regression" (2004), as redistributed with scikit-learn. Licence: BSD 3-Clause.

The values are unchanged; the columns were given names that read well in a table. ``wengert.data.read_table``
reads them by name.
"""

from pathlib import Path

__all__ = ["NAMES", "path"]

NAMES = ("digits", "iris", "wine", "diabetes")


def path(name: str) -> Path:
    """The file that holds the data set of this name."""
    if name not in NAMES:
        raise ValueError(f"no embedded data set {name!r}; there are {', '.join(NAMES)}")
    return Path(__file__).with_name(f"{name}.csv.gz")


def __dir__() -> list[str]:
    return __all__
