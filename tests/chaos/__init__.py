"""The chaos test: many clients, an upstream in every kind of trouble, and a relay that is killed again and again.

`test_chaos.py` runs it for seconds in the suite; `python -m tests.chaos --minutes 10` for as long as one likes. One
idea a file: `mail.py` what is sent, `senders.py` the clients, `agenda.py` what goes wrong and when, `stand_in.py` the
upstream, `relays.py` the relay's lives, `evidence.py` what everybody saw, `verdict.py` what has to be true of it in the
end, `running.py` one run of all that.
"""
