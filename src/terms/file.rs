//! The terms of one term file: the embedded one, or the one an operator built.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::complete::{self, Completion};
use super::diseases::{self, Disease};
use super::form::{Bytes, FormError, Sections};
use super::mapping::{self, Derived, Mapped, names};
use super::provenance::Source;
use super::vocabulary::{Found, HPO, ORDO, TermDetails, Vocabulary};
use super::{Frequency, Ontology, Terms};

static EMBEDDED: &[u8] = include_bytes!("data/hpo-2025-01-16.terms");

/// Largest term file read; everything known together takes some 15 MB.
const MAX_FILE: u64 = 512 << 20;
/// HPO term above all onset terms.
const ONSET: &str = "0003674";

/// Terms read from one generated file; cheap to query from many threads at once.
pub struct TermFile {
    sections: Sections,
    sources: Vec<Source>,
    hpo: Vocabulary,
    ordo: Option<Vocabulary>,
    derived: Derived,
}

impl TermFile {
    /// The file that is part of the program: HPO with its gene and disease annotation. Read at the first
    /// call, in about ten milliseconds.
    pub fn embedded() -> Result<Arc<Self>, FormError> {
        static LOADED: OnceLock<Arc<TermFile>> = OnceLock::new();
        if let Some(loaded) = LOADED.get() {
            return Ok(Arc::clone(loaded));
        }
        let file = Arc::new(Self::load(Bytes::Static(EMBEDDED))?);
        Ok(Arc::clone(LOADED.get_or_init(|| file)))
    }

    /// Reads a file made by `terms build`, checking every byte of it.
    pub fn open(path: &Path) -> Result<Self, FormError> {
        let shown = || path.display().to_string();
        let unreadable = |source| FormError::Unreadable { path: shown(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        if read > MAX_FILE {
            return Err(FormError::TooLarge { path: shown(), bytes: read, limit: MAX_FILE });
        }
        Self::from_bytes(bytes)
    }

    /// Reads the bytes of a term file, checking all of them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, FormError> {
        let bytes: Arc<[u8]> = bytes.into();
        Self::load(Bytes::Shared(Arc::clone(&bytes)))?.check()?;
        // Read again so that what the check inflated is not kept.
        Self::load(Bytes::Shared(bytes))
    }

    /// Compares checksums and checks what is held in memory; deflated texts wait for `check`.
    fn load(bytes: Bytes) -> Result<Self, FormError> {
        let sections = Sections::read(bytes)?;
        let sources = Source::read(&sections)?;
        if !sections.has(HPO.ids) {
            return Err(FormError::damaged("it holds no HPO terms"));
        }
        let hpo = Vocabulary::load(Ontology::Hpo, &sections)?;
        let ordo =
            if sections.has(ORDO.ids) { Some(Vocabulary::load(Ontology::Ordo, &sections)?) } else { None };
        Ok(Self { sections, sources, hpo, ordo, derived: Derived::default() })
    }

    fn check(&self) -> Result<(), FormError> {
        self.sections.check_content()?;
        let genes = self.sections.strings(names::GENES).len();
        for vocabulary in std::iter::once(&self.hpo).chain(&self.ordo) {
            vocabulary.check_texts(&self.sections, genes)?;
        }
        mapping::check(&self.sections, self.hpo.graph.terms())?;
        diseases::check(&self.sections, self.hpo.graph.terms())
    }

    pub(super) fn sections(&self) -> &Sections {
        &self.sections
    }

    pub(super) fn vocabulary(&self, ontology: Ontology) -> Option<&Vocabulary> {
        match ontology {
            Ontology::Hpo => Some(&self.hpo),
            Ontology::Ordo => self.ordo.as_ref(),
        }
    }

    fn live(&self, ontology: Ontology, id: &str) -> Option<(&Vocabulary, u16)> {
        let vocabulary = self.vocabulary(ontology)?;
        Some((vocabulary, vocabulary.live(&self.sections, id)?))
    }

    /// The releases inside, each with licence and attribution.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// SHA-256 of the content, the same however well the file is compressed.
    pub fn digest(&self) -> [u8; 32] {
        self.sections.digest()
    }

    pub fn has(&self, ontology: Ontology) -> bool {
        self.vocabulary(ontology).is_some()
    }

    /// Number of live terms.
    pub fn count(&self, ontology: Ontology) -> usize {
        self.vocabulary(ontology).map_or(0, |vocabulary| vocabulary.graph.terms())
    }

    /// Number of alternative and obsolete ids.
    pub fn retired_count(&self, ontology: Ontology) -> usize {
        self.vocabulary(ontology).map_or(0, |vocabulary| self.sections.u32s(vocabulary.names.retired).len())
    }

    /// Ids of all live terms in rising order.
    pub fn ids(&self, ontology: Ontology) -> impl Iterator<Item = String> + '_ {
        let terms = self.vocabulary(ontology).map(|vocabulary| self.sections.u32s(vocabulary.names.ids));
        terms.into_iter().flat_map(|ids| ids.iter()).map(move |number| ontology.id(number))
    }

