"""External loads in arrays: bodies that a model does not have."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import TwoLeg

from osimopt import ModelError
from osimopt.adapters.load_arrays import measured_loads
from osimopt.adapters.loads import read_external_loads

TIME = np.linspace(0.1, 0.2, 5)


def test_a_body_that_is_not_there(two_leg: TwoLeg) -> None:
    loads = read_external_loads(two_leg.loads)
    with pytest.raises(ModelError, match=r"expected a body of the model \(ground, trunk\), got 'foot_r' in Ext"):
        measured_loads(loads, ("ground", "trunk"), TIME)


@pytest.mark.parametrize("tag", ["applied_to_body", "force_expressed_in_body", "point_expressed_in_body"])
def test_each_body_is_checked(two_leg: TwoLeg, tmp_path, tag: str) -> None:
    text = two_leg.loads.read_text()
    body = "foot_r" if tag == "applied_to_body" else "ground"
    wrong = tmp_path / "loads.xml"
    wrong.write_text(text.replace(f"<{tag}>{body}</{tag}>", f"<{tag}>nobody</{tag}>"))
    (tmp_path / two_leg.grf.name).write_bytes(two_leg.grf.read_bytes())
    bodies = ("ground", "foot_r", "foot_l")
    with pytest.raises(ModelError, match="got 'nobody'"):
        measured_loads(read_external_loads(wrong), bodies, TIME)
    wrong.write_text(text.replace(f"<{tag}>{body}</{tag}>", f"<{tag}></{tag}>"))
    if tag == "applied_to_body":
        with pytest.raises(ModelError, match="got ''"):
            measured_loads(read_external_loads(wrong), bodies, TIME)
    else:  # ground
        found, expected = (measured_loads(read_external_loads(one), bodies, TIME) for one in (wrong, two_leg.loads))
        np.testing.assert_array_equal(found.frame, expected.frame)
        np.testing.assert_array_equal(found.place, expected.place)
