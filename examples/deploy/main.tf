data "aws_ssm_parameter" "geo_layer" {
  name = "/freshlayer/geo/arn"
}

resource "aws_lambda_function" "checkout" {
  function_name    = "checkout"
  role             = aws_iam_role.checkout.arn
  runtime          = "python3.13"
  handler          = "index.handler"
  filename         = "checkout.zip"
  source_code_hash = filebase64sha256("checkout.zip")
  publish          = true
  layers           = [data.aws_ssm_parameter.geo_layer.insecure_value]

  lifecycle {
    ignore_changes = [layers]
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.checkout.function_name
  function_version = aws_lambda_function.checkout.version

  lifecycle {
    ignore_changes = [function_version, routing_config]
  }
}
