import pytest

pytest.register_assert_rewrite("tests.support")  # its checks say what differs, as tests do
