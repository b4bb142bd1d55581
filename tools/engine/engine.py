"""The engine of the embedded AWS: ministack on a loopback port, in its own process group and folder."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from tools import PROJECT, ToolError
from tools.engine.lock import exclusive
from tools.engine.processes import command_lines, interrupts_held

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "test"  # noqa: S105 - the engine takes any

ENGINE_PYTHON = PROJECT / ".venv-engine" / "bin" / "python"
CONTRACT = PROJECT / "tools" / "engine" / "contract"
START_SECONDS = 30
STOP_SECONDS = 10
SKIP_SECONDS = 600  # in which all that comes due must have been done
LOG_LINES_SHOWN = 15

# What the engine, and so each function it runs, sees of the user's environment: no AWS_*, no proxy, no Docker
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")


class EngineError(ToolError):
    """The engine cannot be started or stopped."""


class Engine:
    """An embedded AWS whose every file lies in `directory`.

    `port` 0 is a free one. `environment` is added to the environment of the engine, which its functions inherit;
    with `USE_SSL=1` in it the endpoint is https and clients get the certificate to trust.
    """

    def __init__(self, directory: Path, *, port: int = 0, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory.resolve()
        self.port = port
        self.pid: int | None = None
        self._environment = dict(environment or {})
        self._tls = self._environment.get("USE_SSL", "").lower() in ("1", "true", "yes")
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def attach(cls, directory: Path) -> Self | None:
        """The engine that runs in a folder, or None; what an engine that was killed left there is removed."""
        engine = cls(directory)
        if engine._find():
            return engine
        if engine.directory.exists() or engine._processes():
            with exclusive(engine.directory, wait=False) as held:
                if held:  # otherwise another command starts or stops it right now
                    if engine._find():
                        return engine
                    engine._clear()
        return None

    @property
    def orphaned(self) -> bool:
        """Whether an engine runs whose folder was removed, or moved to here; `attach` and `stop` end it."""
        return not self._find() and bool(self._processes(self._mark))

    @property
    def endpoint_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"

    def start(self) -> Self:
        """Raises EngineError, and leaves nothing, when the engine cannot be started."""
        if not ENGINE_PYTHON.exists():
            raise EngineError("The embedded AWS is not installed: run `make setup`.")
        with exclusive(self.directory):
            if Engine.attach(self.directory):
                raise EngineError(f"An embedded AWS already runs in {self.directory}.")
            self.port = _usable_port(self.port)
            try:
                self._launch()
                self._wait_until_healthy()
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        """End every process of the engine and remove its folder; nothing happens where there is neither.

        Raises EngineError when a process survives.
        """
        if self.directory.exists() or self._processes():
            with exclusive(self.directory):
                self._clear()
        if self._process:
            self._process.wait()
        self._process = self.pid = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def skip(self, seconds: float) -> datetime:
        """As skip(), on this engine."""
        return skip(self.endpoint_url, seconds, self._certificate if self._tls else None)

    @property
    def layer_cache(self) -> Path:
        """Where `sam local invoke` looks for layers."""
        return self._temporary / "layers"

    def client_variables(self) -> dict[str, str]:
        """Environment variables that point SAM CLI, AWS CLI and boto3 at this engine."""
        unproxied = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), HOST]))
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_PAGER": "",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.3",  # seconds; SAM CLI's own is 5, for AWS
            "SAM_LAYER_CACHE_BASEDIR": str(self.layer_cache),
            "NO_PROXY": unproxied,
            "no_proxy": unproxied,
            **({"AWS_CA_BUNDLE": str(self._certificate)} if self._tls else {}),
        }

    def client_environment(self) -> dict[str, str]:
        """This process's environment with client_variables() in place of the user's own AWS, for a client's process."""
        without_aws = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return without_aws | self.client_variables()

    def client(self, service: str) -> Any:  # noqa: ANN401 - the type follows from a text
        """A boto3 client of this engine. The user's AWS configuration, credentials and proxies are not looked at."""
        from botocore.config import Config

        return self._session.client(
            service,
            endpoint_url=self.endpoint_url,
            verify=str(self._certificate) if self._tls else None,
            config=Config(proxies={}),
        )

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - boto3 is imported where it is needed
        import boto3
        import botocore.session

        session = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        return boto3.Session(
            botocore_session=session,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
        )

    @property
    def _state(self) -> Path:
        return self.directory / "engine.json"

    @property
    def _log(self) -> Path:
        return self.directory / "engine.log"

    @property
    def _temporary(self) -> Path:
        return self.directory / "tmp"

    @property
    def _certificate(self) -> Path:
        return self._temporary / "ministack-tls" / "server.crt"

    @property
    def _mark(self) -> str:
        """In the engine's command line only: an option that Python ignores tells it from every other process."""
        return f"-X engine={self.directory} "

    def _find(self) -> bool:
        """Take port and process id from the state file if they are those of a running engine."""
        try:
            state = json.loads(self._state.read_text())
            port, pid, tls = int(state["port"]), int(state["pid"]), bool(state["tls"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if self._mark not in command_lines().get(pid, ""):
            return False
        self.port, self.pid, self._tls = port, pid, tls
        return True

    def _directories(self) -> list[Path]:
        """The engine's folder, and what it was called before it was moved while an engine ran there."""
        try:
            former = Path(json.loads(self._state.read_text())["directory"])
        except (OSError, ValueError, KeyError, TypeError):
            return [self.directory]
        return [self.directory] if former.exists() else [self.directory, former]

    def _processes(self, *marks: str) -> list[int]:
        """Processes with one of these in their command lines: otherwise the engine's, and those of the functions it
        runs, which outlive an engine that is killed.
        """
        here, marks = str(self.directory), marks or (self._mark, f" {self._temporary}/ministack-")
        marked = [mark.replace(here, str(directory)) for directory in self._directories() for mark in marks]
        return [pid for pid, command in command_lines().items() if any(mark in command for mark in marked)]

    def _launch(self) -> None:
        self._temporary.mkdir(mode=0o700)
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": HOST,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{self._temporary}/none",  # it would remove containers of other engines
            "HOME": str(self._temporary),
            "TMPDIR": str(self._temporary),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **({"AWS_CA_BUNDLE": str(self._certificate)} if self._tls else {}),
            **self._environment,
        }
        with self._log.open("wb") as log, interrupts_held():
            self._process = subprocess.Popen(
                [ENGINE_PYTHON, "-X", f"engine={self.directory}", CONTRACT],
                cwd=self._temporary,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.pid = self._process.pid
            state = {"pid": self.pid, "port": self.port, "tls": self._tls, "directory": str(self.directory)}
            self._state.write_text(json.dumps(state))

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy():
            if self._process is None or self._process.poll() is not None:
                raise EngineError(f"The embedded AWS ended while it started. Its last words:\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The embedded AWS did not answer within {START_SECONDS} s. Its last words:\n{self._last_words()}"
                )
            time.sleep(0.05)

    def _is_healthy(self) -> bool:
        try:
            with closing(self._connection()) as connection:
                connection.request("GET", "/_ministack/health")
                return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def _connection(self) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection(HOST, self.port, timeout=2)
        trust = ssl.create_default_context(cafile=self._certificate)
        return http.client.HTTPSConnection(HOST, self.port, timeout=2, context=trust)

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])

    def _clear(self) -> None:
        """End the engine's processes, then remove its files; the folder itself goes with its lock."""
        if not (self._end(signal.SIGTERM) or self._end(signal.SIGKILL)):
            raise EngineError(f"Processes of the embedded AWS do not end: {self._processes()}.")
        for file in (self._state, self._log):
            file.unlink(missing_ok=True)
        if self._temporary.exists():
            shutil.rmtree(self._temporary)

    def _end(self, number: signal.Signals) -> bool:
        """Whether no process is left some seconds after the signal was sent."""
        deadline = time.monotonic() + STOP_SECONDS
        signalled: set[int] = set()
        while pids := self._processes():
            if time.monotonic() > deadline:
                return False
            for pid in set(pids) - signalled:
                signalled.add(pid)
                with suppress(ProcessLookupError):
                    (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, number)
            time.sleep(0.05)
        return True


