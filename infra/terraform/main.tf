# The same resources as ../template.yaml. Their names are those of the template, in snake case.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

data "aws_partition" "here" {}
data "aws_region" "here" {}
data "aws_caller_identity" "here" {}

locals {
  partition  = data.aws_partition.here.partition
  region     = data.aws_region.here.region
  account    = data.aws_caller_identity.here.account_id
  has_pruner = var.prune_keep != 0
}

resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:CloudTrail data events are the account's to choose; a second bucket for access logs costs more than this one
  #checkov:skip=CKV_AWS_144:a copy in another Region is the account's to choose, as with the template
  #checkov:skip=CKV_AWS_145:encrypted with S3's own key (AES256), as the template does it; no secret lies here
  #checkov:skip=CKV2_AWS_62:nothing listens; freshlayer tells its events on the bus
  bucket_prefix = "${var.name}-state-"
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket     = aws_s3_bucket.state.id
  depends_on = [aws_s3_bucket_versioning.state]

  rule {
    id     = "old-heads"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  # Lambda has its copy within seconds; the unsigned zip stays.
  rule {
    id     = "signed-zips"
    status = "Enabled"
    filter {
      prefix = "signed/"
    }
    expiration {
      days = 1
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }
}

resource "aws_s3_bucket_policy" "state_policy" {
  bucket = aws_s3_bucket.state.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.state_statements })
}

resource "aws_sqs_queue" "dead_letters" {
  name_prefix               = "${var.name}-dead-letters-"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
}

resource "aws_cloudwatch_log_group" "log" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts it with a key of its own; no secret is logged
  #checkov:skip=CKV_AWS_338:the template keeps logs for 90 days, too
  name_prefix       = "${var.name}-"
  retention_in_days = 90
}

resource "aws_lambda_function" "publisher" {
  #checkov:skip=CKV_AWS_50:the log has each stage with its duration
  #checkov:skip=CKV_AWS_272:code signing is the account's to choose, as with the template
  #checkov:skip=CKV_AWS_117:it reaches upstreams on the internet and AWS's APIs; a VPC would need a NAT gateway
  #checkov:skip=CKV_AWS_173:its variables hold names only; the licence key stays in Secrets Manager
  function_name    = "${var.name}-publisher"
  filename         = var.publisher_zip
  source_code_hash = filebase64sha256(var.publisher_zip)
  handler          = "bootstrap"
  runtime          = "provided.al2023"
  architectures    = [var.architecture]
  # 1,769 MB is one whole core; compression takes as many as there are.
  memory_size = 1769
  timeout     = 900
  # One at a time: a duplicate event waits, and finds nothing to do. -1 is no reservation.
  reserved_concurrent_executions = var.reserved_concurrency == 0 ? -1 : var.reserved_concurrency
  role                           = aws_iam_role.publisher_role.arn

  ephemeral_storage {
    size = 2048
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.log.name
  }

  environment {
    variables = {
      FRESHLAYER_BUCKET          = aws_s3_bucket.state.id
      FRESHLAYER_CALLS_PER_SEC   = tostring(var.calls_per_sec)
      FRESHLAYER_WAKE_ROLE       = aws_iam_role.wake_role.arn
      FRESHLAYER_DEAD_LETTERS    = aws_sqs_queue.dead_letters.arn
      MAXMIND_ACCOUNT_ID         = var.maxmind_account_id
      MAXMIND_LICENSE_KEY_SECRET = var.maxmind_license_key_secret_arn
      FRESHLAYER_SIGNING_KEY     = var.signing_key_arn
    }
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.dead_letters.arn
  }

  # Lambda looks whether the role may send to the queue.
  depends_on = [aws_iam_role_policy.publisher]
}

resource "aws_lambda_function_event_invoke_config" "publisher" {
  function_name                = aws_lambda_function.publisher.function_name
  qualifier                    = "$LATEST"
  maximum_retry_attempts       = 1
  maximum_event_age_in_seconds = 21600
}

resource "aws_scheduler_schedule" "publisher_everything" {
  #checkov:skip=CKV_AWS_297:its input holds no secret; the template has no key either
  name_prefix         = "${var.name}-everything-"
  schedule_expression = var.schedule

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }

  target {
    arn      = aws_lambda_function.publisher.arn
    role_arn = aws_iam_role.publisher_everything_role.arn
    input    = "{\"command\": \"refresh\", \"asked_by\": \"schedule\"}"
  }
}

resource "aws_lambda_function" "pruner" {
  count = local.has_pruner ? 1 : 0
  #checkov:skip=CKV_AWS_50:the log has each stage with its duration
  #checkov:skip=CKV_AWS_272:code signing is the account's to choose, as with the template
  #checkov:skip=CKV_AWS_117:it reaches AWS's APIs only; a VPC would need endpoints for each
  #checkov:skip=CKV_AWS_173:its variables hold names only
  function_name                  = "${var.name}-pruner"
  filename                       = var.publisher_zip
  source_code_hash               = filebase64sha256(var.publisher_zip)
  handler                        = "bootstrap"
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  memory_size                    = 256
  timeout                        = 900
  reserved_concurrent_executions = var.reserved_concurrency == 0 ? -1 : 1
  role                           = aws_iam_role.pruner_role[0].arn

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.log.name
  }

  environment {
    variables = {
      FRESHLAYER_BUCKET        = aws_s3_bucket.state.id
      FRESHLAYER_CALLS_PER_SEC = tostring(var.calls_per_sec)
    }
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.dead_letters.arn
  }

  depends_on = [aws_iam_role_policy.pruner]
}

resource "aws_lambda_function_event_invoke_config" "pruner" {
  count                        = local.has_pruner ? 1 : 0
  function_name                = aws_lambda_function.pruner[0].function_name
  qualifier                    = "$LATEST"
  maximum_retry_attempts       = 1
  maximum_event_age_in_seconds = 21600
}

resource "aws_scheduler_schedule" "pruner_every_day" {
  count = local.has_pruner ? 1 : 0
  #checkov:skip=CKV_AWS_297:its input holds no secret; the template has no key either
  name_prefix         = "${var.name}-every-day-"
  schedule_expression = "rate(1 day)"

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }

  target {
    arn      = aws_lambda_function.pruner[0].arn
    role_arn = aws_iam_role.pruner_every_day_role[0].arn
    input    = "{\"command\": \"prune\", \"keep\": ${var.prune_keep}}"
  }
}
