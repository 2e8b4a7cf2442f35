# Called by `sam build`, for each function: the publisher for Amazon Linux 2023, with the layer definitions beside it.
build-Publisher build-Pruner:
	@ls layers/*.toml > /dev/null 2>&1 || { echo 'layers/ holds no definition: run `freshlayer init` first' >&2; exit 1; }
	cargo lambda build --profile deployed --package publisher --target x86_64-unknown-linux-gnu.2.34
	cp target/lambda/publisher/bootstrap $(ARTIFACTS_DIR)/
	mkdir -p $(ARTIFACTS_DIR)/layers
	cp layers/*.toml $(ARTIFACTS_DIR)/layers/
