output "state_bucket" {
  description = "For freshlayer --target aws --bucket"
  value       = aws_s3_bucket.state.id
}

output "publisher_role_arn" {
  description = "For the module member in other accounts"
  value       = aws_iam_role.publisher_role.arn
}

output "publisher_name" {
  description = "The function to invoke by hand"
  value       = aws_lambda_function.publisher.function_name
}

output "pruner_name" {
  description = "The function that deletes old releases once a day"
  value       = one(aws_lambda_function.pruner[*].function_name)
}

output "pruner_role_arn" {
  description = "For the module member in other accounts"
  value       = one(aws_iam_role.pruner_role[*].arn)
}
