import pytest

from tinygrad_astro import data


def test_every_exported_name_exists():
    for name in data.__all__:
        assert getattr(data, name) is not None
    assert set(data.__all__) <= set(dir(data))
    with pytest.raises(AttributeError, match="no attribute 'read_jpeg'"):
        _ = data.read_jpeg
