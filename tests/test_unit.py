"""The record and its schema."""

from __future__ import annotations

import re

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.corpus import unit
from llm_compiler.corpus.unit import SCHEMA, Unit, unit_id


def test_the_schema_has_the_record_s_fields_in_their_order():
    assert SCHEMA.names == list(Unit.__annotations__)
    numbers = {field.name for field in SCHEMA if field.type == pa.int32()}
    assert numbers == {name for name, kind in Unit.__annotations__.items() if kind == "int"}
    assert all(field.type == pa.string() for field in SCHEMA if field.name not in numbers)


def test_every_column_is_documented():
    rows = re.findall(r"^\| ([\w, ]+) \|", unit.__doc__ or "", re.M)
    assert [name for row in rows[1:] for name in row.split(", ")] == SCHEMA.names


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_id_is_128_bits_of_a_hash_of_the_text(text):
    assert re.fullmatch("[0-9a-f]{32}", unit_id(text))
    assert unit_id(text) == unit_id(text)
    assert unit_id(text) != unit_id(text + " ")
