"""AWS's list prices and what is assumed beside them: the one place where they are written down."""

from dataclasses import dataclass

REGION = "us-east-1"
CHECKED = "2026-11-21"  # against copies of the pages below, and tables that others published of them

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

DURABLE_OPERATIONS = Price(8.00, MILLION, "durable operations", "lambda/pricing")
DURABLE_WRITES = Price(0.25, GB, "bytes written by durable operations", "lambda/pricing")
DURABLE_STORAGE = Price(0.15, GB, "bytes of durable operations kept for a month", "lambda/pricing")

PRICES = tuple(price for price in list(globals().values()) if isinstance(price, Price))

# ------------------------------------------------------------------ what a laptop cannot count
# Billed time of an invocation: 10 ms, and 0.6 s for the one in a hundred that starts an environment
INVOCATION_SECONDS = 0.010 + 0.6 / 100
CALL_SECONDS = 0.020  # that each request of AWS adds to it, one after the other
LOG_EVENT_BYTES = 26  # that CloudWatch Logs adds to each line
# https://aws.amazon.com/blogs/aws/aws-lambda-adds-amazon-simple-queue-service-to-supported-event-sources/
POLLERS, POLL_SECONDS = (
    5,
    20,
)  # connections that Lambda keeps open to a queue, and for how long each waits for a message
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
DATA_KEY_SECONDS = 300  # for which a data key is used again, where a queue says nothing else; always, for a topic
