//! Orphadata's XML products: root `JDBOR` with its date, then a `Disorder` for each concept, with what the product is
//! about. Read are `ExternalReferenceList` with names and definitions (en_product1.xml), `ClassificationNode`s
//! (en_product3_*.xml), `HPODisorderAssociationList` (en_product4.xml) and `DisorderGeneAssociationList`
//! (en_product6.xml); a file is known by these elements, whatever its name and language.

use std::collections::BTreeSet;

use super::super::super::{Frequency, Ontology};
use super::super::hpo::number;
use super::super::input::Input;
use super::xml::{self, Visitor};
use super::{BuildError, BuildReport, Concept, Release, frequency, nothing, relation_byte};

pub fn read(
    shown: &str,
    files: Vec<(String, Vec<u8>)>,
    report: &mut BuildReport,
) -> Result<Release, BuildError> {
    let mut release = Release::default();
    let mut inactive = BTreeSet::new();
    let (mut wrong, mut classified) = (0, false);
    for (name, bytes) in files {
        let input: Input = xml::open(name, bytes)?;
        let mut product = Product::default();
        xml::walk(&input, &mut product)?;
        if product.root != "JDBOR" {
            return Err(nothing(&input.name, &format!("its root element is {}, not JDBOR", product.root)));
        }
        if !product.known {
            report.notes.push(format!("{} holds nothing that is read and was left out", input.name));
            continue;
        }
        release.files.push(input.line());
        release.version = release.version.max(product.date);
        classified |= product.classified;
        wrong += product.wrong;
        release.edges.extend(product.edges);
        for disorder in product.disorders {
            enter(&mut release, &mut inactive, disorder);
        }
    }
    if release.files.is_empty() {
        return Err(nothing(shown, "it holds no product that is known"));
    }
    let all = release.concepts.len();
    release.concepts.retain(|code, _| !inactive.contains(code));
    report.left_out(all - release.concepts.len(), "inactive concepts of Orphanet");
    report.left_out(wrong, "OMIM numbers that Orphanet marks as wrongly mapped");
    if !classified {
        report.notes.push(
            "no classification (en_product3_*.xml) was given: no ORDO concept stands above another, so similarity and \
             descendants find the concept alone"
                .into(),
        );
    }
    Ok(release)
}

fn enter(release: &mut Release, inactive: &mut BTreeSet<u32>, disorder: Disorder) {
    let code = disorder.code;
    if disorder.inactive {
        inactive.insert(code);
    } else if let Some(references) = disorder.omim {
        release
            .omim
            .get_or_insert_default()
            .extend(references.into_iter().map(|(omim, to)| ((omim, code), to)));
    }
    if let Some(links) = disorder.links {
        let links = links.into_iter().map(|(hpo, frequency)| (code, hpo, frequency));
        release.links.get_or_insert_default().extend(links);
    }
    release.genes.extend(disorder.genes.into_iter().map(|symbol| (symbol, code)));
    // Every product names its disorders; the nomenclature alone has their synonyms and definitions.
    let held = release.concepts.entry(code).or_default();
    for (held, new) in [
        (&mut held.label, disorder.concept.label),
        (&mut held.kind, disorder.concept.kind),
        (&mut held.synonyms, disorder.concept.synonyms),
        (&mut held.definition, disorder.concept.definition),
    ] {
        if held.is_empty() {
            *held = new;
        }
    }
}

/// What a file says of one disorder.
#[derive(Default)]
struct Disorder {
    code: u32,
    concept: Concept,
    inactive: bool,
    /// OMIM numbers with the relation; `None` where the file has no references.
    omim: Option<Vec<(u32, u8)>>,
    links: Option<Vec<(u32, Frequency)>>,
    genes: Vec<String>,
}

/// A place in a classification.
#[derive(Default)]
struct Node {
    code: u32,
    children: Vec<u32>,
}

/// What a file says. Of leaves that belong together, the last ones read wait for their element to end.
#[derive(Default)]
struct Product {
    root: String,
    date: Option<String>,
    known: bool,
    classified: bool,
    disorders: Vec<Disorder>,
    edges: BTreeSet<(u32, u32)>,
    wrong: usize,
    disorder: Disorder,
    nodes: Vec<Node>,
    source: String,
    reference: String,
    relation: String,
    hpo: String,
    frequency: String,
    section: String,
    contents: String,
}

impl Visitor for Product {
    fn root(&mut self, name: &str, attribute: &str, value: &str) {
        if name == "JDBOR" && attribute == "date" {
            self.date = value.split_whitespace().next().map(str::to_owned);
        }
    }

