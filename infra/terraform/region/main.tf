# freshlayer in one more Region, as ../../region.yaml. Lambda copies zips from a bucket of its own Region only; this is it.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "state_bucket" {
  description = "The output state_bucket of the module beside it."
  type        = string
}

data "aws_region" "here" {}

locals {
  region = data.aws_region.here.region
}

resource "aws_s3_bucket" "zips" {
  #checkov:skip=CKV_AWS_18:zips lie here for a day; only the publisher and Lambda read them
  #checkov:skip=CKV_AWS_144:it is the copy of another Region's
  #checkov:skip=CKV_AWS_145:encrypted with S3's own key (AES256), as the template does it; no secret lies here
  #checkov:skip=CKV2_AWS_62:nothing listens
  bucket        = "${var.state_bucket}-${local.region}"
  force_destroy = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "zips" {
  bucket = aws_s3_bucket.zips.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "zips" {
  bucket                  = aws_s3_bucket.zips.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "zips" {
  bucket = aws_s3_bucket.zips.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "zips" {
  bucket = aws_s3_bucket.zips.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "zips" {
  bucket     = aws_s3_bucket.zips.id
  depends_on = [aws_s3_bucket_versioning.zips]

  # Lambda has its copy within seconds.
  rule {
    id     = "copied-zips"
    status = "Enabled"
    filter {}
    expiration {
      days = 1
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "zips_policy" {
  bucket = aws_s3_bucket.zips.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.zips.arn, "${aws_s3_bucket.zips.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
