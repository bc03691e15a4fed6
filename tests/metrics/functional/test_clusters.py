import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from sercl.metrics.functional.clusters import numbered


@given(names=st.lists(st.text(max_size=2)))
def test_names_are_numbered_as_pandas_does(names: list[str]) -> None:
    indices, different = numbered(names)
    expected, uniques = pd.factorize(np.array(names, dtype=object))
    assert indices.tolist() == expected.tolist()
    assert different == list(uniques)
