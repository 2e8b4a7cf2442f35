# The variables are the parameters of ../template.yaml, in the same order. The first two exist here only.

variable "name" {
  description = "Beginning of every name, as the name of the stack is with CloudFormation."
  type        = string
  default     = "freshlayer"

  # A role's name takes 64 characters: Terraform adds 26, and we 12.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,25}$", var.name))
    error_message = "The name has 26 characters at most: lower-case letters, digits and hyphens."
  }
}

variable "publisher_zip" {
  description = "Path to a zip with the publisher of a release as `bootstrap`, and the layer definitions in `layers/`."
  type        = string
}

variable "layer_names" {
  description = "Names of the layers that the publisher may publish and share, as an IAM pattern, such as \"geo\" or \"geo-*\"."
  type        = string
}

variable "functions_to_roll" {
  description = "Names of the functions that the publisher may change, as an IAM pattern, such as \"shop-*\"."
  type        = string
}

variable "only_tagged_functions" {
  description = "Whether the publisher may change only functions that have the tag freshlayer, whatever its value."
  type        = bool
  default     = false
}

variable "schedule" {
  description = "When all layers are refreshed. Nothing new costs one conditional request per dataset."
  type        = string
  default     = "rate(6 hours)"
}

variable "architecture" {
  description = "Processors that the publisher runs on. arm64 needs a publisher that was built for it."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "maxmind_account_id" {
  description = "Account for maxmind sources. Empty where no layer has one."
  type        = string
  default     = ""
}

variable "maxmind_license_key_secret_arn" {
  description = "Secret in Secrets Manager, or SecureString parameter, whose text is that account's licence key."
  type        = string
  default     = ""
}

variable "secret_key_arn" {
  description = "Customer managed key of KMS that the licence key is encrypted with. Empty for an AWS managed one."
  type        = string
  default     = ""
}

variable "region_pattern" {
  description = "Regions of the layers beside this one, as an IAM pattern such as \"us-*\". Each needs the module region. Empty for none."
  type        = string
  default     = ""
}

variable "member_role_arn" {
  description = "Roles of other accounts that the module member made, as an IAM pattern. Empty for none."
  type        = string
  default     = ""
}

variable "reference_storage" {
  description = "Whether some layer has publish.storage = \"reference\", so that Lambda reads its zips from the bucket."
  type        = bool
  default     = false
}

variable "signing_profile" {
  description = "The signing profile of AWS Signer that layers name (publish.signing_profile). Empty for none."
  type        = string
  default     = ""
}

variable "signing_key_arn" {
  description = "Key of KMS (ECC_NIST_P256, SIGN_VERIFY) that signs the provenance documents of each release. Empty for none."
  type        = string
  default     = ""
}

variable "scanner_function" {
  description = "The function that looks at each zip before it is published (scan.lambda), as an IAM pattern of names. Empty for none."
  type        = string
  default     = ""
}

variable "hook_function" {
  description = "The function that is asked about each wave (rollout.hook.lambda), as an IAM pattern of names. Empty for none."
  type        = string
  default     = ""
}

variable "guard_duty_scan" {
  description = "Whether some layer has scan.guardduty, so that the publisher reads the tags of its zips."
  type        = bool
  default     = false
}

variable "probe_functions" {
  description = "Whether some layer has rollout.probe, so that the publisher calls the functions that it rolls."
  type        = bool
  default     = false
}

variable "calls_per_sec" {
  description = "The publisher's share of the 15 calls a second that Lambda's control plane takes per account and Region."
  type        = number
  default     = 8

  validation {
    condition     = var.calls_per_sec >= 1 && var.calls_per_sec <= 15
    error_message = "The publisher makes 1 to 15 calls a second."
  }
}

variable "layers_beside_ours" {
  description = "Layer versions that those functions may use, as an IAM pattern of ARNs."
  type        = string
  default     = "*"
}

variable "prune_keep" {
  description = "How many of the newest releases a daily prune keeps, used or not. 0 for no pruner: nothing is deleted by itself."
  type        = number
  default     = 0

  validation {
    condition     = var.prune_keep >= 0
    error_message = "The pruner keeps 0 releases or more."
  }
}

variable "oldest_data_days" {
  description = "The alarm for old data rings beyond this age."
  type        = number
  default     = 14
}

variable "reserved_concurrency" {
  description = "Runs at a time. 0 for no reservation, as accounts need whose quota is 10; the lease guards, too."
  type        = number
  default     = 1
}

variable "alarm_topic_arn" {
  description = "SNS topic that alarms go to. Empty for none."
  type        = string
  default     = ""
}
