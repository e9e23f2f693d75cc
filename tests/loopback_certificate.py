"""A certificate for loopback, for tests of TLS."""

import subprocess
from pathlib import Path


def make_certificate(folder: Path) -> Path:
    """Return a certificate for 127.0.0.1 in `folder`, signed by itself; its key is `key.pem` beside it."""
    made = folder / "ca.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=tidegate-test", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(folder / "key.pem"), "-out", str(made),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return made
