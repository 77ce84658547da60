//! A builder made concrete for one view: terms expanded, regexes and comparisons resolved to the values they
//! select there, filters the source cannot answer ignored or made unsatisfiable (soft match, specification §8.2).
//!
//! A plan is canonical: builders that this source would execute alike give equal plans (specification §8.6).

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::blur::Blur;
use super::expand::Expansion;
use super::keys::{Column, Field, Key, Trait, fold};
use super::view::SourceView;
use crate::domain::queries::{
    AgeRange, Builder, EavFilter, ExactFilter, GeneFilter, Granularity, Relation, SubjectFilter, TermFilter,
    VariantFilter,
};
use crate::domain::subjects::Mutation;
use crate::terms::{Ontology, Terms};

/// What the asker may be told of a source, as far as planning depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Identifying attributes; below `list` filters on them count as filters on unknown ones.
    pub withheld: BTreeSet<String>,
    /// The permitted level.
    pub level: Granularity,
}

/// What to look for in a column; every list sorted, without repeats and drawn from values the source has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Test {
    /// In any of these inclusive, disjoint intervals between occurring numbers.
    Numbers(Vec<[f64; 2]>),
    Texts(Vec<String>),
    Bools(Vec<bool>),
}

impl Test {
    /// Whether whatever passes `other` passes `self`.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numbers(mine), Self::Numbers(theirs)) => {
                theirs.iter().all(|[low, high]| mine.iter().any(|[from, to]| from <= low && high <= to))
            }
            (Self::Texts(mine), Self::Texts(theirs)) => {
                theirs.iter().all(|text| mine.binary_search(text).is_ok())
            }
            (Self::Bools(mine), Self::Bools(theirs)) => theirs.iter().all(|is| mine.contains(is)),
            _ => false,
        }
    }

    /// Adds what `other` selects; `false` if they are of different types.
    fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numbers(mine), Self::Numbers(theirs)) => {
                mine.extend(theirs);
                mine.sort_by(|[a, _], [b, _]| a.total_cmp(b));
                mine.dedup();
            }
            (Self::Texts(mine), Self::Texts(theirs)) => {
                mine.extend_from_slice(theirs);
                mine.sort_unstable();
                mine.dedup();
            }
            (Self::Bools(mine), Self::Bools(theirs)) => {
                mine.extend(theirs);
                mine.sort_unstable();
                mine.dedup();
            }
            _ => return false,
        }
        true
    }
}

/// Subjects with any of these keys or passing any of these tests. Nothing in it: nobody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Places in [`Plan::keys`], ascending.
    pub keys: Vec<u32>,
    pub tests: Vec<(Column, Test)>,
}

impl Group {
    fn is_within(&self, other: &Self) -> bool {
        let key_within = |key: &u32| other.keys.binary_search(key).is_ok();
        let test_within = |(column, test): &(Column, Test)| {
            other.tests.iter().any(|(theirs, wider)| theirs == column && wider.covers(test))
        };
        self.keys.iter().all(key_within) && self.tests.iter().all(test_within)
    }
}

/// One condition; a plan is their conjunction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Predicate {
    /// In at least `at_least` of the groups.
    Within { at_least: usize, groups: Vec<Group> },
    /// Has values of the test's type in the column, none of which passes the test.
    Without { column: Column, test: Test },
}

/// What a source executes for a builder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Every key the predicates use, sorted.
    pub keys: Vec<Key>,
    pub predicates: Vec<Predicate>,
    /// What the reader of the answer must know, in words.
    pub notices: Vec<String>,
    /// The view it was made from.
    pub view: u64,
}

/// Beyond this many conditions implied ones are left in: comparing each with each would cost more than it saves.
const COMPARED: usize = 64;

impl Plan {
    /// Makes the plan of a builder for one view.
    pub fn make(builder: &Builder, view: &SourceView, terms: &dyn Terms, scope: &Scope) -> Self {
        Self::make_blurred(builder, view, terms, scope, None)
    }

