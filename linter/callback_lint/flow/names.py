"""What names say: which are of a task token, of what came from outside, of a way out."""

import ast
import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_OTHER_TOKENS = _words("""
    next page pagination continuation access id auth csrf xsrf refresh client idempotency api bearer session max
    min num input output prompt completion total usage secret security web push user jwt oauth sync upload slack
    bot
""")
_NO_TOKEN = _words("""
    count counts length len size hash digest name table key field exists valid expiry expires ttl type limit index
    bucket url queue suffix prefix file path arn error
""")
CONTAINERS = _words("""
    Records records record body Body Sns SNS Message message MessageBody detail Detail dynamodb NewImage OldImage
    Item Items queryStringParameters multiValueQueryStringParameters pathParameters messageAttributes
    MessageAttributes Payload data json_body raw_event json decoded_body query_string_parameters sns_message
    new_image S StringValue Value value stringValue Input
""")
EVENT_NAMES = _words("""
    event events record records body raw_event sqs_event sqs_record lambda_event
""")

# What gives back its argument, or what it is called on, in another form
PASSING = _words("""
    dumps loads str repr format pformat dict list tuple set sorted reversed copy deepcopy join encode decode strip
    lstrip rstrip replace lower upper quote quote_plus unquote unquote_plus urlencode b64encode b64decode
    urlsafe_b64encode urlsafe_b64decode items values enumerate zip iter next filter chain parse parse_obj
    parse_raw model_validate model_validate_json model_dump model_dump_json asdict vars bytes bytearray escape
    unescape splitlines format_map safe_dump safe_load dump_s getvalue title ljust rjust zfill cast ascii
    bytes_to_str unmarshall deserialize result expandvars from_dict to_dict as_dict serialize
""")
PICKING = {"get", "pop", "setdefault", "getlist", "get_string_value", "getattr"}

PRINTING = _words("""
    debug info warning warn error exception critical fatal log success trace msg
""")
LOG_CONTEXT = _words("""
    append_keys structure_logs bind contextualize put_annotation put_metadata add_metadata add_dimension
    set_attribute set_tag add_breadcrumb thread_safe_append_keys
""")
LOGGER = re.compile(r"(?:\w*_)?(?:log|logger|logging)|[a-z]+(?:Log|Logger)|LOG|LOGGER|structlog|loguru", re.IGNORECASE)
MAKES_LOGGERS = {"getLogger", "get_logger", "Logger", "getChild", "LoggerAdapter"}
MAILS = _words("""
    send_email send_raw_email send_templated_email send_bulk_email send_bulk_templated_email sendmail
""")
REQUESTS = (
    _words("""
    publish send_message put_events submit_job run_task post invoke urlopen create_job publish_batch
    send_message_batch
""")
    | MAILS
)
STORES = _words("""
    put_item update_item put_object put_parameter setex hset transact_write_items insert_one
""")
LINK = re.compile(r"https?://|[?&][\w.-]+=")
SENDS_TASK = re.compile(r"send_?task_?(success|failure|heartbeat)", re.IGNORECASE)
UNCHANGED = (ast.JoinedStr, ast.FormattedValue, ast.BinOp, ast.Tuple, ast.List, ast.Set, ast.IfExp, ast.BoolOp)


def is_token_name(name: str, *, alone: bool = True) -> bool:
    """Whether a name says that it is a task token. `alone`: the bare word `token` says so, too."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if "token" not in words or set(words) & _NO_TOKEN or set(words) & _OTHER_TOKENS:
        return False
    return alone or "task" in words or "callback" in words or "sfn" in words
