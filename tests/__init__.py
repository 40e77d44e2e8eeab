import pytest

pytest.register_assert_rewrite("tests.support")  # so that failing asserts show values