    /// The same for someone who may not count: local frequencies are compared blurred.
    pub fn make_blurred(
        builder: &Builder,
        view: &SourceView,
        terms: &dyn Terms,
        scope: &Scope,
        blur: Option<&Blur>,
    ) -> Self {
        let expansion = Expansion::new(terms);
        let planner = Planner {
            view,
            builder,
            scope,
            blur,
            expansion,
            keys: HashMap::default(),
            predicates: Vec::new(),
            notices: Vec::new(),
        };
        planner.run()
    }

    /// A digest that equal plans share, whatever was typed (specification §8.6). Notices do not enter.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"cv3 record query plan 1\0");
        for part in [serde_json::to_vec(&self.keys), serde_json::to_vec(&self.predicates)] {
            let part = part.unwrap_or_default();
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

struct Planner<'a> {
    view: &'a SourceView,
    builder: &'a Builder,
    scope: &'a Scope,
    blur: Option<&'a Blur>,
    expansion: Expansion<'a>,
    /// Each key that was met with its number.
    keys: HashMap<Key, u32, foldhash::fast::RandomState>,
    predicates: Vec<Predicate>,
    notices: Vec<String>,
}

impl Planner<'_> {
    fn run(mut self) -> Plan {
        let builder = self.builder;
        self.subject(&builder.subject);
        builder.hpo.iter().for_each(|filter| self.terms(Ontology::Hpo, filter));
        builder.ordo.iter().for_each(|filter| self.terms(Ontology::Ordo, filter));
        builder.snomed.iter().for_each(|filter| self.snomed(filter));
        builder.genes.iter().for_each(|filter| self.genes(filter));
        builder.variant.iter().for_each(|filter| self.variant(filter));
        builder.eav.iter().for_each(|filter| self.eav(filter));
        self.notices.append(&mut self.expansion.notices());
        self.simplify();
        self.finish()
    }

    fn key(&mut self, key: Key) -> u32 {
        let next = self.keys.len() as u32;
        *self.keys.entry(key).or_insert(next)
    }

    fn notice(&mut self, text: String) {
        if !self.notices.contains(&text) {
            self.notices.push(text);
        }
    }

    /// Whether a filter is to be applied: not if it is ignored by soft match.
    fn applies(&mut self, fields: &[Field], required: bool, what: &str) -> bool {
        let has = fields.iter().any(|field| self.view.having(*field) > 0);
        if !has && !required {
            self.notice(format!("the {what} filter was ignored: this source has no such data"));
        }
        has || required
    }

    fn within(&mut self, at_least: usize, mut groups: Vec<Group>) {
        for group in &mut groups {
            group.keys.sort_unstable();
            group.keys.dedup();
        }
        if at_least <= 1 {
            let mut all = Group::default();
            for group in groups {
                all.keys.extend(group.keys);
                all.tests.extend(group.tests);
            }
            all.keys.sort_unstable();
            all.keys.dedup();
            self.predicates.push(Predicate::Within { at_least: 1, groups: vec![all] });
        } else if at_least == groups.len() {
            let each = |group| Predicate::Within { at_least: 1, groups: vec![group] };
            self.predicates.extend(groups.into_iter().map(each));
        } else {
            // The same groups in another order are a repetition, and known for one by this order.
            groups.sort_by(|a, b| a.keys.cmp(&b.keys));
            self.predicates.push(Predicate::Within { at_least, groups });
        }
    }

    fn any_of(&mut self, keys: impl IntoIterator<Item = Key>) {
        let keys = keys.into_iter().map(|key| self.key(key)).collect();
        self.within(1, vec![Group { keys, tests: Vec::new() }]);
    }