    fn begin(&mut self, path: &[String]) {
        let [.., element] = path else { return };
        if path.len() == 1 {
            self.root.clone_from(element);
        }
        let parent = path.len().checked_sub(2).and_then(|at| path.get(at)).map_or("", String::as_str);
        match (parent, element.as_str()) {
            (_, "Disorder") => self.disorder = Disorder::default(),
            ("Disorder", "ExternalReferenceList") => {
                self.known = true;
                self.disorder.omim = Some(Vec::new());
            }
            ("Disorder", "HPODisorderAssociationList") => {
                self.known = true;
                self.disorder.links = Some(Vec::new());
            }
            ("Disorder", "DisorderGeneAssociationList") => self.known = true,
            (_, "ClassificationNode") => {
                (self.known, self.classified) = (true, true);
                self.nodes.push(Node::default());
            }
            (_, "ExternalReference") => {
                for leaf in [&mut self.source, &mut self.reference, &mut self.relation] {
                    leaf.clear();
                }
            }
            (_, "HPODisorderAssociation") => {
                self.hpo.clear();
                self.frequency.clear();
            }
            (_, "TextSection") => {
                self.section.clear();
                self.contents.clear();
            }
            _ => {}
        }
    }

    fn end(&mut self, path: &[String], text: &str) -> Result<(), String> {
        let up = |steps: usize| {
            path.len().checked_sub(steps + 1).and_then(|at| path.get(at)).map_or("", String::as_str)
        };
        match (up(2), up(1), up(0)) {
            // Until 2019 the code was called a number.
            (_, "Disorder", "OrphaCode" | "OrphaNumber") => {
                self.disorder.code =
                    Ontology::Ordo.number(text).ok_or(format!("{text:?} is no ORDO number"))?;
            }
            (_, "Disorder", "Name") => self.disorder.concept.label = text.to_owned(),
            ("Disorder", "DisorderType", "Name") => self.disorder.concept.kind = text.to_owned(),
            ("Disorder", "SynonymList", "Synonym") if !text.is_empty() => {
                let synonyms = &mut self.disorder.concept.synonyms;
                if !synonyms.is_empty() {
                    synonyms.push('\n');
                }
                synonyms.push_str(text);
            }
            (_, "DisorderFlag", "Value") => self.disorder.inactive |= text == "8192",
            (_, "TextSectionType", "Name") => text.clone_into(&mut self.section),
            (_, "TextSection", "Contents") => text.clone_into(&mut self.contents),
            (_, _, "TextSection") if self.section == "Definition" => {
                self.disorder.concept.definition = without_tags(&self.contents);
            }
            (_, "ExternalReference", "Source") => text.clone_into(&mut self.source),
            (_, "ExternalReference", "Reference") => text.clone_into(&mut self.reference),
            (_, "DisorderMappingRelation", "Name") => text.clone_into(&mut self.relation),
            ("Disorder", _, "ExternalReference") => self.end_reference()?,
            (_, "HPO", "HPOId") => text.clone_into(&mut self.hpo),
            (_, "HPOFrequency", "Name") => text.clone_into(&mut self.frequency),
            (_, _, "HPODisorderAssociation") => self.end_link()?,
            (_, "Gene", "Symbol") if !text.is_empty() => self.disorder.genes.push(text.to_owned()),
            (_, _, "Disorder") => self.end_disorder()?,
            (_, _, "ClassificationNode") => self.end_node(),
            _ => {}
        }
        Ok(())
    }
}

impl Product {
    fn end_reference(&mut self) -> Result<(), String> {
        if self.source != "OMIM" {
            return Ok(());
        }
        let omim = self.reference.parse().map_err(|_| format!("{:?} is no OMIM number", self.reference))?;
        // `E (Exact mapping: …)`, `NTBT (…)`, `BTNT (…)`, `ND (…)`, `W (…)`.
        match self.relation.split_whitespace().next().unwrap_or_default() {
            "W" => self.wrong += 1,
            relation => self.disorder.omim.get_or_insert_default().push((omim, relation_byte(relation))),
        }
        Ok(())
    }

    fn end_link(&mut self) -> Result<(), String> {
        let hpo = number(&self.hpo).ok_or(format!("{:?} is no HPO id", self.hpo))?;
        let frequency = frequency(&self.frequency).ok_or(format!("{:?} is no frequency", self.frequency))?;
        self.disorder.links.get_or_insert_default().push((hpo, frequency));
        Ok(())
    }

    fn end_disorder(&mut self) -> Result<(), String> {
        let disorder = std::mem::take(&mut self.disorder);
        if disorder.code == 0 {
            return Err("a disorder has no OrphaCode".into());
        }
        if let Some(node) = self.nodes.last_mut() {
            node.code = disorder.code;
        }
        self.disorders.push(disorder);
        Ok(())
    }

    fn end_node(&mut self) {
        let Some(node) = self.nodes.pop() else { return };
        let edges = node.children.into_iter().filter(|child| *child != node.code);
        self.edges.extend(edges.map(|child| (child, node.code)));
        if let Some(above) = self.nodes.last_mut() {
            above.children.push(node.code);
        }
    }
}

/// Definitions carry mark-up of their own, `<i>`.
pub fn without_tags(text: &str) -> String {
    let mut parts = text.split('<');
    let mut bare = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('>') {
            Some((tag, rest)) if tag.trim_start_matches('/').chars().all(|c| c.is_ascii_alphanumeric()) => {
                bare.push_str(rest);
            }
            _ => {
                bare.push('<');
                bare.push_str(part);
            }
        }
    }
    bare
}
