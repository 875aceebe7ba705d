"""Which units must go."""

from __future__ import annotations

import pytest

from llm_compiler.corpus import duplicates
from llm_compiler.corpus.duplicates import EXACT, KEPT, NEAR, mark
from llm_compiler.corpus.normalise import normalise
from llm_compiler.corpus.split import split
from llm_compiler.corpus.store import write_units
from tests.conftest import EXAMPLES
from tests.small_projects import unit

CHECKSUM = """
unsigned mix(unsigned);
unsigned checksum(const unsigned char *text, unsigned length, unsigned start) {
    unsigned a = start, b = length ^ 0x5bd1e995u, c = 7;
    for (unsigned i = 0; i < length; i++) {
        a += text[i] * 33u;
        if (a & 0x80000000u)
            b = (b << 5) | (b >> 27);
        else
            b ^= a >> 3;
        c = mix(c + b);
        switch (text[i] % 5) {
        case 0: c -= a; break;
        case 1: c ^= b << 7; break;
        case 2: a = c * 31u + b; break;
        default: b += c & 0xffu;
        }
        while (c > 0xfffff000u)
            c = c / 3 + (a % 11);
    }
    return a ^ b ^ c;
}
"""
SUM = "long sum(const long *x, int n) { long s = 0; for (int i = 0; i < n; i++) s += x[i]; return s; }\n"
COUNT = "int count(const char *s, char c) { int n = 0; while (*s) if (*s++ == c) n++; return n; }\n"


@pytest.fixture
def functions(compiled, context):
    """The function units of a text in C, by name."""

    def functions_(text):
        with context.parse(compiled(text)) as module:
            return {each.name: unit(normalise(each.text), name=each.name) for each in split(normalise(module.print()))}

    return functions_


@pytest.fixture
def marks(tmp_path):
    """The marks of the units in shards: [[test units]], [[other units]]."""

    def marks_(tests, others):
        shards = []
        for number, units in enumerate([*tests, *others]):
            shards.append(tmp_path / f"{number}.parquet")
            write_units(shards[-1], units)
        found = mark(shards[: len(tests)], shards[len(tests) :])
        assert list(found) == shards
        return [list(found[shard]) for shard in shards]

    return marks_


def test_of_equal_units_the_first_stays_and_the_test_split_comes_first(functions, marks):
    both = functions(SUM + COUNT)
    test, train = [both["sum"]], [both["sum"], both["count"], both["count"]]
    assert marks([test], [train]) == [[KEPT], [EXACT, KEPT, EXACT]]
    assert marks([], [train, test]) == [[KEPT, KEPT, EXACT], [EXACT]]
    assert marks([test, test], []) == [[KEPT], [EXACT]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("33u", "37u"),
        ("mix(", "stir("),
        ("checksum(", "hash_of("),
        ("b += c & 0xffu", "b += c & 0x7fu"),
    ],
)
def test_a_near_duplicate_of_the_test_split_leaves_training(functions, marks, old, new):
    changed = CHECKSUM.replace(old, new)
    assert changed != CHECKSUM
    (test,) = functions(CHECKSUM).values()
    (near,) = functions(changed).values()
    assert near.id != test.id
    assert marks([[test]], [[near, functions(SUM)["sum"]]]) == [[KEPT], [NEAR, KEPT]]


def test_near_duplicates_within_training_or_within_the_test_split_stay(functions, marks):
    (one,) = functions(CHECKSUM).values()
    (other,) = functions(CHECKSUM.replace("33u", "37u")).values()
    assert marks([], [[one, other]]) == [[KEPT, KEPT]]
    assert marks([[one, other]], []) == [[KEPT, KEPT]]


def test_different_functions_of_the_examples_stay(functions, marks):
    """Of real functions, which are no copies of one another, next to none goes."""
    texts = [path.read_text() for path in EXAMPLES if path.suffix == ".c"]
    units = [each for text in texts for each in functions(text).values()]
    units = list({each.id: each for each in units if len(each.text) > 2000}.values())
    half = len(units) // 2
    assert half > 20
    _, others = marks([units[:half]], [units[half:]])
    assert sum(others) <= len(others) * 0.03


def test_the_marks_are_the_same_however_little_fits_into_memory(functions, marks, monkeypatch):
    text = next(path for path in EXAMPLES if path.suffix == ".c").read_text()
    real = list(functions(text).values())
    checksum = [*functions(CHECKSUM).values(), *functions(CHECKSUM.replace("33u", "37u")).values()]
    tests = [[checksum[0], *real[:5]], [*real[3:8]]]
    others = [[*real[6:], checksum[1]], [*real, *checksum]]
    whole = marks(tests, others)
    assert {mark for row in whole for mark in row} == {KEPT, EXACT, NEAR}
    for ids, units in ((1, 1), (3, 2), (10, 4)):
        monkeypatch.setattr(duplicates, "_IDS_AT_ONCE", ids)
        monkeypatch.setattr(duplicates, "_TEST_UNITS_AT_ONCE", units)
        assert marks(tests, others) == whole


def test_a_module_without_functions_is_compared_by_its_whole_text(tmp_path):
    tables = [f"@table = global i32 {number}\n" for number in (1, 2, 1)]
    test, train = tmp_path / "test.parquet", tmp_path / "train.parquet"
    write_units(test, [unit(tables[0], split="test")])
    write_units(train, [unit(tables[1]), unit(tables[2])])
    marks = mark([test], [train])
    assert list(marks[test]) == [KEPT]
    assert list(marks[train]) == [KEPT, EXACT]
