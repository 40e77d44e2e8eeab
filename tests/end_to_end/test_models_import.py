"""dbt loads the Python models in parallel threads; each gets the complete scikit-learn."""

import subprocess
import sys
from pathlib import Path

import pytest

MODELS = sorted((Path(__file__).parents[2] / "python_models").glob("*.py"))

# The second thread starts while the first imports scikit-learn; the first continues when the second
# is at the point where the two would wait for each other.
TOGETHER = """
import sys, threading
import numpy, pandas, scipy.optimize, scipy.spatial.distance, threadpoolctl

begun, met, failures = threading.Event(), threading.Event(), []

class Meeting:
    def find_spec(self, name, path=None, target=None):
        first = threading.current_thread().name == "first"
        if name == "sklearn._config" and first:
            begun.set()
            met.wait(3)
        if name == "sklearn.base" and not first:
            met.set()

def load(path):
    if threading.current_thread().name == "second":
        begun.wait(3)
    lines = [line for line in open(path) if line.startswith(("import ", "from "))]
    try:
        exec("".join(lines), {})
    except ImportError as error:
        failures.append(str(error))

sys.meta_path.insert(0, Meeting())
threads = [
    threading.Thread(target=load, args=(path,), name=name)
    for path, name in zip(sys.argv[1:], ("first", "second"))
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit("; ".join(failures) or 0)
"""


@pytest.mark.parametrize("order", (1, -1))
def test_two_models_load_at_the_same_time(order):
    words = [sys.executable, "-c", TOGETHER, *map(str, MODELS[::order])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
