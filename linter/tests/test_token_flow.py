"""Where task tokens go in the code of a function: each kind of leak is found, and what is no leak is not."""

import textwrap
from pathlib import Path

import pytest

from callback_lint.catalogue import RULES
from callback_lint.documents import read
from callback_lint.linter import template_of
from planting import WAIT

TEMPLATE = (
    WAIT
    + """
            TimeoutSeconds: 3600
            Parameters: {QueueUrl: q, MessageBody: {t.$: $$.Task.Token, order.$: $}}
            End: true
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: .
      Policies: [{StepFunctionsCallbackPolicy: {StateMachineName: m}}]
      Events: {Work: {Type: SQS, Properties: {Queue: q, FunctionResponseTypes: [ReportBatchItemFailures]}}}
"""
)

FRAME = """
import json, logging, os, sys, urllib.parse
import boto3
from aws_lambda_powertools import Logger
logger = Logger()
{before}

def handler(event, context):
    for record in event["Records"]:
        message = json.loads(record["body"])
        token = message["t"]
{text}
        boto3.client("stepfunctions").send_task_success(taskToken=token, output="{{}}")
"""


def rules_that_find(text: str, folder: Path, before: str = "") -> dict[str, int]:
    """The rules about code that find something, each with the line of its first finding."""
    body = textwrap.indent(textwrap.dedent(text).strip(), " " * 8)
    code = FRAME.format(text=body, before=textwrap.dedent(before).strip())
    (folder / "app.py").write_text(code)
    (folder / "template.yaml").write_text(TEMPLATE)
    template = template_of(read(folder / "template.yaml"))
    assert template
    found = {}
    for rule_id in ("EC2017", "EC2019", "EC2023"):
        problems = list(RULES[rule_id].problems(template))
        if problems:
            found[rule_id] = min(problem.line for problem in problems)
    return found


LOGGED = [
    # under another name
    "x = event; print(x)",
    "x = y = token; print(x)",
    "first, second = token, 1; print(first)",
    "taskTokenValue = token; logger.info(taskTokenValue)",
    "if (x := token): print(x)",
    "x = token if record else None; print(x)",
    "x = ''\nx += token\nprint(x)",
    "for each in [token]: print(each)",
    "for key, value in message.items(): print(key, value)",
    "x = [r for r in event['Records']]; print(x)",
    "tokens = {record['messageId']: token}; print(tokens)",
    "held = []\nheld.append(token)\nprint(message)",
    # inside something
    "print(record)",
    "print(record['body'])",
    "print(message)",
    "print({'taskToken': token})",
    "params = {'taskToken': token}; print(params)",
    "params = dict(taskToken=token); print(params)",
    "params = {}; params['taskToken'] = token; print(params)",
    "print({**message, 'more': 1})",
    "print([token, 1])",
    "print(vars(message))",
    # in another form
    "print(str(event))",
    "print(repr(message))",
    "print(json.dumps(event, default=str))",
    "print(f'got {message}')",
    "print(f'got {token!r:>10}')",
    "print('got %s' % token)",
    "print('got %(t)s' % message)",
    "print('got {}'.format(token))",
    "print('got ' + token)",
    "print(' '.join([token, 'x']))",
    "print(token.strip().encode())",
    "text = 'got {t}'; print(text.format(**message))",
    "import base64; print(base64.b64encode(token.encode()))",
    "import copy; print(copy.deepcopy(event))",
    "print(message.get('t'))",
    "print(message.get('taskToken', ''))",
    # through any logger
    "logging.getLogger().info(event)",
    "logging.getLogger(__name__).warning('failed for %s', record)",
    "logging.log(logging.INFO, token)",
    "logger.exception('failed', extra={'record': record})",
    "logger.info('failed', taskToken=token)",
    "logger.append_keys(token=token)",
    "logger.bind(token=token).info('got it')",
    "sys.stdout.write(json.dumps(message))",
    "print(token, file=sys.stderr)",
    "log = logging.getLogger('x'); log.debug(token)",
    "audit = logging.getLogger('audit'); audit.info(token)",
    "say = logger.info; say(token)",
    "from pprint import pprint as show; show(event)",
    "import warnings; warnings.warn(token)",
    "json.dump(message, sys.stdout)",
    "boto3.set_stream_logger('')",
    "import pprint; pprint.pprint(message)",
    "from rich.console import Console; Console().print(message)",
    "import os; os.write(1, token.encode())",
    "show = lambda given: print(given); show(message)",
    "list(map(lambda each: print(each), event['Records']))",
    # where control flow hides it
    "try:\n    pass\nexcept Exception as error:\n    logger.error('%s: %s', error, record)",
    "if token:\n    x = token\nelse:\n    x = ''\nprint(x)",
    "y = ''\nwhile True:\n    print(y)\n    y = token",
    "match message:\n    case {'t': found}:\n        print(message)",
    "with open('/dev/null') as f:\n    print(event)",
]

