"""The callback APIs of Step Functions on loopback, over TLS as on AWS: each call is answered after a fixed time.

As a program it is `slow_api.py CERTIFICATE KEY SECONDS`: prints its port, and serves until it is killed.
"""

import asyncio
import datetime as dt
import ipaddress
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def slow_api(folder: Path, seconds: float) -> Iterator[dict[str, str]]:
    """Runs it in its own process; the environment variables that point an SDK at it."""
    certificate, key = _make_certificate(folder)
    with subprocess.Popen(
        [sys.executable, __file__, certificate, key, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C ends it by way of this process only
    ) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            yield {"AWS_ENDPOINT_URL": f"https://{HOST}:{port}", "AWS_CA_BUNDLE": str(_trust(folder, certificate))}
        finally:
            process.kill()


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    """Its own certificate for loopback, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _trust(folder: Path, certificate: Path) -> Path:
    """The SDK's own bundle with one more in it: to read all of it is part of what a first call costs."""
    import botocore

    bundle = folder / "bundle.pem"
    bundle.write_bytes(Path(botocore.__file__).with_name("cacert.pem").read_bytes() + certificate.read_bytes())
    return bundle


async def _serve(certificate: str, key: str, seconds: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                [length] = re.findall(rb"content-length: *(\d+)", head.lower())
                await reader.readexactly(int(length))
                await asyncio.sleep(seconds)
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):  # the client has gone
            writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(answer, HOST, 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], float(sys.argv[3])))