    fn subject(&mut self, filter: &SubjectFilter) {
        let all = self.builder.required.subject;
        let required = self.builder.required.subject_capability;
        if let Some(gender) = filter.gender
            && self.applies(&[Field::Gender], all || required.gender, "gender")
        {
            self.any_of([Key::Is(gender.into())]);
        }
        let ages = [
            (filter.age, Field::Age, Column::Age, "age"),
            (
                filter.age_first_diagnosis,
                Field::AgeFirstDiagnosis,
                Column::AgeFirstDiagnosis,
                "age at first diagnosis",
            ),
            (
                filter.age_first_symptoms,
                Field::AgeFirstSymptoms,
                Column::AgeFirstSymptoms,
                "age at first symptoms",
            ),
        ];
        for (range, field, column, what) in ages {
            if let Some(AgeRange { min, max }) = range
                && self.applies(&[field], all || required.age, what)
            {
                let test = self.numbers(
                    &column,
                    min.map(|min| (f64::from(min), false)),
                    max.map(|max| (f64::from(max), false)),
                );
                self.passing(column, test);
            }
        }
        if filter.affected_only && self.applies(&[Field::Affected], all || required.affected, "affected") {
            self.any_of([Key::Is(Trait::Affected)]);
        }
        if let Some(types) = filter.family_type
            && self.applies(&[Field::FamilyType], all || required.family_type, "family type")
        {
            let checked = [
                (types.singleton, Trait::Singleton),
                (types.trio, Trait::Trio),
                (types.family, Trait::Family),
            ];
            self.any_of(checked.into_iter().filter(|(on, _)| *on).map(|(_, is)| Key::Is(is)));
        }
    }

    fn passing(&mut self, column: Column, test: Test) {
        self.within(1, vec![Group { keys: Vec::new(), tests: vec![(column, test)] }]);
    }

    /// The interval of occurring numbers between bounds, each with whether it is itself excluded.
    fn numbers(&self, column: &Column, from: Option<(f64, bool)>, to: Option<(f64, bool)>) -> Test {
        let (from, to) = (from.unwrap_or((f64::NEG_INFINITY, false)), to.unwrap_or((f64::INFINITY, false)));
        let readers = self.view.columns(column);
        let low = readers.iter().filter_map(|reader| reader.at_least(from.0, from.1)).min_by(f64::total_cmp);
        let high = readers.iter().filter_map(|reader| reader.at_most(to.0, to.1)).max_by(f64::total_cmp);
        Test::Numbers(
            low.zip(high)
                .filter(|(low, high)| low <= high)
                .map(|(low, high)| [low, high])
                .into_iter()
                .collect(),
        )
    }

    fn terms(&mut self, ontology: Ontology, filter: &TermFilter) {
        let required = &self.builder.required;
        let (field, required, other, what) = match ontology {
            Ontology::Hpo => (Field::Hpo, required.hpo, Field::Ordo, "HPO"),
            Ontology::Ordo => (Field::Ordo, required.ordo, Field::Hpo, "ORDO"),
        };
        // With mapping to the other ontology soft match looks at both (specification §8.3).
        let fields = if filter.cross { vec![field, other] } else { vec![field] };
        if !self.applies(&fields, required, what) {
            return;
        }
        let mut groups = Vec::with_capacity(filter.terms.len());
        for term in &filter.terms {
            let keys = self.expansion.group(ontology, term, filter);
            let keys = keys.into_iter().map(|key| self.key(key)).collect();
            groups.push(Group { keys, tests: Vec::new() });
        }
        self.within(filter.minimum_match, groups);
    }

    fn snomed(&mut self, filter: &ExactFilter) {
        if self.applies(&[Field::Snomed], self.builder.required.snomed, "SNOMED CT") {
            let groups = filter
                .terms
                .iter()
                .map(|term| Group { keys: vec![self.key(Key::Snomed(term.clone()))], tests: Vec::new() });
            let groups = groups.collect();
            self.within(filter.minimum_match, groups);
        }
    }

    fn genes(&mut self, filter: &GeneFilter) {
        if !self.applies(&[Field::Genes], self.builder.required.genes, "genes") {
            return;
        }
        let mut keys = BTreeSet::new();
        for entry in &filter.alleles {
            let gene = fold(&entry.gene);
            let wanted: Vec<String> = super::keys::multiset(entry).into_iter().map(str::to_owned).collect();
            let prefix = Key::alleles_of(Some(&gene));
            for part in self.view.parts() {
                for (name, _) in part.part.keys_with(&prefix) {
                    let Some((_, held)) = Key::decode_gene(name) else { continue };
                    if contains(&held, &wanted) {
                        let alleles = held.into_iter().map(str::to_owned).collect();
                        keys.insert(Key::Alleles { gene: gene.clone(), alleles });
                    }
                }
            }
            // Kept even if nobody has exactly these, so that the plan says what was asked of whom.
            keys.insert(Key::Alleles { gene, alleles: wanted });
        }
        self.any_of(keys);
    }