IN_HELPERS = [
    ("show(record)", "def show(x):\n    print(x)"),
    ("show(message=message)", "def show(*, message):\n    logger.info(message)"),
    ("print(parsed(record))", "def parsed(r):\n    return json.loads(r['body'])"),
    ("outer(token)", "def outer(a):\n    inner(a)\ndef inner(b):\n    print(b)"),
    ("list(map(show, event['Records']))", "def show(x):\n    print(x)"),
    (
        "Worker(message).run()",
        "class Worker:\n    def __init__(self, m):\n        self.m = m\n    def run(self):\n        print(self.m)",
    ),
    ("text(token)", "def text(t):\n    line = f'got {t}'\n    logger.info(line)\n    return line"),
    ("print(next(each(event)))", "def each(e):\n    for r in e['Records']:\n        yield r"),
]

NOT_LOGGED = [
    "print(len(event['Records']))",
    "print(record['messageId'])",
    "print(message['order']['id'])",
    "print(message.get('orderId'))",
    "print('token received')",
    "print(token is None, bool(token), len(token))",
    "print(token[:8])",
    "token_count = 3; print(token_count)",
    "next_token = context.next_token; print(next_token)",
    "import hashlib; print(hashlib.sha256(token.encode()).hexdigest())",
    "safe = {k: v for k, v in message.items() if k != 't'}; print(safe)",
    "safe = {**message, 't': '***'}; print(safe)",
    "message['t'] = '***'; print(message)",
    "message.pop('t'); print(message)",
    "del message['t']; print(message)",
    "x = token; x = 'nothing'; print(x)",
    "for number, _ in enumerate(event['Records']): print(number)",
    "ids = [r['messageId'] for r in event['Records']]; print(ids)",
    "pairs = [(r['messageId'], r['body']) for r in event['Records']]\nfor a, b in pairs:\n    print(a)",
    "try:\n    pass\nexcept Exception as error:\n    logger.exception('failed: %s', error)",
    "logger.info('answered', extra={'id': record['messageId']})",
    "print(context.aws_request_id)",
    "math = os; math.info = 1",
    "params = {'taskToken': token, 'id': 1}; print(params['id'])",
    "catalogue = {}; catalogue.get('token')",
    "print(masked(token))",
    "print(list(map(lambda each: each['messageId'], event['Records'])))",
    "print(sorted(event['Records'], key=lambda each: each['messageId'])[0]['messageId'])",
    "print(record['attributes']['ApproximateReceiveCount'], record['eventSourceARN'])",
    "boto3.resource('dynamodb').Table('t').put_item(Item={'id': record['messageId'], 'token': token})",
    "boto3.client('sqs').send_message(QueueUrl='q', MessageBody=json.dumps({'t': token}))",
    "url = f'https://example.com/orders/{message[\"orderId\"]}'",
    "print('https://example.com/?id=' + record['messageId'])",
]

