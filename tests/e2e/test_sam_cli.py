"""SAM CLI by hand, with samconfig.toml: each environment ships its own template, built or not, and never another's."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samcli.lib.providers.provider import LayerVersion  # type: ignore[import-untyped]
from samcli.local.layers.layer_downloader import LayerDownloader  # type: ignore[import-untyped]

from tests.e2e.given import Stacks
from tools import PROJECT
from tools.engine.engine import Engine
from tools.engine.layers import cache_layers

pytestmark = [pytest.mark.slow, pytest.mark.local("it deploys its own stacks")]

FLAGSHIP, MANUAL = "payment-callback", "manual-callback"
TEMPLATES = {FLAGSHIP: "template.yaml", MANUAL: f"templates/{MANUAL}.yaml"}

# A template small enough to be deployed a dozen times, whose function tells which template and which code it is
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: {code}
      Handler: function.handler
      Runtime: python{version.major}.{version.minor}
      Environment:
        Variables:
          WORKFLOW: {workflow}
Outputs:
  Function:
    Value: !Ref Function
"""
CODE = """
import importlib.util, os
def handler(event, context):
    return {"workflow": os.environ["WORKFLOW"], "edition": 1, "package": bool(importlib.util.find_spec("added"))}
"""


class Sam:
    """A project with this one's samconfig.toml, and a shell in its folder."""

    def __init__(self, engine: Engine, project: Path) -> None:
        self.engine = engine
        self.project = project
        tools = Path(sys.executable).parent
        self.environment = {**engine.client_environment(), "PATH": f"{tools}:/usr/bin:/bin", "HOME": str(project)}

    def __call__(self, command: str, workflow: str = FLAGSHIP, *options: str) -> subprocess.CompletedProcess[str]:
        config_env = [] if workflow == FLAGSHIP else ["--config-env", workflow]
        return subprocess.run(
            [Path(sys.executable).with_name("sam"), command, *config_env, *options],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def add_a_package(self) -> None:
        wheel = self.project / "added-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("added.py", "")
            archive.writestr("added-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: added\nVersion: 1.0\n")
            archive.writestr(
                "added-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr("added-1.0.dist-info/RECORD", "")
        (self.project / "functions/requirements.txt").write_text(f"{wheel}\n")

    def edit(self) -> None:
        source = self.project / "functions/function.py"
        source.write_text(source.read_text().replace('"edition": 1', '"edition": 2'))

    def shipped(self) -> dict[str, Any]:
        """What the function of each stack answers, by the name of the stack."""
        answers = {}
        for stack in self.engine.client("cloudformation").describe_stacks()["Stacks"]:
            if stack["StackName"] in TEMPLATES and stack["StackStatus"] != "DELETE_COMPLETE":
                [output] = stack["Outputs"]
                answer = self.engine.client("lambda").invoke(FunctionName=output["OutputValue"])
                answers[stack["StackName"]] = json.loads(answer["Payload"].read())
        return answers

    def code_kept(self) -> set[str]:
        """The prefixes of all that SAM CLI keeps in its bucket."""
        s3 = self.engine.client("s3")
        [bucket] = s3.list_buckets()["Buckets"]
        return {item["Key"].partition("/")[0] for item in s3.list_objects_v2(Bucket=bucket["Name"])["Contents"]}


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One where the stacks of the other tests are not."""
    with Engine(tmp_path_factory.mktemp("sam-cli") / "engine") as engine:
        yield engine


@pytest.fixture
def sam(own_engine: Engine, tmp_path: Path) -> Iterator[Sam]:
    shutil.copy(PROJECT / "samconfig.toml", tmp_path)
    for folder in ("functions", "templates"):
        (tmp_path / folder).mkdir()
    (tmp_path / "functions/function.py").write_text(CODE)
    for workflow, path in TEMPLATES.items():
        code = "functions/" if workflow == FLAGSHIP else "../functions/"
        text = TEMPLATE.format(workflow=workflow, code=code, version=sys.version_info)
        (tmp_path / path).write_text(text)
    sam = Sam(own_engine, tmp_path)
    yield sam
    for workflow in sam.shipped():
        sam.engine.client("cloudformation").delete_stack(StackName=workflow)


def answer(workflow: str, *, built: bool) -> dict[str, Any]:
    """A build has the package and not the edit that came after it; the source has the edit and no package."""
    return {"workflow": workflow, "edition": 1 if built else 2, "package": built}


@pytest.mark.parametrize("built", [FLAGSHIP, MANUAL])
def test_each_environment_ships_what_is_its_own_whatever_was_built(sam: Sam, built: str) -> None:
    sam.add_a_package()
    sam("build", built).check_returncode()
    sam.edit()
    for workflow in (FLAGSHIP, MANUAL):
        sam("deploy", workflow).check_returncode()
    assert sam.shipped() == {
        FLAGSHIP: answer(FLAGSHIP, built=built == FLAGSHIP),
        MANUAL: answer(MANUAL, built=False),
    }
    # And deleting one stack leaves the code of the other
    sam("delete", MANUAL, "--no-prompts").check_returncode()
    assert sam.shipped().keys() == sam.code_kept() == {FLAGSHIP}


def test_a_sibling_ships_what_was_built_where_samconfig_says_so(sam: Sam) -> None:
    config = sam.project / "samconfig.toml"
    config.write_text(config.read_text().replace("# template_file", "template_file"))
    sam.add_a_package()
    refused = sam("deploy", MANUAL)
    assert (refused.returncode != 0, "Template file not found" in refused.stderr) == (True, True)
    sam("build", MANUAL).check_returncode()
    sam.edit()
    sam("deploy", MANUAL).check_returncode()
    assert sam.shipped() == {MANUAL: answer(MANUAL, built=True)}


@pytest.mark.parametrize("workflow", [FLAGSHIP, MANUAL])
def test_a_real_template_works_when_it_was_built(own_engine: Engine, project_copy: Path, workflow: str) -> None:
    real = Sam(own_engine, project_copy)
    real("build", workflow).check_returncode()
    real("deploy", workflow, "--stack-name", f"built-{workflow}").check_returncode()


def test_local_invoke_finds_the_layers_of_a_running_engine(
    stacks: Stacks, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a shell that `make env` has pointed at the engine, which holds no layers
    worker = stacks[FLAGSHIP].outputs["PaymentWorkerFunctionName"]
    for name, value in engine.client_variables().items():
        monkeypatch.setenv(name, value)
    cache_layers(engine)
    # When SAM CLI looks for those of a function
    described = engine.client("lambda").get_function(FunctionName=worker)
    [layer] = described["Configuration"]["Layers"]
    [found] = LayerDownloader(os.environ["SAM_LAYER_CACHE_BASEDIR"], ".", []).download_all(
        [LayerVersion(layer["Arn"], None)]
    )
    # Then what it adds to the function imports
    modules = "aws_lambda_powertools.metrics"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, sys.argv[1]); import {modules}"]
    subprocess.run([*command, f"{found.codeuri}/python"], check=True)
