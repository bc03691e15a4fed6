import json

from tests.studies.heads.samples import results


def test_everything_goes_into_json() -> None:
    found = results()
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["fit_option"] == "model: {layer: 2}"
    assert plain["layers"][1]["uar"] == {
        "value": 0.75,
        "low": 0.7,
        "high": 0.8,
        "unit": "speakers",
        "count": 10,
    }
    assert plain["layers"][1]["fold_std"] is None
    assert plain["chosen"]["recalls"] == [0.91, 0.92, None, 0.93]
    assert plain["runs"][1]["layer"] is None
    assert plain["probe"]["seeds"] == [0, 1, 2]


def test_a_row_per_layer_and_for_what_is_made_of_them() -> None:
    rows = results().layer_rows()
    assert [row["layer"] for row in rows] == ["0", "1", "2", "3", "chosen", "weighted"]
    assert len({tuple(row) for row in rows}) == 1
    assert (rows[2]["uar"], rows[2]["uar_low"], rows[2]["selectivity"]) == (0.9, 0.85, 0.65)
    assert (rows[4]["recall_happy"], rows[4]["control"], rows[4]["at_limit"]) == (0.92, None, None)
    assert (rows[3]["below_best"], rows[3]["p"], rows[2]["below_best"]) == (0.9 - 0.6, 0.022, None)
    bare = results(control=False, weighted=False).layer_rows()
    assert [row["layer"] for row in bare][-1] == "chosen"
    assert bare[0]["control_low"] is None


def test_a_row_per_probe() -> None:
    rows = results(target="speaker").run_rows()
    assert [row["layer"] for row in rows] == [2, "weighted"]
    assert rows[0]["target"] == "speaker"
    assert rows[1]["at_limit"] is True


def test_a_layer_is_found_by_its_number() -> None:
    assert results().layer(3).uar.value == 0.6