def skip(endpoint_url: str, seconds: float, certificate: Path | None = None) -> datetime:
    """Move the clock of an engine's Step Functions forward: waits, timeouts, heartbeats and retries come due, each in
    its turn. The clocks of functions, queues, tables and schedules stay. The time that it is there now; 0 only asks.

    Raises EngineError.
    """
    headers = {
        "X-Amz-Target": "AWSStepFunctions.Skip",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/states/aws4_request",
    }
    request = Request(endpoint_url, json.dumps({"seconds": seconds}).encode(), headers)  # noqa: S310 - an engine of ours
    trust = ssl.create_default_context(cafile=certificate) if certificate else None
    unproxied = build_opener(ProxyHandler({}), HTTPSHandler(context=trust))
    try:
        with unproxied.open(request, timeout=SKIP_SECONDS) as answer:
            return datetime.fromtimestamp(json.load(answer)["now"], UTC)
    except (OSError, ValueError) as error:
        raise EngineError(f"The embedded AWS did not move its clock: {error}.") from error


@contextmanager
def calls_explained() -> Iterator[None]:
    """Raises EngineError instead of what a client of the engine raises."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise EngineError(f"The embedded AWS fails: {error} Try `make down`, then again.") from error


def _usable_port(port: int) -> int:
    """The port itself, or a free one for 0. Raises EngineError when it cannot be listened on or loopback is down."""
    with socket.create_server((HOST, 0)) as server:
        try:
            socket.create_connection(server.getsockname(), timeout=2).close()
        except OSError as error:
            raise EngineError(
                f"Nothing reaches {HOST}: loopback is down, or blocked by a firewall ({error})."
            ) from error
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise EngineError(f"Port {port} needs rights that you do not have: choose one above 1023.") from error
        except OSError as error:
            raise EngineError(f"Port {port} is taken: choose another, or none to get a free one.") from error
        found: int = probe.getsockname()[1]
        return found
