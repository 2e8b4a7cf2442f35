# Alarms and the dashboard.

locals {
  alarm_actions = var.alarm_topic_arn == "" ? [] : [var.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "failed_runs" {
  alarm_name          = "${var.name}-failed-runs"
  alarm_description   = "A refresh failed; the last good release keeps serving. The log says why."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.publisher.function_name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "failed_prunes" {
  count               = local.has_pruner ? 1 : 0
  alarm_name          = "${var.name}-failed-prunes"
  alarm_description   = "Old releases could not be deleted; nothing that is used was. The log says why."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.pruner[0].function_name }
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "lost_runs" {
  alarm_name          = "${var.name}-lost-runs"
  alarm_description   = "A refresh failed at every try, or the Scheduler could not call the publisher; the event lies in the dead-letter queue."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "old_data" {
  alarm_name          = "${var.name}-old-data"
  alarm_description   = "The oldest data of some layer was built more than ${var.oldest_data_days} days ago, or nothing reports any more."
  namespace           = "freshlayer"
  metric_name         = "DataAgeDays"
  statistic           = "Maximum"
  period              = 86400
  evaluation_periods  = 1
  threshold           = var.oldest_data_days
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "rejected_data" {
  alarm_name          = "${var.name}-rejected-data"
  alarm_description   = "The upstream's data is not good; the last good release keeps serving. The log lists the problems."
  namespace           = "freshlayer"
  metric_name         = "Rejected"
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "stuck_rollout" {
  alarm_name          = "${var.name}-stuck-rollout"
  alarm_description   = "On two days running some function could not be moved to the newest data; freshlayer status says why."
  namespace           = "freshlayer"
  metric_name         = "ConsumersBehind"
  statistic           = "Maximum"
  period              = 86400
  evaluation_periods  = 2
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "full_code_storage" {
  alarm_name          = "${var.name}-full-code-storage"
  alarm_description   = "The code storage of an account is 80 % full in some Region. At 100 % no team can publish or deploy there; freshlayer status names the place."
  namespace           = "freshlayer"
  metric_name         = "CodeStoragePercent"
  statistic           = "Maximum"
  period              = 86400
  evaluation_periods  = 1
  threshold           = 80
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_dashboard" "dashboard" {
  dashboard_name = "${var.name}-${local.region}"
  dashboard_body = jsonencode({
    widgets = [
      {
        type   = "metric"
        x      = 0
        y      = 0
        width  = 12
        height = 6
        properties = {
          region  = local.region
          title   = "Age of the oldest data, days"
          period  = 3600
          stat    = "Maximum"
          metrics = [[{ expression = "SEARCH('{freshlayer,Layer} MetricName=\"DataAgeDays\"', 'Maximum', 3600)" }]]
        }
      },
      {
        type   = "metric"
        x      = 12
        y      = 0
        width  = 12
        height = 6
        properties = {
          region  = local.region
          title   = "Functions that wait"
          period  = 3600
          stat    = "Maximum"
          metrics = [[{ expression = "SEARCH('{freshlayer,Layer} MetricName=\"ConsumersBehind\"', 'Maximum', 3600)" }]]
        }
      },
      {
        type   = "metric"
        x      = 0
        y      = 6
        width  = 12
        height = 6
        properties = {
          region  = local.region
          title   = "Downloaded, bytes"
          period  = 86400
          stat    = "Sum"
          metrics = [["freshlayer", "DownloadedBytes"]]
        }
      },
      {
        type   = "metric"
        x      = 12
        y      = 6
        width  = 12
        height = 6
        properties = {
          region  = local.region
          title   = "Runs: failed, rejected"
          period  = 3600
          stat    = "Sum"
          metrics = [["freshlayer", "Failed"], ["freshlayer", "Rejected"]]
        }
      },
    ]
  })
}
