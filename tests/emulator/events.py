"""Listens to the events of freshlayer as a rule does.

events.py listen   makes a queue and a rule that sends every event there
events.py heard    prints the events that came since the last time, one a line
"""
import json
import sys

import boto3

NAME = "freshlayer-heard"

queues = boto3.client("sqs")
if sys.argv[1] == "listen":
    address = queues.create_queue(QueueName=NAME)["QueueUrl"]
    asked = queues.get_queue_attributes(QueueUrl=address, AttributeNames=["QueueArn"])
    bus = boto3.client("events")
    bus.put_rule(Name=NAME, EventPattern=json.dumps({"source": ["freshlayer"]}))
    bus.put_targets(Rule=NAME, Targets=[{"Id": "1", "Arn": asked["Attributes"]["QueueArn"]}])
    sys.exit()
address = queues.get_queue_url(QueueName=NAME)["QueueUrl"]
while found := queues.receive_message(QueueUrl=address, MaxNumberOfMessages=10).get("Messages"):
    for message in found:
        print(message["Body"])
        queues.delete_message(QueueUrl=address, ReceiptHandle=message["ReceiptHandle"])
