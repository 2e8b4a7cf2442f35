# freshlayer in another account, as ../../member.yaml. The role as which the publisher rolls the functions of this account.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "publisher_role_arn" {
  description = "The output publisher_role_arn of the publisher's module."
  type        = string
}

variable "publisher_account" {
  description = "The account of the publisher, whose layers these are."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.publisher_account))
    error_message = "The account is twelve digits."
  }
}

variable "operator_arn" {
  description = "Role or user of the publisher's account who works by hand (freshlayer refresh, prune --target aws). Empty for none."
  type        = string
  default     = ""
}

variable "pruner_role_arn" {
  description = "The output pruner_role_arn of the publisher's module, where prune_keep is set. Empty for none."
  type        = string
  default     = ""
}

variable "functions_to_roll" {
  description = "Names of the functions that the publisher may change, as an IAM pattern, such as \"shop-*\"."
  type        = string
  default     = "*"
}

variable "probe_functions" {
  description = "Whether some layer has rollout.probe, so that the publisher calls the functions that it rolls."
  type        = bool
  default     = false
}

variable "layers_beside_ours" {
  description = "Layer versions that those functions may use, as an IAM pattern of ARNs."
  type        = string
  default     = "*"
}

data "aws_partition" "here" {}
data "aws_caller_identity" "here" {}

locals {
  partition = data.aws_partition.here.partition
  account   = data.aws_caller_identity.here.account_id
  to_roll   = "arn:${local.partition}:lambda:*:${local.account}:function:${var.functions_to_roll}"

  statements = [for statement in [
    {
      Sid      = "ReadLayersOursAndOthers"
      Effect   = "Allow"
      Action   = "lambda:GetLayerVersion"
      Resource = "arn:${local.partition}:lambda:*:*:layer:*:*"
    },
    {
      Sid    = "FindFunctions"
      Effect = "Allow"
      # AWS knows no resource for these three.
      Action   = ["lambda:ListFunctions", "lambda:GetAccountSettings", "tag:GetResources"]
      Resource = "*"
    },
    {
      Sid      = "ReadFunctions"
      Effect   = "Allow"
      Action   = ["lambda:GetFunction", "lambda:GetAlias", "lambda:ListAliases", "lambda:GetProvisionedConcurrencyConfig"]
      Resource = "arn:${local.partition}:lambda:*:${local.account}:function:*"
    },
    {
      Sid      = "SwapLayers"
      Effect   = "Allow"
      Action   = "lambda:UpdateFunctionConfiguration"
      Resource = local.to_roll
      Condition = {
        "ForAllValues:StringLike" = {
          "lambda:Layer" = [
            "arn:${local.partition}:lambda:*:${var.publisher_account}:layer:*:*",
            var.layers_beside_ours,
          ]
        }
      }
    },
    {
      Sid      = "ReleaseVersions"
      Effect   = "Allow"
      Action   = ["lambda:PublishVersion", "lambda:UpdateAlias"]
      Resource = local.to_roll
    },
    !var.probe_functions ? null : {
      Sid    = "ProbeFunctions"
      Effect = "Allow"
      Action = "lambda:InvokeFunction"
      # A version has an ARN of its own.
      Resource = [local.to_roll, "${local.to_roll}:*"]
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
      Resource = "${local.to_roll}:*"
    },
  ] : statement if statement != null]
}

resource "aws_iam_role" "member" {
  name = "freshlayer-member"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = compact([var.publisher_role_arn, var.operator_arn, var.pruner_role_arn]) }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "member" {
  name   = "roll"
  role   = aws_iam_role.member.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

output "role_arn" {
  description = "For account.role_arn in layers/"
  value       = aws_iam_role.member.arn
}