    fn variant(&mut self, filter: &VariantFilter) {
        if !self.applies(&[Field::Variant], self.builder.required.variant, "variant") {
            return;
        }
        let mut genes: BTreeSet<String> = filter.genes.iter().map(|gene| fold(gene)).collect();
        for pathway in &filter.reactome {
            match self.expansion.genes_of(pathway) {
                Some(more) => genes.extend(more.iter().map(|gene| fold(gene))),
                None => {
                    self.notice(format!("the Reactome pathway {pathway} is unknown here; it adds no genes"))
                }
            }
        }
        let mutations: BTreeSet<Mutation> = match filter.mutation.as_slice() {
            [] => Mutation::ALL.into_iter().collect(),
            some => some.iter().copied().collect(),
        };
        let mut group = Group::default();
        for gene in genes {
            for mutation in &mutations {
                self.frequency(filter, &gene, *mutation, &mut group);
            }
        }
        self.within(1, vec![group]);
    }

    /// Adds what carriers of one gene and mutation must have beside: nothing, or a frequency of at most `max_af`.
    fn frequency(&mut self, filter: &VariantFilter, gene: &str, mutation: Mutation, group: &mut Group) {
        let of = |make: fn(String, Mutation) -> Key| make(gene.to_owned(), mutation);
        let carrier = of(|gene, mutation| Key::Carrier { gene, mutation });
        if filter.max_af >= 1.0 {
            group.keys.push(self.key(carrier));
            return;
        }
        let double = of(|gene, mutation| Key::Double { gene, mutation });
        // Local frequency: alleles carried ÷ (2 × subjects); a carrier without a count carries one (§8.3).
        let held = self.view.carriers(&carrier) + self.view.carriers(&double);
        let alleles = self.blur.map_or(held, |blur| blur.alleles(held, gene, mutation));
        let local = (alleles as f64 / (2.0 * self.view.record_count() as f64)).min(1.0);
        let is_rare = local <= filter.max_af;
        if filter.use_local_af {
            if is_rare {
                group.keys.push(self.key(carrier));
            }
            return;
        }
        if is_rare {
            group.keys.push(self.key(of(|gene, mutation| Key::NoFrequency { gene, mutation })));
        }
        let column = Column::Frequency { gene: gene.to_owned(), mutation };
        let test = self.numbers(&column, None, Some((filter.max_af, false)));
        if test != Test::Numbers(Vec::new()) {
            group.tests.push((column, test));
        }
    }

    fn eav(&mut self, filter: &EavFilter) {
        let name = &filter.attribute;
        let hidden = self.scope.level < Granularity::List && self.scope.withheld.contains(name);
        if hidden || !self.view.knows(name) {
            // The same words for withheld and unknown: one must not be told from the other.
            if self.builder.required.eav {
                self.within(1, Vec::new());
            } else {
                self.notice(format!("the filter on {name:?} was ignored: this source has no such attribute"));
            }
            return;
        }
        let column = Column::Eav(name.clone());
        let Some(test) = self.eav_test(&column, filter) else { return self.within(1, Vec::new()) };
        if filter.relation.is_negative() {
            self.predicates.push(Predicate::Without { column, test });
        } else {
            self.passing(column, test);
        }
    }

    /// The values a filter selects (for a negative relation: those that must not be there).
    fn eav_test(&self, column: &Column, filter: &EavFilter) -> Option<Test> {
        use Relation as R;
        let readers = self.view.columns(column);
        let texts = |wanted: &dyn Fn(&str) -> bool| {
            let all: BTreeSet<&str> =
                readers.iter().flat_map(|reader| reader.texts()).filter(|text| wanted(text)).collect();
            Test::Texts(all.into_iter().map(str::to_owned).collect())
        };
        match filter.relation {
            R::StringIs | R::StringIsNot => {
                if let Some(is) = filter.value.as_bool() {
                    return Some(Test::Bools(vec![is]));
                }
                let text = filter.value.as_str()?;
                let held = readers.iter().any(|reader| reader.has_text(text));
                Some(Test::Texts(held.then(|| text.to_owned()).into_iter().collect()))
            }
            R::RegexContains | R::RegexDoesNotContain => {
                let regex = crate::domain::queries::eav_regex(filter.value.as_str()?).ok()?;
                Some(texts(&|text| regex.is_match(text)))
            }
            relation => {
                let bound = filter.value.as_f64()? + 0.0;
                let (from, to) = match relation {
                    R::NumericGreaterThan => (Some((bound, true)), None),
                    R::NumericGreaterThanOrEqual => (Some((bound, false)), None),
                    R::NumericLessThan => (None, Some((bound, true))),
                    R::NumericLessThanOrEqual => (None, Some((bound, false))),
                    _ => (Some((bound, false)), Some((bound, false))),
                };
                Some(self.numbers(column, from, to))
            }
        }
    }

