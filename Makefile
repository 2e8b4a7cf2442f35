# Called by `sam build`: the publisher for Amazon Linux 2023, with the layer definitions beside it.
build-Publisher:
	cargo lambda build --profile deployed --package publisher --target x86_64-unknown-linux-gnu.2.34
	cp target/lambda/publisher/bootstrap $(ARTIFACTS_DIR)/
	cp -R layers $(ARTIFACTS_DIR)/
