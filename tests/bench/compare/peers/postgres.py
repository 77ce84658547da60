"""PostgreSQL on a socket of its own, in two layouts: `documents` (JSONB) and `arrays` (columns, one of them an array).

Both have an index for each condition that is asked; the server has a quarter of the memory, parallel workers and no
just-in-time compilation, which costs more than it brings here. Statements are prepared.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from glob import glob
from itertools import combinations

import psycopg

from common import arguments, measure, subjects

LONG = 256
OPERATORS = {
    "numericGreaterThanOrEqual": ">=",
    "numericLessThanOrEqual": "<=",
    "stringIs": "=",
    "stringIsNot": "<>",
    "regexContains": "~",
}


@contextmanager
def server(folder):
    """A running server over an empty folder; it refuses to be root, so root lends it Debian's user."""
    programs = sorted(glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    if not programs:
        raise SystemExit("PostgreSQL is not installed")
    data, user = os.path.join(folder, "pg"), ["env"]
    os.mkdir(data)
    if os.getuid() == 0:
        shutil.chown(data, "postgres", "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    cluster = os.path.join(data, "data")
    subprocess.run([*user, f"{programs[-1]}/initdb", "-D", cluster, "-U", "bench", "-A", "trust", "-E", "UTF8",
                    "--locale=C", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=data)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    settings = {
        "listen_addresses": "", "unix_socket_directories": data,
        "shared_buffers": f"{memory // 4}MB", "effective_cache_size": f"{memory // 2}MB",
        "work_mem": f"{memory // 64}MB", "maintenance_work_mem": f"{memory // 16}MB", "random_page_cost": 1.1,
        "max_parallel_workers_per_gather": os.cpu_count(), "max_wal_size": "8GB", "wal_level": "minimal",
        "max_wal_senders": 0, "synchronous_commit": "off", "default_toast_compression": "lz4", "jit": "off",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with open(os.path.join(folder, "log"), "w") as log:
        process = subprocess.Popen([*user, f"{programs[-1]}/postgres", "-D", cluster, *options], stderr=log, cwd=data)
    try:
        yield connected(process, data)
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        process.wait()
        shutil.rmtree(data, ignore_errors=True)


def connected(process, data):
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit("PostgreSQL ended at once")
        try:
            return psycopg.connect(host=data, user="bench", dbname="postgres", autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise SystemExit("PostgreSQL does not answer")


class Postgres:
    def __init__(self, connection, cohort):
        self.connection, self.cohort = connection, cohort

    def load(self):
        # COPY in the transaction that made the table needs no write-ahead log (wal_level minimal).
        with self.connection.transaction():
            self.connection.execute(self.TABLES)
            self.copy()
        self.connection.execute(self.INDEXES)
        self.connection.execute("VACUUM (ANALYZE)")

    def size(self):
        return self.connection.execute(
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").fetchone()[0]

    def version(self):
        return "PostgreSQL " + self.connection.execute("SHOW server_version").fetchone()[0].split()[0]

    def empty(self):
        return self.connection.execute("SELECT 1", prepare=True).fetchone()[0]

    def question(self, filters):
        values = {}

        def bind(value):
            name = f"v{len(values)}"
            values[name] = value
            return f"%({name})s"

        where = " AND ".join(self.condition(filter, bind) for filter in filters)
        query = f"SELECT count(*) FROM subject WHERE {where}"
        return lambda: self.connection.execute(query, values, prepare=True).fetchone()[0]

    def condition(self, filter, bind):
        match filter:
            case {"kind": "age", "from": low, "to": high}:
                return f"{self.AGE} BETWEEN {bind(float(low))} AND {bind(float(high))}"
            case {"kind": "gender", "is": gender}:
                return f"{self.GENDER} = {bind(gender)}"
            case {"kind": "eav", "attribute": name, "relation": relation, "value": value}:
                value = value if isinstance(value, str) else float(value)
                return f"{self.eav(name, value)} {OPERATORS[relation]} {bind(value)}"
            case {"kind": "terms", "atLeast": least, "groups": groups}:
                groups = [self.any_term(group, bind) for group in groups]
                # Combinations of indexed conditions: a sum of truth values could use no index.
                return "(" + " OR ".join(f"({' AND '.join(some)})" for some in combinations(groups, least)) + ")"
            case _:
                return self.genetic(filter, bind)

    def any_term(self, group, bind):
        """Some term of the group, of whichever ontology."""
        lists = [self.overlaps(name, ids, bind) for name, ids in group.items() if ids]
        return f"({' OR '.join(lists)})"


class Documents(Postgres):
    TABLES = "CREATE TABLE subject (doc jsonb NOT NULL)"
    AGE = "(doc #>> '{_demo,age}')::float8"
    GENDER = "(doc #>> '{_demo,gender}')"
    INDEXES = f"""
        CREATE EXTENSION pg_trgm;
        CREATE INDEX ON subject USING gin (doc jsonb_path_ops);
        CREATE INDEX ON subject USING gin ((doc -> 'present'));
        CREATE INDEX ON subject USING gin ((doc -> 'ORDO'));
        CREATE INDEX ON subject ({GENDER}, ({AGE}));
        CREATE INDEX ON subject (({AGE}));
        CREATE INDEX ON subject (((doc #>> '{{EAV,visits}}')::float8));
        CREATE INDEX ON subject ((doc #>> '{{EAV,outcome}}'));
        CREATE INDEX ON subject USING gin ((doc #>> '{{EAV,clinic}}') gin_trgm_ops)"""

    def copy(self):
        # As CSV whose quote and delimiter no JSON text contains, the lines go in as they are.
        options = r"(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
        with self.connection.cursor().copy(f"COPY subject FROM STDIN WITH {options}") as copy:
            with open(self.cohort, "rb") as file:
                while block := file.read(1 << 20):
                    copy.write(block)

    def eav(self, name, value):
        text = f"(doc #>> '{{EAV,{name}}}')"
        return text if isinstance(value, str) else text + "::float8"

    def overlaps(self, name, ids, bind):
        if len(ids) > LONG:
            # A long list is hashed here; the operator below would search for each of it in each document.
            return (f"EXISTS (SELECT FROM jsonb_array_elements_text(doc -> '{name}') AS of (one)"
                    f" WHERE one = ANY({bind(ids)}::text[]))")
        return f"doc -> '{name}' ?| {bind(ids)}::text[]"

    def genetic(self, filter, bind):
        match filter:
            case {"kind": "allele", "gene": gene, "allele": allele}:
                sought = {"ALLELES": [{"gene": gene, "alleles": [allele]}]}
                return f"doc @> {bind(psycopg.types.json.Jsonb(sought))}"
            case {"kind": "variant", "genes": genes, "mutations": mutations, "maxAf": most}:
                def among(name, values):
                    return "(" + " || ".join(f'@.{name} == "{value}"' for value in values) + ")"

                path = f"{among('gene', genes)} && {among('mutation', mutations)} && @.af <= {most}"
                return f"doc @? {bind(f'$.VARIANT[*] ? ({path})')}::jsonpath"
        raise ValueError(filter)


class Arrays(Postgres):
    TABLES = """
        CREATE TABLE subject (id int PRIMARY KEY, name text, age float8, gender text, present int[],
            alleles text[], visits float8, clinic text, outcome text);
        CREATE TABLE disease (term int, subject int);
        CREATE TABLE variant (gene text, mutation text, af float8, subject int)"""
    AGE, GENDER = "age", "gender"
    INDEXES = """
        CREATE EXTENSION pg_trgm;
        CREATE INDEX ON subject USING gin (present);
        CREATE INDEX ON subject USING gin (alleles);
        CREATE INDEX ON subject (gender, age);
        CREATE INDEX ON subject (age);
        CREATE INDEX ON subject (visits);
        CREATE INDEX ON subject (outcome);
        CREATE INDEX ON subject USING gin (clinic gin_trgm_ops);
        CREATE INDEX ON disease (term, subject);
        CREATE INDEX ON variant (gene, mutation, af, subject)"""

    def copy(self):
        diseases, variants = [], []
        with self.connection.cursor().copy("COPY subject FROM STDIN") as copy:
            for number, subject in enumerate(subjects(self.cohort)):
                demo, eav = subject.get("_demo", {}), subject.get("EAV", {})
                alleles = [f"{one['gene']}:{name}" for one in subject.get("ALLELES", []) for name in one["alleles"]]
                copy.write_row((
                    number, subject["subjectId"], demo.get("age"), demo.get("gender"),
                    [int(term) for term in subject["present"]], alleles,
                    eav.get("visits"), eav.get("clinic"), eav.get("outcome")))
                diseases += ((int(term), number) for term in subject.get("ORDO", []))
                variants += ((v["gene"], v["mutation"], v["af"], number) for v in subject.get("VARIANT", []))
        for table, rows in {"disease": diseases, "variant": variants}.items():
            with self.connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    def eav(self, name, value):
        return name

    def overlaps(self, name, ids, bind):
        terms = f"{bind([int(term) for term in ids])}::int[]"
        if name == "ORDO":
            # Few a subject and asked for by the thousand: each row would be compared with them all.
            return f"id IN (SELECT subject FROM disease WHERE term = ANY({terms}))"
        return f"{name} && {terms}"

    def genetic(self, filter, bind):
        match filter:
            case {"kind": "allele", "gene": gene, "allele": allele}:
                return f"alleles @> {bind([f'{gene}:{allele}'])}::text[]"
            case {"kind": "variant", "genes": genes, "mutations": mutations, "maxAf": most}:
                return (f"id IN (SELECT subject FROM variant WHERE gene = ANY({bind(genes)}::text[])"
                        f" AND mutation = ANY({bind(mutations)}::text[]) AND af <= {bind(most)})")
        raise ValueError(filter)


if __name__ == "__main__":
    cohort, questions, folder, seconds, [layout] = arguments()
    with server(folder) as connection:
        measure({"documents": Documents, "arrays": Arrays}[layout](connection, cohort), questions, seconds)
