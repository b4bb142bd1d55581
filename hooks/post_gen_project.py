"""Fills the folder that `sam init` or cookiecutter has made, from the files of this repository."""

import os
import sys
from pathlib import Path

REPOSITORY = r"{{ cookiecutter._repo_dir }}"
# A relative path is as it was typed; this program runs in the new folder
found = [Path(start, REPOSITORY) for start in (os.environ.get("PWD", ""), r"{{ cookiecutter._output_dir }}", "..")]
sys.path.insert(0, str(next((path for path in found if Path(path, "cookiecutter.json").is_file()), REPOSITORY)))
sys.dont_write_bytecode = True

if sys.version_info < (3, 11):  # noqa: UP036 - whatever Python SAM CLI has
    sys.exit("SAM CLI runs on Python %d.%d here: 3.11 or newer is needed." % sys.version_info[:2])  # noqa: UP031

from tools.starter import Answers, StarterError, fill  # noqa: E402 - the path comes first

try:
    fill(
        Path.cwd(),
        Answers(
            project_name="{{ cookiecutter.project_name }}",
            workflow="{{ cookiecutter.workflow }}",
            python="{{ cookiecutter.python }}",
            architecture="{{ cookiecutter.architecture }}",
            alarm_topic_arn="{{ cookiecutter.alarm_topic_arn }}",
        ),
    )
except StarterError as error:
    sys.exit(str(error))
