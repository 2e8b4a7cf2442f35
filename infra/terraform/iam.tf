# Roles. A statement that is `null` is left out.

locals {
  # This Region, and the pattern of the others where there are any.
  regions  = compact([local.region, var.region_pattern])
  more     = var.region_pattern != ""
  lambda   = "arn:${local.partition}:lambda:${local.region}:${local.account}"
  lambdas  = [for region in local.regions : "arn:${local.partition}:lambda:${region}:${local.account}"]
  to_roll  = [for lambda in local.lambdas : "${lambda}:function:${var.functions_to_roll}"]
  versions = [for lambda in local.lambdas : "${lambda}:layer:${var.layer_names}:*"]
  ours     = { StringEquals = { "aws:ResourceAccount" = local.account } }
  tagged   = { Null = { "aws:ResourceTag/freshlayer" = "false" } }
  layers_only = {
    "ForAllValues:StringLike" = {
      "lambda:Layer" = [
        "arn:${local.partition}:lambda:*:${local.account}:layer:${var.layer_names}:*",
        var.layers_beside_ours,
      ]
    }
  }

  lambda_assumes = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  scheduler_assumes = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  state_statements = [for statement in [
    {
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    },
    !var.reference_storage ? null : {
      Sid       = "LambdaReadsReferredZips"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource  = "${aws_s3_bucket.state.arn}/blobs/*"
      Condition = { ArnLike = { "aws:SourceArn" = "arn:${local.partition}:lambda:*:${local.account}:layer:*:*" } }
    },
  ] : statement if statement != null]

  publisher_statements = [for statement in [
    {
      Sid       = "ReadAndWriteState"
      Effect    = "Allow"
      Action    = ["s3:GetObject", "s3:PutObject"]
      Resource  = "${aws_s3_bucket.state.arn}/*"
      Condition = local.ours
    },
    {
      Sid       = "TellMissingFromForbidden"
      Effect    = "Allow"
      Action    = "s3:ListBucket"
      Resource  = concat([aws_s3_bucket.state.arn], local.more ? ["${aws_s3_bucket.state.arn}-*"] : [])
      Condition = local.ours
    },
    !local.more ? null : {
      Sid       = "HandZipsToOtherRegions"
      Effect    = "Allow"
      Action    = ["s3:GetObject", "s3:PutObject"]
      Resource  = "${aws_s3_bucket.state.arn}-*/*"
      Condition = local.ours
    },
    {
      Sid    = "PublishLayers"
      Effect = "Allow"
      Action = ["lambda:PublishLayerVersion", "lambda:AddLayerVersionPermission"]
      Resource = concat(
        [for lambda in local.lambdas : "${lambda}:layer:${var.layer_names}"],
        local.versions,
      )
    },
    var.signing_profile == "" ? null : {
      Sid    = "SignLayers"
      Effect = "Allow"
      Action = ["signer:StartSigningJob", "signer:DescribeSigningJob", "s3:GetObjectVersion"]
      Resource = [
        "${aws_s3_bucket.state.arn}/blobs/*",
        "${aws_s3_bucket.state.arn}-*/blobs/*",
        "arn:${local.partition}:signer:*:${local.account}:/signing-profiles/${var.signing_profile}",
        "arn:${local.partition}:signer:*:${local.account}:/signing-jobs/*",
      ]
    },
    var.signing_key_arn == "" ? null : {
      Sid      = "SignWhatLiesBesideReleases"
      Effect   = "Allow"
      Action   = "kms:Sign"
      Resource = var.signing_key_arn
    },
    var.scanner_function == "" ? null : {
      Sid      = "AskTheScanner"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = "${local.lambda}:function:${var.scanner_function}"
    },
    var.hook_function == "" ? null : {
      Sid      = "AskTheHook"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = "${local.lambda}:function:${var.hook_function}"
    },
    !var.guard_duty_scan ? null : {
      Sid       = "ReadWhatGuardDutyFound"
      Effect    = "Allow"
      Action    = "s3:GetObjectTagging"
      Resource  = "${aws_s3_bucket.state.arn}/blobs/*"
      Condition = local.ours
    },
    {
      Sid      = "ReadLayersOursAndOthers"
      Effect   = "Allow"
      Action   = "lambda:GetLayerVersion"
      Resource = [for region in local.regions : "arn:${local.partition}:lambda:${region}:*:layer:*:*"]
    },
    {
      Sid    = "FindLayersAndFunctions"
      Effect = "Allow"
      # AWS knows no resource for these four.
      Action   = ["lambda:ListLayerVersions", "lambda:ListFunctions", "lambda:GetAccountSettings", "tag:GetResources"]
      Resource = "*"
    },
    {
      Sid      = "ReadFunctions"
      Effect   = "Allow"
      Action   = ["lambda:GetFunction", "lambda:GetAlias", "lambda:ListAliases", "lambda:GetProvisionedConcurrencyConfig"]
      Resource = [for lambda in local.lambdas : "${lambda}:function:*"]
    },
    {
      Sid       = "SwapLayers"
      Effect    = "Allow"
      Action    = "lambda:UpdateFunctionConfiguration"
      Resource  = local.to_roll
      Condition = merge(local.layers_only, var.only_tagged_functions ? local.tagged : {})
    },
    merge(
      {
        Sid      = "ReleaseVersions"
        Effect   = "Allow"
        Action   = ["lambda:PublishVersion", "lambda:UpdateAlias"]
        Resource = local.to_roll
      },
      var.only_tagged_functions ? { Condition = local.tagged } : {},
    ),
    !var.probe_functions ? null : {
      Sid    = "ProbeFunctions"
      Effect = "Allow"
      Action = "lambda:InvokeFunction"
      # A version has an ARN of its own.
      Resource = concat(local.to_roll, [for function in local.to_roll : "${function}:*"])
    },
    {
      Sid      = "WatchFunctions"
      Effect   = "Allow"
      Action   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:ListAlarmMuteRules"]
      Resource = "*"
    },
    # Published versions only, by their qualified ARNs: no function can be deleted by it.
    {
      Sid      = "RetireVersions"
      Effect   = "Allow"
      Action   = ["lambda:DeleteFunction", "lambda:ListDurableExecutionsByFunction"]
      Resource = [for function in local.to_roll : "${function}:*"]
    },
    {
      Sid      = "TellTheVersionToUse"
      Effect   = "Allow"
      Action   = "ssm:PutParameter"
      Resource = [for region in local.regions : "arn:${local.partition}:ssm:${region}:${local.account}:parameter/freshlayer/*"]
    },
    {
      Sid      = "TellWhatHappened"
      Effect   = "Allow"
      Action   = "events:PutEvents"
      Resource = "arn:${local.partition}:events:${local.region}:${local.account}:event-bus/default"
    },
    {
      Sid      = "GoOnLater"
      Effect   = "Allow"
      Action   = "scheduler:CreateSchedule"
      Resource = "arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule/default/freshlayer-*"
    },
    {
      Sid       = "GoOnLaterAs"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = aws_iam_role.wake_role.arn
      Condition = { StringEquals = { "iam:PassedToService" = "scheduler.amazonaws.com" } }
    },
    var.member_role_arn == "" ? null : {
      Sid      = "RollOtherAccounts"
      Effect   = "Allow"
      Action   = "sts:AssumeRole"
      Resource = var.member_role_arn
    },
    {
      Sid      = "WriteLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.log.arn}:*"
    },
    {
      Sid      = "SendDeadLetters"
      Effect   = "Allow"
      Action   = "sqs:SendMessage"
      Resource = aws_sqs_queue.dead_letters.arn
    },
    var.maxmind_license_key_secret_arn == "" ? null : {
      Sid      = "ReadLicenceKey"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue", "ssm:GetParameter"]
      Resource = var.maxmind_license_key_secret_arn
    },
    var.secret_key_arn == "" ? null : {
      Sid      = "DecryptLicenceKey"
      Effect   = "Allow"
      Action   = "kms:Decrypt"
      Resource = var.secret_key_arn
    },
  ] : statement if statement != null]

  pruner_statements = [for statement in [
    {
      Sid       = "ReadState"
      Effect    = "Allow"
      Action    = "s3:GetObject"
      Resource  = "${aws_s3_bucket.state.arn}/layers/*"
      Condition = local.ours
    },
    {
      Sid       = "WriteHeads"
      Effect    = "Allow"
      Action    = "s3:PutObject"
      Resource  = "${aws_s3_bucket.state.arn}/layers/*/head.json"
      Condition = local.ours
    },
    {
      Sid       = "TellMissingFromForbidden"
      Effect    = "Allow"
      Action    = "s3:ListBucket"
      Resource  = aws_s3_bucket.state.arn
      Condition = local.ours
    },
    {
      Sid       = "DeleteZips"
      Effect    = "Allow"
      Action    = "s3:DeleteObject"
      Resource  = "${aws_s3_bucket.state.arn}/blobs/*"
      Condition = local.ours
    },
    {
      Sid      = "DeleteLayerVersions"
      Effect   = "Allow"
      Action   = "lambda:DeleteLayerVersion"
      Resource = local.versions
    },
    {
      Sid      = "ReadLayerVersions"
      Effect   = "Allow"
      Action   = ["lambda:GetLayerVersion", "lambda:GetLayerVersionPolicy"]
      Resource = local.versions
    },
    {
      Sid    = "FindLayersAndFunctions"
      Effect = "Allow"
      # AWS knows no resource for these three.
      Action   = ["lambda:ListLayerVersions", "lambda:ListFunctions", "tag:GetResources"]
      Resource = "*"
    },
    var.member_role_arn == "" ? null : {
      Sid      = "LookIntoOtherAccounts"
      Effect   = "Allow"
      Action   = "sts:AssumeRole"
      Resource = var.member_role_arn
    },
    {
      Sid      = "WriteLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.log.arn}:*"
    },
    {
      Sid      = "SendDeadLetters"
      Effect   = "Allow"
      Action   = "sqs:SendMessage"
      Resource = aws_sqs_queue.dead_letters.arn
    },
  ] : statement if statement != null]
}

