"""The product as processes on real servers, faults from a seed, and an accountant at the end.

    PYTHONPATH=. .venv/bin/python -m tests.faults --seed 7          # one run, with its plan
    PYTHONPATH=. .venv/bin/python -m tests.faults --seed 1 --runs 200
    PYTHONPATH=. .venv/bin/python -m tests.faults --faults pause_postgres,net_reset
    PYTHONPATH=. .venv/bin/python -m tests.faults --shortest 100 --longest 120 --most 2

`pages` makes what is published, `site` serves the crawled part of it, `proxy` is the network
between processes and servers, `servers` runs Postgres and both Redis, `product` the processes on
them, `faults` has every kind of fault, `accounts` says what does not add up, `run` does one run.
"""
