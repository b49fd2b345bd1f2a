# make run    open napari with the bundled chest CT; without a display, do the same job into results/
# make test   run the tests
# make lint   check style, types, who may know whom, and the manifest
# make bench  measure speed and quality
# Each sets up what it needs on first use. PYTHON=python3.12 chooses a Python, VENV=folder another place.

VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt

UNAME := $(shell uname -s)
DISPLAY_AT_HAND := $(DISPLAY)$(WAYLAND_DISPLAY)$(filter-out Linux,$(UNAME))
WINDOWED := $(if $(DISPLAY_AT_HAND),,xvfb-run --auto-servernum --server-args="-screen 0 1600x1200x24")

.PHONY: run test lint bench qt-libraries
.SILENT:

run: $(VENV)/installed $(if $(DISPLAY_AT_HAND),qt-libraries)
	$(BIN)/python -m $(if $(DISPLAY_AT_HAND),napari_unet.gui,napari_unet demo)

test: $(VENV)/installed qt-libraries
	$(WINDOWED) $(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate napari-unet-paint

bench: $(VENV)/installed-bench qt-libraries
	set -e; for benchmark in $(patsubst benchmarks/%/__main__.py,%,$(wildcard benchmarks/*/__main__.py)); do \
	    $(WINDOWED) $(BIN)/python -m benchmarks.$$benchmark; \
	done

qt-libraries:
	.ci/qt-libraries $(if $(DISPLAY_AT_HAND),,xvfb xauth)

$(VENV)/installed: pyproject.toml constraints.txt
	.ci/make-venv $(VENV)
	echo "Installing napari-unet-paint into $(VENV) (once; this takes minutes) ..."
	$(INSTALL) --editable ".[pyqt5,test,lint]"
	touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(INSTALL) --editable ".[bench]"
	touch $@
