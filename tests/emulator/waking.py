"""Prints where each wake-up goes that the Scheduler cannot deliver; one line per wake-up."""
import boto3

client = boto3.client("scheduler")
for found in client.list_schedules(NamePrefix="freshlayer-")["Schedules"]:
    target = client.get_schedule(Name=found["Name"])["Target"]
    print(target.get("DeadLetterConfig", {}).get("Arn"))
