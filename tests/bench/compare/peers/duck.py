"""DuckDB in a file of its own: a table of one row a subject, and a long table, sorted, for each list."""

import os

import duckdb

from common import arguments, measure

COLUMNS = """{subjectId: 'VARCHAR', present: 'VARCHAR[]', ORDO: 'VARCHAR[]',
    ALLELES: 'STRUCT(gene VARCHAR, alleles VARCHAR[])[]',
    VARIANT: 'STRUCT(gene VARCHAR, mutation VARCHAR, af DOUBLE)[]', _demo: 'STRUCT(age DOUBLE, gender VARCHAR)',
    EAV: 'STRUCT(visits DOUBLE, clinic VARCHAR, outcome VARCHAR)'}"""
TABLES = """
    CREATE TEMP TABLE doc AS SELECT (row_number() OVER ())::INTEGER AS n, * FROM
        read_json($cohort, format = 'newline_delimited', columns = {columns});
    CREATE TABLE subject AS SELECT n, subjectId AS name, _demo.age AS age, _demo.gender AS gender,
        EAV.visits AS visits, EAV.clinic AS clinic, EAV.outcome AS outcome FROM doc;
    CREATE TABLE present AS SELECT unnest(present)::INTEGER AS term, n FROM doc ORDER BY term, n;
    CREATE TABLE ordo AS SELECT unnest(ORDO)::INTEGER AS term, n FROM doc ORDER BY term, n;
    CREATE TABLE allele AS SELECT one.gene AS gene, unnest(one.alleles) AS allele, n
        FROM (SELECT unnest(ALLELES) AS one, n FROM doc) ORDER BY gene, allele, n;
    CREATE TABLE variant AS SELECT one.gene AS gene, one.mutation AS mutation, one.af AS af, n
        FROM (SELECT unnest(VARIANT) AS one, n FROM doc) ORDER BY gene, mutation, af, n;
    DROP TABLE doc;
    CHECKPOINT"""
OPERATORS = {
    "numericGreaterThanOrEqual": "{} >= {}",
    "numericLessThanOrEqual": "{} <= {}",
    "stringIs": "{} = {}",
    "stringIsNot": "{} <> {}",
    "regexContains": "regexp_matches({}, {})",
}


def text(value):
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def some(values):
    return "(" + ", ".join(text(value) for value in values) + ")"


class Duck:
    def __init__(self, cohort, folder):
        self.cohort, self.path = cohort, os.path.join(folder, "duck.db")
        self.connection = duckdb.connect(self.path)
        self.connection.execute(f"SET temp_directory = {text(folder)}")
        self.prepared = 0

    def load(self):
        tables = TABLES.replace("$cohort", text(self.cohort)).replace("{columns}", COLUMNS)
        for statement in tables.split(";"):
            self.connection.execute(statement)

    def size(self):
        return os.path.getsize(self.path)

    def version(self):
        return f"DuckDB {duckdb.__version__}"

    def empty(self):
        return self.connection.execute("SELECT 1").fetchone()[0]

    def question(self, filters):
        self.prepared += 1
        where = " AND ".join(condition(filter) for filter in filters)
        self.connection.execute(f"PREPARE q{self.prepared} AS SELECT count(*) FROM subject WHERE {where}")
        query = f"EXECUTE q{self.prepared}"
        return lambda: self.connection.execute(query).fetchone()[0]


def condition(filter):
    match filter:
        case {"kind": "age", "from": low, "to": high}:
            return f"age BETWEEN {low} AND {high}"
        case {"kind": "gender", "is": gender}:
            return f"gender = {text(gender)}"
        case {"kind": "eav", "attribute": name, "relation": relation, "value": value}:
            return OPERATORS[relation].format(name, text(value))
        case {"kind": "allele", "gene": gene, "allele": allele}:
            return f"n IN (SELECT n FROM allele WHERE gene = {text(gene)} AND allele = {text(allele)})"
        case {"kind": "variant", "genes": genes, "mutations": mutations, "maxAf": most}:
            return (f"n IN (SELECT n FROM variant WHERE gene IN {some(genes)} AND mutation IN {some(mutations)}"
                    f" AND af <= {most})")
        case {"kind": "terms", "atLeast": least, "groups": groups}:
            groups = [any_term(group) for group in groups]
            if least == 1:
                return f"n IN ({' UNION ALL '.join(groups)})"
            each = " UNION ALL ".join(f"SELECT DISTINCT n FROM ({group})" for group in groups)
            return f"n IN (SELECT n FROM ({each}) GROUP BY n HAVING count(*) >= {least})"
    raise ValueError(filter)


def any_term(group):
    lists = [f"SELECT n FROM {name.lower()} WHERE term IN {some(map(int, ids))}" for name, ids in group.items() if ids]
    return " UNION ALL ".join(lists)


if __name__ == "__main__":
    cohort, questions, folder, seconds, _ = arguments()
    measure(Duck(cohort, folder), questions, seconds)