    /// The root's id; `None` when several terms have no parent.
    pub fn root(&self, ontology: Ontology) -> Option<String> {
        let vocabulary = self.vocabulary(ontology)?;
        let root = vocabulary.graph.root();
        vocabulary.graph.is_term(root).then(|| vocabulary.id(root).to_owned())
    }

    /// The longest of the shortest distances to a root.
    pub fn max_depth(&self, ontology: Ontology) -> usize {
        self.vocabulary(ontology).map_or(0, |vocabulary| vocabulary.graph.max_depth())
    }

    /// Texts and neighbours of a term; of a retired id its label and replacement.
    pub fn details(&self, ontology: Ontology, id: &str) -> Option<TermDetails> {
        self.vocabulary(ontology)?.details(&self.sections, id)
    }

    /// Rel(a, b), not rounded; 0 when one of them is unknown.
    pub fn similarity(&self, ontology: Ontology, a: &str, b: &str) -> f64 {
        let Some((vocabulary, a)) = self.live(ontology, a) else { return 0.0 };
        let Some(b) = vocabulary.live(&self.sections, b) else { return 0.0 };
        vocabulary.similarity.between(a, b)
    }

    /// Terms at least as similar as max(threshold, 0.2), with their score, best first, the term itself
    /// included; empty for an unknown id.
    pub fn similar(&self, ontology: Ontology, id: &str, threshold: f64) -> Vec<(String, f64)> {
        let Some((vocabulary, term)) = self.live(ontology, id) else { return Vec::new() };
        let mut group = vocabulary.similarity.group(term, threshold);
        group.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        group.into_iter().map(|(term, score)| (vocabulary.id(term).to_owned(), score)).collect()
    }

    /// Information content (natural logarithm) of a term.
    pub fn information(&self, ontology: Ontology, id: &str) -> Option<f64> {
        let (vocabulary, term) = self.live(ontology, id)?;
        Some(vocabulary.similarity.information().ic(term))
    }

    /// Terms below one, breadth first, without itself, at most `depth` levels down (0 = all); `None` for an
    /// unknown id.
    pub fn below(&self, ontology: Ontology, id: &str, depth: usize) -> Option<Vec<String>> {
        let (vocabulary, term) = self.live(ontology, id)?;
        Some(vocabulary.ids(vocabulary.graph.descendants(term, depth)))
    }

    /// Proposals for what somebody types; `limit` 0 means all of them. The rules are in `complete.rs`.
    pub fn complete(&self, ontology: Ontology, query: &str, limit: usize) -> Vec<Completion> {
        self.vocabulary(ontology)
            .map(|vocabulary| complete::complete(vocabulary, &self.sections, query, limit))
            .unwrap_or_default()
    }

    /// Characters a query counts for against a service's minimum.
    pub fn query_length(query: &str) -> usize {
        complete::length(query)
    }

    /// ORDO entities annotated with an HPO term itself, with frequency, excluded ones included.
    pub fn map_to_ordo(&self, hpo: &str) -> Vec<Mapped> {
        let Some((vocabulary, term)) = self.live(Ontology::Hpo, hpo) else { return Vec::new() };
        mapping::ordo_of_hpo(&self.sections, &self.derived, vocabulary.graph.terms(), term)
    }