    /// Removes what says nothing new: exclusions of one column joined, wider conditions beside narrower ones.
    fn simplify(&mut self) {
        let mut kept: Vec<Predicate> = Vec::with_capacity(self.predicates.len());
        for predicate in std::mem::take(&mut self.predicates) {
            let joined = match &predicate {
                Predicate::Within { .. } => false,
                Predicate::Without { column, test } => kept.iter_mut().any(|other| match other {
                    Predicate::Without { column: same, test: wider } => same == column && wider.merge(test),
                    Predicate::Within { .. } => false,
                }),
            };
            if !joined && !kept.contains(&predicate) {
                kept.push(predicate);
            }
        }
        if kept.len() <= COMPARED {
            let mut index = 0;
            while let Some(predicate) = kept.get(index) {
                let implied =
                    kept.iter().enumerate().any(|(other, by)| other != index && implies(by, predicate));
                if implied {
                    kept.remove(index);
                } else {
                    index += 1;
                }
            }
        }
        self.predicates = kept;
    }

    /// Numbers the keys in use by their order and sorts everything, so that equal meaning is equal form.
    fn finish(mut self) -> Plan {
        const UNUSED: u32 = u32::MAX;
        let mut renumbered = vec![UNUSED; self.keys.len()];
        for predicate in &self.predicates {
            let Predicate::Within { groups, .. } = predicate else { continue };
            for key in groups.iter().flat_map(|group| &group.keys) {
                if let Some(used) = renumbered.get_mut(*key as usize) {
                    *used = 0;
                }
            }
        }
        let used = |(_, old): &(Key, u32)| renumbered.get(*old as usize).is_some_and(|new| *new != UNUSED);
        let used = std::mem::take(&mut self.keys).into_iter().filter(used);
        let mut used: Vec<(u64, Key, u32)> = used.map(|(key, old)| (key.leading(), key, old)).collect();
        used.sort_unstable();
        let mut keys = Vec::with_capacity(used.len());
        for (_, key, old) in used {
            if let Some(new) = renumbered.get_mut(old as usize) {
                *new = keys.len() as u32;
            }
            keys.push(key);
        }
        for predicate in &mut self.predicates {
            let Predicate::Within { groups, .. } = predicate else { continue };
            for group in groups.iter_mut() {
                for key in &mut group.keys {
                    *key = renumbered.get(*key as usize).copied().unwrap_or(0);
                }
                group.keys.sort_unstable();
                group.tests.sort_by(|(a, _), (b, _)| a.cmp(b));
            }
            groups.sort_by(|a, b| a.keys.cmp(&b.keys));
        }
        self.predicates.sort_by_cached_key(|predicate| serde_json::to_vec(predicate).unwrap_or_default());
        Plan { keys, predicates: self.predicates, notices: self.notices, view: self.view.identity() }
    }
}

/// Whether sorted `held` contains sorted `wanted`, repeats counted.
fn contains(held: &[&str], wanted: &[String]) -> bool {
    let mut held = held.iter();
    wanted.iter().all(|one| held.any(|other| other == one))
}

/// Whether every subject that satisfies `by` satisfies `implied`.
fn implies(by: &Predicate, implied: &Predicate) -> bool {
    match (by, implied) {
        (
            Predicate::Within { at_least: 1, groups: by },
            Predicate::Within { at_least: 1, groups: implied },
        ) => {
            matches!((by.as_slice(), implied.as_slice()), ([by], [implied]) if by.is_within(implied))
        }
        _ => false,
    }
}
