"""Processes that start fast: forks of a process that has imported the large libraries."""

import atexit
import functools
import multiprocessing
import os
import runpy
import sys
import tempfile
from pathlib import Path

SECONDS = 600
# Else importing numpy and pandas starts threads, which a fork does not have.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.support.preloaded"])


def _call(function, arguments, folder, env, output):
    import tests.support.preloaded  # noqa: F401

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for number in (1, 2):
        os.dup2(os.open(f"{output}/{number}", os.O_WRONLY | os.O_CREAT), number)
    try:
        function(*arguments)
    finally:  # else DuckDB would not write its log into the file, and each reader would read it
        atexit._run_exitfuncs()


@functools.cache
def start():
    """Wait until the server of forks has started, and so has parsed the project."""
    process = FORKS.Process(target=int)
    process.start()
    process.join()


def run(function, *arguments, folder, env):
    """Call a function in a new process; return exit code and output."""
    with tempfile.TemporaryDirectory() as output:
        process = FORKS.Process(target=_call, args=(function, arguments, folder, env, output))
        process.start()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"{function.__name__}{arguments} takes more than {SECONDS} seconds")
        printed = "".join(Path(output, number).read_text() for number in ("1", "2"))
        return process.exitcode, printed


def module(*words):
    """Run a module like `python -m` with these words."""
    sys.argv = list(words)
    sys.modules.pop(words[0], None)  # else it would not run again
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
