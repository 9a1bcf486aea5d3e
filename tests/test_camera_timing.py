"""The tables of `python -m demo.camera_timing`."""

from demo.camera_timing import crowding_table, frame_table
from tests.helpers import tiny_models


def test_each_model_gets_a_row_of_what_a_frame_costs():
    header, _, *rows = frame_table(tiny_models(), frames=2).splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")][1:] == [
        *("decode", "faces", "model", "map", "reply", "together", "frames per second")
    ]
    assert [row.split("|")[1].strip() for row in rows] == ["`baseline_cnn`", "`attn_cnn`"]


def test_each_number_of_cameras_gets_a_row_of_what_it_costs_others():
    _, _, *rows = crowding_table(tiny_models(), at_once=1, analyses=2).splitlines()
    assert [row.split("|")[1].strip() for row in rows] == ["0", "1", "2"]
    assert rows[0].split("|")[3].strip() == "–" and len(rows[2].split("|")[3].split(",")) == 2
