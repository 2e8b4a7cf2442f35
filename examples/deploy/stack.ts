import { App, Stack } from "aws-cdk-lib";
import { Alias, Code, Function, LayerVersion, Runtime } from "aws-cdk-lib/aws-lambda";
import { StringParameter } from "aws-cdk-lib/aws-ssm";

const stack = new Stack(new App(), "Checkout");
const geo = StringParameter.valueForStringParameter(stack, "/freshlayer/geo/arn");
const checkout = new Function(stack, "Checkout", {
  runtime: Runtime.PYTHON_3_13,
  handler: "index.handler",
  code: Code.fromInline("def handler(event, context):\n    return 'hello'\n"),
  layers: [LayerVersion.fromLayerVersionArn(stack, "Geo", geo)],
});
new Alias(stack, "Live", { aliasName: "live", version: checkout.currentVersion });
