"""Every rule of permission_rules.py finds the fault that it is there for, planted into the payment callback."""

import pytest

from tests.template import permission_rules
from tests.template.permission_rules import RULES
from tests.template.planting import Fault, both, drop, findings_in_payment_callback, missed, of, put
from tests.template.project import Template

MACHINE, WORKER, WORKER_ROLE = "WaitForCallbackStateMachine", "PaymentWorkerFunction", "PaymentWorkerRole"
STATEMENTS = of(WORKER_ROLE, "Policies", 0, "PolicyDocument", "Statement")
RECEIVE_REQUESTS, ANSWER_TASK_TOKENS = (*STATEMENTS, 0), (*STATEMENTS, 1)
MACHINE_STATEMENTS = of("WaitForCallbackStateMachineRole", "Policies", 0, "PolicyDocument", "Statement")

FAULTS: list[Fault[Template]] = [
    Fault(
        permission_rules.functions_have_a_role_of_their_own,
        drop(*of(WORKER, "Role")),
        "PaymentWorkerFunction: Role is no role of this template",
    ),
    Fault(
        permission_rules.functions_have_a_role_of_their_own,
        put(*of(WORKER, "Role"), value={"Fn::GetAtt": ["DeadLetterReporterRole", "Arn"]}),
        "DeadLetterReporterFunction: has its role, DeadLetterReporterRole, in common with PaymentWorkerFunction",
    ),
    Fault(
        permission_rules.functions_have_a_role_of_their_own,
        put(*of(WORKER_ROLE, "ManagedPolicyArns"), value=["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]),
        "PaymentWorkerRole: ManagedPolicyArns allow more than PaymentWorkerFunction needs",
    ),
    Fault(
        permission_rules.grants_name_their_actions_and_resources,
        put(*RECEIVE_REQUESTS, "Action", value="sqs:*"),
        "PaymentWorkerRole: ReceivePaymentRequests allows sqs:*; name each action",
    ),
    Fault(
        permission_rules.grants_name_their_actions_and_resources,
        put(*RECEIVE_REQUESTS, "Resource", value="*"),
        "PaymentWorkerRole: ReceivePaymentRequests allows sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:Rec",
    ),
    Fault(
        permission_rules.grants_name_their_actions_and_resources,
        put(*MACHINE_STATEMENTS, 1, "Resource", value={"Fn::Sub": "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:*"}),
        "WaitForCallbackStateMachineRole: PublishNotifications allows sns:Publish on",
    ),
    Fault(
        permission_rules.grants_name_their_actions_and_resources,
        both(drop(*RECEIVE_REQUESTS, "Action"), put(*RECEIVE_REQUESTS, "NotAction", value="sqs:PurgeQueue")),
        "PaymentWorkerRole: ReceivePaymentRequests says what it does not allow",
    ),
    Fault(
        permission_rules.task_tokens_are_answered_whole_and_of_one_state_machine,
        put(*ANSWER_TASK_TOKENS, "Action", value="states:SendTaskSuccess"),
        "PaymentWorkerRole: AnswerTaskTokens allows states:SendTaskSuccess only",
    ),
    Fault(
        permission_rules.task_tokens_are_answered_whole_and_of_one_state_machine,
        put(*ANSWER_TASK_TOKENS, "Resource", value="*"),
        "PaymentWorkerRole: AnswerTaskTokens allows task tokens of *, which is no state machine",
    ),
    Fault(
        permission_rules.task_tokens_are_answered_whole_and_of_one_state_machine,
        put(*ANSWER_TASK_TOKENS, value={"Effect": "Allow", "Action": "states:Send*", "Resource": "*"}),
        "PaymentWorkerRole: a statement without Sid allows task tokens of *, which is no state machine",
    ),
    Fault(
        permission_rules.task_tokens_are_answered_whole_and_of_one_state_machine,
        both(
            put("Resources", "Other", value={"Type": "AWS::StepFunctions::StateMachine", "Properties": {}}),
            put(*ANSWER_TASK_TOKENS, "Resource", value=[{"Ref": MACHINE}, {"Ref": "Other"}]),
        ),
        "PaymentWorkerRole: may answer task tokens of more than one state machine: Other, WaitForCallbackStateMachine",
    ),
    Fault(
        permission_rules.functions_may_answer_if_they_do,
        drop(*ANSWER_TASK_TOKENS),
        "PaymentWorkerFunction: payment_worker answers task tokens and its role may not",
    ),
    Fault(
        permission_rules.functions_may_answer_if_they_do,
        put(*of(WORKER, "Handler"), value="observability.lambda_handler"),
        "PaymentWorkerFunction: observability answers no task token and its role may",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_rule_finds_planted_fault(fault: Fault[Template]) -> None:
    assert fault.finding in findings_in_payment_callback(fault)


def test_every_rule_has_a_planted_fault() -> None:
    assert missed(FAULTS, RULES) == set()


def test_part_of_a_resource_may_be_granted() -> None:
    sound = Fault(
        permission_rules.grants_name_their_actions_and_resources,
        put(*RECEIVE_REQUESTS, "Resource", value={"Fn::Sub": "${Bucket.Arn}/outbound/*"}),
        "",
    )
    assert findings_in_payment_callback(sound) == ""