    /// HPO terms annotated to an ORDO entity itself, with frequency, excluded ones included.
    pub fn map_to_hpo(&self, ordo: &str) -> Vec<Mapped> {
        let ordo = self.resolve(Ontology::Ordo, ordo);
        let Some(number) = Ontology::Ordo.number(&ordo) else { return Vec::new() };
        let found = mapping::hpo_of_ordo(&self.sections, number).into_iter();
        found.map(|(term, frequency)| Mapped { id: self.hpo.id(term).to_owned(), frequency }).collect()
    }

    /// OMIM numbers cross-referenced with an ORDO entity, six digits.
    pub fn omim_of_ordo(&self, ordo: &str) -> Vec<String> {
        let number = Ontology::Ordo.number(&self.resolve(Ontology::Ordo, ordo));
        number.map(|number| mapping::omim_of_ordo(&self.sections, number)).unwrap_or_default()
    }

    /// Symbols of the genes annotated to a term itself.
    pub fn genes_of(&self, ontology: Ontology, id: &str) -> Vec<String> {
        let Some((vocabulary, term)) = self.live(ontology, id) else { return Vec::new() };
        let names = vocabulary.names;
        mapping::genes(&self.sections, names.genes_of, names.genes, usize::from(term))
    }

    /// Terms annotated with a gene themselves; the symbol compares without case.
    pub fn terms_of_gene(&self, ontology: Ontology, symbol: &str) -> Vec<String> {
        let Some(vocabulary) = self.vocabulary(ontology) else { return Vec::new() };
        let names = vocabulary.names;
        let terms = mapping::terms_of_gene(&self.sections, names.genes_of, names.genes, symbol);
        vocabulary.ids(terms)
    }

    /// The approved spelling of a gene symbol; aliases and previous symbols need HGNC data. `None` when it is
    /// unknown or stands for several genes.
    pub fn symbol(&self, text: &str) -> Option<String> {
        mapping::symbol(&self.sections, &self.derived, text)
    }

    /// Every gene symbol the file knows, HGNC's first.
    pub fn symbols(&self) -> impl Iterator<Item = &str> {
        let known = if self.sections.has(names::HGNC) { names::HGNC_SYMBOLS } else { names::GENES };
        self.sections.strings(known).iter().filter(|symbol| *symbol != "-")
    }

    /// Ids and names of all Reactome pathways.
    pub fn pathways(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sections.strings(names::PATHWAYS).iter().zip(self.sections.strings(names::PATHWAY_NAMES).iter())
    }

    /// Diseases with their annotated phenotypes, ordered by database and number, read one at a time.
    pub fn diseases(&self) -> impl Iterator<Item = Disease> + '_ {
        (0..self.sections.u32s(diseases::names::NUMBER).len()).map(|position| self.disease_at(position))
    }

    /// One disease by its id, `ORPHA:558` or `OMIM:154700`.
    pub fn disease(&self, id: &str) -> Option<Disease> {
        let (prefix, number) = id.split_once(':')?;
        Some(self.disease_at(diseases::position(&self.sections, prefix, number.parse().ok()?)?))
    }

    fn disease_at(&self, position: usize) -> Disease {
        let onset = self.hpo.live(&self.sections, ONSET);
        diseases::read(
            &self.sections,
            position,
            |term| self.hpo.id(term).to_owned(),
            |term| onset.is_some_and(|onset| term != onset && self.hpo.similarity.is_below(term, onset)),
        )
    }

    /// An Orphanet disease known from annotation although the ORDO hierarchy is not loaded.
    fn annotated_ordo(&self, id: &str) -> Option<usize> {
        diseases::position(&self.sections, "ORPHA", Ontology::Ordo.number(id)?)
    }
}

impl fmt::Debug for TermFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TermFile").field("release", &self.release()).finish_non_exhaustive()
    }
}

impl Terms for TermFile {
    fn release(&self) -> String {
        let names: Vec<String> = self.sources.iter().map(|s| format!("{} {}", s.name, s.version)).collect();
        names.join(", ")
    }