SENT = [
    "link = f'https://example.com/answer?token={token}'",
    "link = 'https://example.com/answer?token=' + token",
    "link = 'https://example.com/answer/%s' % token",
    "link = 'https://{}/answer?t={}'.format('example.com', token)",
    "link = os.environ['BASE'] + '?token=' + urllib.parse.quote(token)",
    "link = f\"{os.environ['BASE']}/answer/{token}\"",
    "query = urllib.parse.urlencode({'token': token})",
    "query = urllib.parse.urlencode(message)",
    "boto3.client('sns').publish(TopicArn='t', Message=token)",
    "boto3.client('sns').publish(TopicArn='t', Message=json.dumps(message))",
    "boto3.resource('sns').Topic('t').publish(Message=record['body'])",
    "boto3.client('events').put_events(Entries=[{'Detail': json.dumps({'token': token})}])",
    "boto3.client('ses').send_email(Source='a', Message={'Body': {'Text': {'Data': f'Use {token}'}}})",
    "boto3.client('sesv2').send_email(Content={'Simple': {'Body': {'Text': {'Data': token}}}})",
    "import smtplib; smtplib.SMTP('h').sendmail('a', 'b', token)",
    "import requests; requests.get('https://example.com', params={'token': token})",
    "import requests; requests.post('https://example.com', headers={'X-Token': token})",
    "headers = {'Location': token}; response = {'statusCode': 302, 'headers': headers}",
    "open('/tmp/token', 'w').write(token)",
    "with open('/tmp/token', 'w') as file:\n    file.write(token)",
    "with open('/tmp/token', mode='a') as file:\n    json.dump(message, file)",
    "from pathlib import Path; Path('/tmp/token').write_text(token)",
    "boto3.client('s3').put_object(Bucket='b', Key=f'{token}.json', Body=b'')",
    "boto3.client('s3').put_object(Bucket='b', Key='k', Body=b'', Metadata={'token': token})",
    "boto3.client('stepfunctions').start_execution(stateMachineArn='a', name=token)",
]

STORE = "table.put_item(Item={'id': 'i', 'token': token})"
LATE = [
    f"boto3.client('textract').start_document_analysis(DocumentLocation={{}})\n{STORE}",
    f"boto3.client('sns').publish(TopicArn='t', Message='please answer')\n{STORE}",
    f"import requests; requests.post('https://example.com/jobs', json={{'id': 1}})\n{STORE}",
    f"ask()\n{STORE}",
    f"if record:\n    boto3.client('sqs').send_message(QueueUrl='q', MessageBody='work')\n{STORE}",
]
IN_TIME = [
    f"{STORE}\nboto3.client('textract').start_document_analysis(DocumentLocation={{}})",
    f"if record:\n    boto3.client('sns').publish(TopicArn='t', Message='no')\n    continue\n{STORE}",
    f"if record:\n    boto3.client('sns').publish(TopicArn='t', Message='no')\nelse:\n    {STORE}",
    f"boto3.client('sqs').send_message(QueueUrl='q', MessageBody=json.dumps({{'t': token}}))\n{STORE}",
]


@pytest.mark.parametrize("text", LOGGED)
def test_a_logged_token_is_found(text: str, tmp_path: Path) -> None:
    assert "EC2017" in rules_that_find(text, tmp_path)


@pytest.mark.parametrize(("text", "helper"), IN_HELPERS)
def test_a_token_that_a_helper_logs_is_found(text: str, helper: str, tmp_path: Path) -> None:
    assert "EC2017" in rules_that_find(text, tmp_path, helper)


@pytest.mark.parametrize("text", NOT_LOGGED)
def test_what_is_no_leak_is_not_found(text: str, tmp_path: Path) -> None:
    assert rules_that_find(text, tmp_path) == {}


@pytest.mark.parametrize("text", SENT)
def test_a_token_that_is_sent_around_is_found(text: str, tmp_path: Path) -> None:
    assert "EC2019" in rules_that_find(text, tmp_path)


ASK = "def ask():\n    boto3.client('sqs').send_message(QueueUrl='q', MessageBody='work')"


@pytest.mark.parametrize("text", LATE)
def test_a_token_that_is_stored_after_the_request_is_found(text: str, tmp_path: Path) -> None:
    assert "EC2023" in rules_that_find(text, tmp_path, ASK)


@pytest.mark.parametrize("text", IN_TIME)
def test_a_token_that_is_stored_in_time_is_not_found(text: str, tmp_path: Path) -> None:
    assert "EC2023" not in rules_that_find(text, tmp_path)


def test_a_finding_names_what_is_logged_and_its_line(tmp_path: Path) -> None:
    rules_that_find("taskTokenValue = token; logger.info('got %s', taskTokenValue)", tmp_path)
    template = template_of(read(tmp_path / "template.yaml"))
    assert template
    [problem] = RULES["EC2017"].problems(template)
    assert problem.message == "Worker: logs taskTokenValue, and with it task tokens"
    assert (
        (tmp_path / "app.py")
        .read_text()
        .splitlines()[problem.line - 1]
        .endswith("logger.info('got %s', taskTokenValue)")
    )
