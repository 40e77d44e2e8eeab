"""Functions repeated in several Python models are equal: the models cannot share imports."""

import ast
import re

from tests.support.deployment import REPOSITORY

MODELS = REPOSITORY / "python_models"
OWN = {"model", "train"}  # differ between models despite the same name


def functions(text):
    """The source of each function of a module, by name."""
    return {
        node.name: ast.get_source_segment(text, node)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
    }


def differing(texts):
    """Names of functions that two modules define differently."""
    found = {}
    for text in texts:
        for name, source in functions(text).items():
            if name not in OWN and found.setdefault(name, source) != source:
                yield name


def test_a_function_of_two_models_is_the_same_in_both():
    texts = {path.stem: path.read_text() for path in MODELS.glob("*.py")}
    shared = set.intersection(*(set(functions(text)) for text in texts.values())) - OWN
    assert shared == {"frame_of", "is_due", "trained_since"}
    assert list(differing(texts.values())) == []
    edited = texts["persona_centroids"].replace(">= retrain_after_days", "> retrain_after_days")
    assert list(differing([texts["model_parameters"], edited])) == ["is_due"]


def test_personas_are_assigned_with_the_bound_that_they_were_found_with():
    found = re.search(r"^CLIP = (\d+)", (MODELS / "persona_centroids.py").read_text(), re.M)
    assigned = (REPOSITORY / "models" / "predictions" / "profile_personas.sql").read_text()
    assert re.search(r"set clip = (\d+) ", assigned)[1] == found[1]
