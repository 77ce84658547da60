"""A server that speaks MongoDB's protocol, with an index for each condition; the arrays' indexes are multikey.

It is `secantus-mdb` where `setup` has made it, else the slow stand-in from PyPI; the version says which.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import combinations, islice

import pymongo

from common import arguments, measure, subjects

OPERATORS = {
    "numericGreaterThanOrEqual": "$gte",
    "numericLessThanOrEqual": "$lte",
    "stringIs": "$eq",
    "regexContains": "$regex",
}
INDEXES = [["present"], ["ORDO"], ["ALLELES.gene"], ["VARIANT.gene"], ["_demo.gender", "_demo.age"], ["_demo.age"],
           ["EAV.visits"], ["EAV.outcome"], ["EAV.clinic"]]


@contextmanager
def server(folder, cache):
    real = os.path.join(cache, "bin", "secantusd-rs")
    stand_in = os.path.join(os.path.dirname(sys.executable), "secantusd-py")
    program = next((path for path in (real, stand_in) if os.path.exists(path)), None)
    if program is None:
        raise SystemExit("no server that speaks MongoDB's protocol is installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = os.path.join(folder, "mongo")
    os.mkdir(data)
    with open(os.path.join(folder, "log"), "w") as log:
        options = ["--log-file-max", "16MB"] if program == real else ["--host", "127.0.0.1"]
        process = subprocess.Popen([program, "--port", str(port), "--storage-path", data, *options],
                                   stdout=log, stderr=log, cwd=folder)
    try:
        yield connected(process, port), data, os.path.basename(program)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(data, ignore_errors=True)


def connected(process, port):
    client = pymongo.MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=500)
    for _ in range(60):
        if process.poll() is not None:
            raise SystemExit("the server ended at once")
        try:
            client.admin.command("ping")
            return pymongo.MongoClient("127.0.0.1", port, directConnection=True)
        except pymongo.errors.PyMongoError:
            time.sleep(0.5)
    raise SystemExit("the server does not answer")


class Mongo:
    def __init__(self, client, data, program, cohort):
        self.client, self.data, self.program, self.cohort = client, data, program, cohort
        self.subjects = client.bench.subjects

    def load(self):
        documents = subjects(self.cohort)
        while batch := list(islice(documents, 5_000)):
            self.subjects.insert_many(batch, ordered=False)
        for names in INDEXES:
            self.subjects.create_index([(name, 1) for name in names])

    def size(self):
        return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(self.data)
                   for name in names if not name.endswith(".log"))

    def version(self):
        return {"secantusd-rs": "secantus-mdb 0.5.3-beta.196", "secantusd-py": "SecantusDB 0.7.0b3"}[self.program]

    @property
    def note(self):
        stand_in = ", and a slow stand-in" if self.program == "secantusd-py" else ""
        return f"speaks the protocol of MongoDB, but is not MongoDB{stand_in}"

    def empty(self):
        return self.client.admin.command("ping")["ok"]

    def question(self, filters):
        query = {"$and": [condition(filter) for filter in filters]}
        return lambda: self.subjects.count_documents(query)


def condition(filter):
    match filter:
        case {"kind": "age", "from": low, "to": high}:
            return {"_demo.age": {"$gte": low, "$lte": high}}
        case {"kind": "gender", "is": gender}:
            return {"_demo.gender": gender}
        case {"kind": "eav", "attribute": name, "relation": "stringIsNot", "value": value}:
            return {f"EAV.{name}": {"$type": "string", "$ne": value}}
        case {"kind": "eav", "attribute": name, "relation": relation, "value": value}:
            return {f"EAV.{name}": {OPERATORS[relation]: value}}
        case {"kind": "allele", "gene": gene, "allele": allele}:
            return {"ALLELES": {"$elemMatch": {"gene": gene, "alleles": allele}}}
        case {"kind": "variant", "genes": genes, "mutations": mutations, "maxAf": most}:
            return {"VARIANT": {"$elemMatch": {
                "gene": {"$in": genes}, "mutation": {"$in": mutations}, "af": {"$lte": most}}}}
        case {"kind": "terms", "atLeast": least, "groups": groups}:
            groups = [any_term(group) for group in groups]
            return {"$or": [{"$and": list(some)} for some in combinations(groups, least)]}
    raise ValueError(filter)


def any_term(group):
    lists = [{name: {"$in": ids}} for name, ids in group.items() if ids]
    return lists[0] if len(lists) == 1 else {"$or": lists}


if __name__ == "__main__":
    cohort, questions, folder, seconds, _ = arguments()
    with server(folder, os.environ["CV3_BENCH_CACHE"]) as (client, data, program):
        measure(Mongo(client, data, program, cohort), questions, seconds)
