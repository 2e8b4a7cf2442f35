# Called by `sam build`, for each function: the publisher for Amazon Linux 2023, with the layer definitions beside it.
# ARCHITECTURE=arm64 builds for Graviton, as the template's parameter `Architecture` says. PUBLISHER=ZIP takes the publisher of a
# release.
ARCHITECTURE ?= x86_64
TARGET = $(subst arm64,aarch64,$(ARCHITECTURE))-unknown-linux-gnu.2.34

build-Publisher build-Pruner:
	@ls layers/*.toml > /dev/null 2>&1 || { echo 'layers/ holds no definition: run `freshlayer init` first' >&2; exit 1; }
ifdef PUBLISHER
	python3 -m zipfile -e $(PUBLISHER) $(ARTIFACTS_DIR)
	chmod 755 $(ARTIFACTS_DIR)/bootstrap
else
	cargo lambda build --profile deployed --package publisher --target $(TARGET)
	cp target/lambda/publisher/bootstrap $(ARTIFACTS_DIR)/
endif
	mkdir -p $(ARTIFACTS_DIR)/layers
	cp layers/*.toml $(ARTIFACTS_DIR)/layers/
