"""What the tests of a running relay share."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme


@pytest.fixture
def authority(tmp_path: Path) -> Callable[[str], None]:
    """Puts the certificate of a new authority into `ca.pem`."""

    def write(name: str) -> None:
        trustme.CA(organization_name=name).cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    return write
