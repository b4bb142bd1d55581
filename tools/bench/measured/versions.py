"""versions.py PACKAGE …: what a measured process runs with."""

import platform
import ssl
import sys
from importlib.metadata import version

names = [f"Python {platform.python_version()}", " ".join(ssl.OPENSSL_VERSION.split()[:2])]
print(*names, *(f"{name} {version(name)}" for name in sys.argv[1:]), sep=", ")
