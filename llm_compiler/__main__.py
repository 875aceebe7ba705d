"""`python -m llm_compiler` is `llmc`."""

from llm_compiler.cli.main import main

main()
