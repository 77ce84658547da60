"""What schemathesis must leave alone: the account it is signed in with, which it would lock itself out of."""

import os

import schemathesis

OWN = os.environ["CV3_FUZZ_USER"]


@schemathesis.hook
def filter_case(context, case):
    return (case.path_parameters or {}).get("user_id") != OWN
