"""AWS's list prices and what is assumed beside them: the one place where they are written down."""

from dataclasses import dataclass

MILLION = 10**6
GB = 10**9
MONTH_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Price:
    """US dollars for so many units, in the first tier and without free tiers. `page` is a page of aws.amazon.com."""

    dollars: float
    per: int
    unit: str
    page: str

    def of(self, units: float) -> float:
        return units / self.per * self.dollars


TRANSITIONS = Price(25.00, MILLION, "state transitions", "step-functions/pricing")
SQS_REQUESTS = Price(0.40, MILLION, "requests, empty receives included, of up to 64 KB", "sqs/pricing")
SNS_PUBLISHES = Price(0.50, MILLION, "publishes; deliveries to queues and functions are free", "sns/pricing")
API_REQUESTS = Price(3.50, MILLION, "requests of a REST API", "api-gateway/pricing")
LAMBDA_REQUESTS = Price(0.20, MILLION, "invocations", "lambda/pricing")
LAMBDA_SECONDS = Price(16.6667, MILLION, "GB-seconds on x86_64; 13.3334 on arm64", "lambda/pricing")
LOG_BYTES = Price(0.50, GB, "bytes taken into CloudWatch Logs", "cloudwatch/pricing")
TRACES = Price(5.00, MILLION, "traces recorded", "xray/pricing")
DYNAMODB_WRITES = Price(0.625, MILLION, "writes of up to 1 KB, on demand", "dynamodb/pricing/on-demand")
DYNAMODB_READS = Price(0.125, MILLION, "consistent reads of up to 4 KB, on demand", "dynamodb/pricing/on-demand")
S3_WRITES = Price(5.00, MILLION, "PUT and COPY; DELETE is free", "s3/pricing")
S3_READS = Price(0.40, MILLION, "GET", "s3/pricing")
S3_EVENTS = Price(
    1.00, MILLION, "events that a bucket sends (opt-in); those of Step Functions are free", "eventbridge/pricing"
)

KEYS = Price(1.00, 1, "customer-managed key a month; 1.00 more after each of its first two rotations", "kms/pricing")
KEY_REQUESTS = Price(0.03, 10_000, "requests of a key", "kms/pricing")
ALARMS = Price(0.10, 1, "alarm a month", "cloudwatch/pricing")
DASHBOARDS = Price(3.00, 1, "dashboard a month; the first three of an account are free", "cloudwatch/pricing")
METRICS = Price(0.30, 1, "custom metric (name and dimensions) for a month in which it is used", "cloudwatch/pricing")

DURABLE_OPERATION = Price(8.00, MILLION, "durable operations", "lambda/pricing")
DURABLE_WRITES = Price(0.25, GB, "bytes written by durable operations", "lambda/pricing")
DURABLE_STORAGE = Price(0.15, GB, "bytes of durable operations kept for a month", "lambda/pricing")

PRICES = tuple(price for price in list(globals().values()) if isinstance(price, Price))

# What is counted of a run, and what it costs
ITEMS = {
    "state transitions": TRANSITIONS,
    "SQS requests": SQS_REQUESTS,
    "SNS publishes": SNS_PUBLISHES,
    "API requests": API_REQUESTS,
    "DynamoDB writes": DYNAMODB_WRITES,
    "DynamoDB reads": DYNAMODB_READS,
    "S3 writes": S3_WRITES,
    "S3 reads": S3_READS,
    "S3 events": S3_EVENTS,
    "Lambda invocations": LAMBDA_REQUESTS,
    "Lambda GB-seconds": LAMBDA_SECONDS,
    "log bytes: functions": LOG_BYTES,
    "log bytes: metrics": LOG_BYTES,
    "log bytes: Step Functions": LOG_BYTES,
    "traces": TRACES,
}
DERIVED = {"Lambda GB-seconds", "log bytes: Step Functions", "traces"}  # from what is counted

# ------------------------------------------------------------------ what a laptop cannot count
# Billed time of an invocation: 10 ms, and 0.6 s for the one in a hundred that starts an environment
INVOCATION_SECONDS = 0.010 + 0.6 / 100
CALL_SECONDS = 0.020  # that each request of AWS adds to it, one after the other
LOG_EVENT_BYTES = 26  # that CloudWatch Logs adds to each line
LOGGED_EVENT_BYTES = 390  # of an event that a state machine logs without execution data, these 26 among them
# Connections that Lambda keeps open to a queue, and for how many seconds each waits for a message:
# https://aws.amazon.com/blogs/aws/aws-lambda-adds-amazon-simple-queue-service-to-supported-event-sources/
POLLERS, POLL_SECONDS = 5, 20

# What the payment callback comes to as a Lambda durable function, beside the queue, the worker and the topic that both
# have: the start of the execution; a context, a callback and a step for wait_for_callback; a step to publish. That is
# what AWS's test runner counts, with two invocations, whether the payment succeeds or fails.
DURABLE_OPERATIONS, DURABLE_INVOCATIONS = 5, 2
DURABLE_REQUESTS = 2 + 4  # the two services that it calls, and a checkpoint for each operation but the first
DURABLE_DAYS = 14  # for which AWS keeps an execution where nothing else is said