resource "aws_iam_role" "publisher_role" {
  name_prefix        = "${var.name}-publisher-"
  assume_role_policy = local.lambda_assumes
}

resource "aws_iam_role_policy" "publisher" {
  name   = "publisher"
  role   = aws_iam_role.publisher_role.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.publisher_statements })
}

resource "aws_iam_role" "wake_role" {
  name_prefix = "${var.name}-wake-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

# Policies of their own, because they name the function, which needs the role.
resource "aws_iam_role_policy" "hand_on" {
  name = "hand-on"
  role = aws_iam_role.publisher_role.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "HandOn"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = aws_lambda_function.publisher.arn
    }]
  })
}

resource "aws_iam_role_policy" "wake_up" {
  name = "wake"
  role = aws_iam_role.wake_role.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "lambda:InvokeFunction", Resource = aws_lambda_function.publisher.arn },
      { Effect = "Allow", Action = "sqs:SendMessage", Resource = aws_sqs_queue.dead_letters.arn },
    ]
  })
}

resource "aws_iam_role" "publisher_everything_role" {
  name_prefix        = "${var.name}-everything-"
  assume_role_policy = local.scheduler_assumes
}

resource "aws_iam_role_policy" "publisher_everything" {
  name = "call"
  role = aws_iam_role.publisher_everything_role.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "lambda:InvokeFunction", Resource = aws_lambda_function.publisher.arn }]
  })
}

# A role of its own: the publisher may delete neither layer versions nor zips, and the pruner changes no function.
resource "aws_iam_role" "pruner_role" {
  count              = local.has_pruner ? 1 : 0
  name_prefix        = "${var.name}-pruner-"
  assume_role_policy = local.lambda_assumes
}

resource "aws_iam_role_policy" "pruner" {
  count  = local.has_pruner ? 1 : 0
  name   = "pruner"
  role   = aws_iam_role.pruner_role[0].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.pruner_statements })
}

resource "aws_iam_role" "pruner_every_day_role" {
  count              = local.has_pruner ? 1 : 0
  name_prefix        = "${var.name}-every-day-"
  assume_role_policy = local.scheduler_assumes
}

resource "aws_iam_role_policy" "pruner_every_day" {
  count = local.has_pruner ? 1 : 0
  name  = "call"
  role  = aws_iam_role.pruner_every_day_role[0].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "lambda:InvokeFunction", Resource = aws_lambda_function.pruner[0].arn }]
  })
}
