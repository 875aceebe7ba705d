"""Recipes: those that ship, what they mean, and what is said of wrong ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_compiler.data.examples import load_tokenizer, settings_of
from llm_compiler.data.recipe import RecipeError, Share, TokenizerChoice, read
from llm_compiler.tasks.catalogue import TASKS
from tests.conftest import ROOT

RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
GOOD = """
seed = 3
[model]
context = 256
[data]
dialect = "compact"
[tasks.emulation]
per_unit = 2
[stages.1]
tokens = 1000
mixture.ir_modeling = 1
[stages.2]
name = "both"
tokens = 2_000
learning_rate = 1e-4
epochs = 2
[stages.2.mixture]
emulation = 3
ir_modeling.ir = 1
"""


def recipe_of(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return read(path)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_that_ship_can_be_read_and_name_tasks_that_there_are(path):
    recipe = read(path)
    tasks = [stage.mixture[0].task for stage in recipe.stages]
    if path.stem == "cpu":  # which mixes the tasks in every stage, and has a fifth
        assert tasks.pop() == "emulation"
    if path.stem == "cpu_more":  # which goes on from there, with all of them in one
        (stage,) = recipe.stages
        tasks = sorted(share.task for share in stage.mixture)
        assert tasks == ["disassembly", "emulation", "flag_tuning", "ir_modeling"]
    else:
        assert tasks == ["ir_modeling", "emulation", "flag_tuning", "disassembly"]
    if not path.stem.startswith("cpu"):
        assert [stage.replay for stage in recipe.stages] == [0, 0.15, 0.15, 0.15]
    settings = settings_of(recipe, TASKS)
    assert {one.dialect for one in settings.values()} == {recipe.data.dialect}
    of_meta = bool(recipe.model.start) and path.stem != "cpu_more"
    assert recipe.data.dialect == ("verbatim" if of_meta else "compact")


def test_a_recipe_says_what_its_page_says(tmp_path):
    recipe = recipe_of(tmp_path, GOOD)
    assert (recipe.seed, recipe.model.context, recipe.data.dialect) == (3, 256, "compact")
    first, second = recipe.stages
    assert (first.name, first.tokens, first.replay, first.epochs) == ("ir_modeling", 1000, 0, 1)
    assert first.mixture == (Share("ir_modeling", "", 1.0),)
    assert (second.name, second.learning_rate, second.replay, second.epochs) == ("both", 1e-4, 0.15, 2)
    assert second.mixture == (Share("emulation", "", 0.75), Share("ir_modeling", "ir", 0.25))
    settings = settings_of(recipe, TASKS)
    assert list(settings) == ["ir_modeling", "emulation"]
    assert settings["emulation"].per_unit == 2


def test_the_digest_is_of_what_decides_the_data_and_of_nothing_else(tmp_path):
    recipe = recipe_of(tmp_path, GOOD)
    same = recipe_of(tmp_path, GOOD.replace("1e-4", "2e-4").replace("[model]", '[model]\npreset = "small"'))
    assert same.data_digest == recipe.data_digest
    for old, new in (
        ("seed = 3", "seed = 4"),
        ("context = 256", "context = 512"),
        ("per_unit = 2", "per_unit = 3"),
        ("emulation = 3", "emulation = 4"),
        ("epochs = 2", "epochs = 1"),
    ):
        assert recipe_of(tmp_path, GOOD.replace(old, new)).data_digest != recipe.data_digest


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed = 3", "seed =", "not TOML"),
        ("seed = 3", "sead = 3", "no key 'sead'; did you mean seed?"),
        ("seed = 3", 'seed = "3"', "seed: '3' is not an integer"),
        ("context = 256", "contxt = 256", "model: no key 'contxt'; did you mean context?"),
        ("context = 256", "context = 2.5", "model.context: 2.5 is not a whole number"),
        ("context = 256", "context = 8", "model.context: 8 is not 64 or more"),
        ('"compact"', '"compct"', "data.dialect: no dialect 'compct'; did you mean compact?"),
        ("epochs = 2", "epoks = 2", "stages.2: no key 'epoks'; did you mean epochs?"),
        ("epochs = 2", "epochs = 0", "of at least one epoch"),
        ("epochs = 2", "replay = 1", "stages.2.replay: 1 is not at least 0 and below 1"),
        ("tokens = 1000\n", "", "stages.1: tokens are missing"),
        ("tokens = 1000\n", "tokens = 1000\nreplay = 0.15\n", "stages.1.replay: no stage is before the first"),
        ("mixture.ir_modeling = 1", "mixture.ir_modeling = 0", "stages.1.mixture.ir_modeling: 0 is not a share above"),
        ("mixture.ir_modeling = 1", "mixture = {}", "stages.1.mixture: names no task"),
        ("[stages.1]", "[stages.3]", "stages are numbered from 1"),
        ('name = "both"', 'name = "../both"', "'../both' is not made of letters"),
        ('name = "both"', 'name = "ir_modeling"', "two stages have the name ir_modeling"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_that_begins_with_the_file(tmp_path, old, new, words):
    assert old in GOOD
    with pytest.raises(RecipeError) as caught:
        recipe_of(tmp_path, GOOD.replace(old, new))
    said = str(caught.value)
    assert words in said
    assert said.startswith(str(tmp_path / "recipe.toml"))
    assert "\n" not in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("emulation = 3", "emulaton = 3", "no task 'emulaton'; did you mean emulation?"),
        ("[tasks.emulation]", "[tasks.disasembly]", "no task 'disasembly'; did you mean disassembly?"),
        ("per_unit = 2", "per_units = 2", "tasks.emulation: no setting 'per_units'; did you mean per_unit?"),
    ],
)
def test_tasks_and_settings_that_there_are_not(tmp_path, old, new, words):
    with pytest.raises(RecipeError) as caught:
        settings_of(recipe_of(tmp_path, GOOD.replace(old, new)), TASKS)
    assert words in str(caught.value)


def test_no_stages_at_all(tmp_path):
    with pytest.raises(RecipeError, match="has no stages"):
        recipe_of(tmp_path, "seed = 1")


def test_a_recipe_may_want_fewer_merges_of_the_tokenizer(tmp_path):
    whole = load_tokenizer(TokenizerChoice())
    assert load_tokenizer(TokenizerChoice(vocabulary=600)).vocabulary_size == 600 < whole.vocabulary_size
    with pytest.raises(RecipeError, match="a vocabulary of 9 is below"):
        load_tokenizer(replace(TokenizerChoice(), vocabulary=9))