    fn contains(&self, ontology: Ontology, id: &str) -> bool {
        let found = self.vocabulary(ontology).is_some_and(|v| v.find(&self.sections, id).is_some());
        found || (ontology == Ontology::Ordo && self.annotated_ordo(id).is_some())
    }

    fn resolve(&self, ontology: Ontology, id: &str) -> String {
        match self.vocabulary(ontology).and_then(|v| Some((v, v.find(&self.sections, id)?))) {
            Some((vocabulary, Found::Retired(_, Some(term)))) => vocabulary.id(term).to_owned(),
            _ => id.to_owned(),
        }
    }

    fn label(&self, ontology: Ontology, id: &str) -> Option<String> {
        let found = self.vocabulary(ontology).and_then(|v| Some((v, v.find(&self.sections, id)?)));
        let text = match found {
            Some((vocabulary, Found::Live(term))) => vocabulary.label(&self.sections, term),
            Some((vocabulary, Found::Retired(index, to))) => {
                match (vocabulary.retired_label(&self.sections, index), to) {
                    ("", Some(term)) => vocabulary.label(&self.sections, term),
                    (own, _) => own,
                }
            }
            None if ontology == Ontology::Ordo => diseases::name(&self.sections, self.annotated_ordo(id)?),
            None => return None,
        };
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn expand_each(&self, ontology: Ontology, id: &str, threshold: f64, each: &mut dyn FnMut(&str)) {
        each(id);
        let Some((vocabulary, term)) = self.live(ontology, id) else { return };
        // The live term begins the group; it is `id` itself unless that is retired.
        let known = vocabulary.id(term) == id;
        if threshold >= 1.0 || threshold.is_nan() {
            if !known {
                each(vocabulary.id(term));
            }
            return;
        }
        vocabulary.similarity.visit(term, threshold, |member, _| {
            if member != term || !known {
                each(vocabulary.id(member));
            }
        });
    }

    fn descendants(&self, ontology: Ontology, id: &str) -> Vec<String> {
        let mut found = vec![id.to_owned()];
        if let Some((vocabulary, term)) = self.live(ontology, id) {
            let own = vocabulary.id(term).to_owned();
            if own != id {
                found.push(own);
            }
            found.extend(vocabulary.ids(vocabulary.graph.descendants(term, 0)));
        }
        found
    }

    fn ordo_of_hpo(&self, hpo: &str) -> Vec<String> {
        present(self.map_to_ordo(hpo))
    }

    fn hpo_of_ordo(&self, ordo: &str) -> Vec<String> {
        present(self.map_to_hpo(ordo))
    }

    fn ordo_of_omim(&self, omim: &str) -> Vec<String> {
        let digits = !omim.is_empty() && omim.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { omim.parse().ok() } else { None };
        number.map(|number| mapping::ordo_of_omim(&self.sections, number)).unwrap_or_default()
    }

    fn genes_of_pathway(&self, reactome: &str) -> Option<Vec<String>> {
        let pathway = mapping::pathway(&self.sections, reactome)?;
        Some(mapping::pathway_genes(&self.sections, pathway))
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if self.ordo.is_none() {
            notices.push(
                "The ORDO hierarchy is not loaded: ORDO codes match exactly, whatever similarity is asked. \
                 Links between ORDO and HPO come from the HPO annotation."
                    .to_owned(),
            );
        }
        if !self.sections.has(names::OMIM) {
            notices.push(
                "OMIM cross-references are not loaded: OMIM numbers are not mapped to ORDO.".to_owned(),
            );
        }
        if !self.sections.has(names::PATHWAYS) {
            notices.push("Reactome is not loaded: pathways in a variant filter select no genes.".to_owned());
        }
        if !self.sections.has(names::HGNC) {
            notices
                .push("HGNC is not loaded: gene aliases and previous symbols are not recognised.".to_owned());
        }
        notices
    }
}

fn present(mapped: Vec<Mapped>) -> Vec<String> {
    mapped.into_iter().filter(|other| other.frequency != Frequency::Excluded).map(|other| other.id).collect()
}
