"""A loop over subjects in memory: what one writes first. Sets and plain attributes, the cheapest condition first."""

import platform
import re
from types import SimpleNamespace

from common import arguments, measure, subjects

COMPARE = {
    "numericGreaterThanOrEqual": lambda value: lambda held: held is not None and held >= value,
    "numericLessThanOrEqual": lambda value: lambda held: held is not None and held <= value,
    "stringIs": lambda value: lambda held: held == value,
    "stringIsNot": lambda value: lambda held: held is not None and held != value,
    "regexContains": lambda value: lambda held, find=re.compile(value).search: held is not None and find(held),
}


class Loop:
    empty = None

    def __init__(self, cohort):
        self.cohort, self.subjects = cohort, []

    def load(self):
        known = {}
        for subject in subjects(self.cohort):
            def shared(values):
                return frozenset(known.setdefault(value, value) for value in values)

            demo = subject.get("_demo", {})
            self.subjects.append(SimpleNamespace(
                age=demo.get("age"), gender=demo.get("gender"),
                present=shared(subject["present"]), ORDO=shared(subject.get("ORDO", [])),
                alleles=shared((one["gene"], name) for one in subject.get("ALLELES", []) for name in one["alleles"]),
                variants=[(one["gene"], one["mutation"], one["af"]) for one in subject.get("VARIANT", [])],
                eav=subject.get("EAV", {})))

    def size(self):
        return None  # nothing on disk

    def version(self):
        return f"Python {platform.python_version()}"

    def question(self, filters):
        tests = [test for _, test in sorted(map(condition, filters), key=lambda pair: pair[0])]
        return lambda: sum(1 for subject in self.subjects if all(test(subject) for test in tests))


def condition(filter):
    """How dear the condition is, and the condition."""
    match filter:
        case {"kind": "age", "from": low, "to": high}:
            return 0, lambda s: s.age is not None and low <= s.age <= high
        case {"kind": "gender", "is": gender}:
            return 0, lambda s: s.gender == gender
        case {"kind": "eav", "attribute": name, "relation": relation, "value": value}:
            test = COMPARE[relation](value)
            return (2 if relation == "regexContains" else 1), lambda s: test(s.eav.get(name))
        case {"kind": "allele", "gene": gene, "allele": allele}:
            return 1, lambda s: (gene, allele) in s.alleles
        case {"kind": "variant", "genes": genes, "mutations": mutations, "maxAf": most}:
            genes, mutations = set(genes), set(mutations)
            return 2, lambda s: any(g in genes and m in mutations and af <= most for g, m, af in s.variants)
        case {"kind": "terms", "atLeast": least, "groups": groups}:
            groups = [(frozenset(group["present"]), frozenset(group["ORDO"])) for group in groups]
            return 3, lambda s: sum(
                not hpo.isdisjoint(s.present) or not ordo.isdisjoint(s.ORDO) for hpo, ordo in groups) >= least
    raise ValueError(filter)


if __name__ == "__main__":
    cohort, questions, _, seconds, _ = arguments()
    measure(Loop(cohort), questions, seconds)
