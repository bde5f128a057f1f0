# make book   set up, run the chapters, build _build/html        make notebooks    write notebooks/ from book/
# make test   set up, run everything that CI runs                make constraints  renew the pinned versions
# make clean  remove what was built (make clean-all: and .venv)
PYTHON ?= python3
VENV ?= .venv
RUN = PYTHONPATH=book/_ext $(VENV)/bin
TEST = OMP_NUM_THREADS=1 $(RUN)/pytest -n 2 --dist worksteal
READY = $(VENV)/.ready

.PHONY: book test lint unit pages chromium notebooks constraints clean clean-all

book: $(READY)
	$(RUN)/python -m bookkit.execution
	@echo "Writing the pages: about half a minute"
	$(RUN)/jupyter-book build . -W --keep-going -n -q
	@echo "The book: file://$(CURDIR)/_build/html/index.html"

test: lint unit pages

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

unit: $(READY) chromium
	$(TEST) tests --ignore=tests/pages --cov --cov-report=term --cov-fail-under=95
	$(TEST) --nbmake notebooks

pages: book chromium
	$(TEST) tests/pages

notebooks: $(READY)
	$(RUN)/python -m bookkit.notebooks

# A browser for the tests: the system's, $$CHROMIUM, or Playwright's own.
chromium: $(READY)
	@test -n "$$CHROMIUM" || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		command -v google-chrome >/dev/null || $(VENV)/bin/playwright install chromium

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned versions into $(VENV): some minutes, the first time"
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[book,test]'
	@touch $@

constraints:
	$(VENV)/bin/pip install --quiet uv
	$(VENV)/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.10 --upgrade \
		--no-annotate --no-emit-index-url --custom-compile-command "make constraints" -o constraints.txt --quiet

clean:
	rm -rf _build build .mypy_cache .pytest_cache .ruff_cache .coverage

clean-all: clean
	rm -rf $(VENV)
