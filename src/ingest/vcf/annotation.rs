//! One line of a VCF: which effects its alternate alleles have and who carries them.

use std::collections::HashMap;

use crate::domain::subjects::Mutation;

use super::super::Sink;
use super::super::consequence::of_so_name;
use super::carried::{Carried, Effect, Refused};
use super::frequency::{Frequencies, is_gnomad, parse};
use super::header::{Header, Layout};
use super::remark;

/// Alternate alleles of one line that are looked at; callers stop far below.
const MAX_ALLELES: usize = 1_000;
/// Annotation entries of one line that are looked at; a variant in every transcript of a crowded locus has hundreds.
const MAX_ENTRIES: usize = 10_000;
/// INFO names remembered; a file has some hundred.
const MAX_NAMES: usize = 10_000;

/// Reads lines; remembers gene symbols and what was left out.
pub(super) struct Effects<'h> {
    header: &'h Header,
    samples: usize,
    genes: Genes,
    /// Whether an INFO name seen is a gnomAD field.
    known_names: HashMap<String, bool>,
    intergenic: u64,
    without_gene: u64,
    without_annotation: u64,
    without_genotype: u64,
}

/// Gene symbols and their numbers.
#[derive(Default)]
struct Genes {
    symbols: Vec<String>,
    numbers: HashMap<String, u32>,
}

/// An alternate allele of a line.
#[derive(Debug, Default, Clone)]
struct Allele {
    effects: Vec<Effect>,
    /// gnomAD's frequency from the annotation.
    annotated: Option<f64>,
    af: Option<f64>,
}

impl<'h> Effects<'h> {
    pub(super) fn new(header: &'h Header, samples: usize) -> Self {
        Self {
            header,
            samples,
            genes: Genes::default(),
            known_names: HashMap::new(),
            intergenic: 0,
            without_gene: 0,
            without_annotation: 0,
            without_genotype: 0,
        }
    }

    /// Notes what the samples of a line carry.
    pub(super) fn read(&mut self, line: &[u8], carried: &mut Carried) -> Result<(), Refused> {
        let mut columns = line.split(|byte| *byte == b'\t');
        let mut text = |column| {
            let bytes = columns.next().ok_or(Refused::Line(column, "the line ends before this column"))?;
            std::str::from_utf8(bytes).map_err(|_| Refused::Line(column, "the column is not UTF-8"))
        };
        let (_, _, _, reference) = (text("CHROM")?, text("POS")?, text("ID")?, text("REF")?);
        let alternates: Vec<&str> = text("ALT")?.split(',').take(MAX_ALLELES + 1).collect();
        let (_, _, info, format) = (text("QUAL")?, text("FILTER")?, text("INFO")?, text("FORMAT")?);
        if alternates.len() > MAX_ALLELES {
            return Err(Refused::Line("ALT", "too many alternate alleles"));
        }
        let columns = columns;
        if columns.clone().count() != self.samples {
            return Err(Refused::Line("FORMAT", "the line has more or fewer samples than the header"));
        }
        let Some(place) = format.split(':').position(|key| key == "GT") else {
            self.without_genotype += 1;
            return Ok(());
        };
        let alleles = self.alleles(reference, &alternates, info);
        if alleles.iter().all(|allele| allele.effects.is_empty()) {
            return Ok(());
        }
        for (sample, column) in columns.enumerate() {
            if place == 0 && is_reference(column) {
                continue;
            }
            let genotype = column.split(|byte| *byte == b':').nth(place).unwrap_or_default();
            note(sample, genotype, &alleles, carried)?;
        }
        Ok(())
    }

    /// The alternate alleles of a line with their effects and frequencies.
    fn alleles(&mut self, reference: &str, alternates: &[&str], info: &str) -> Vec<Allele> {
        let mut alleles = vec![Allele::default(); alternates.len()];
        let mut frequencies = Frequencies::default();
        let mut annotated = false;
        let header = self.header;
        for (name, value) in info.split(';').filter_map(|field| field.split_once('=')) {
            if name == "AF" {
                frequencies.own = Some(value);
            } else if let Some(layout) = header.layouts.iter().find(|layout| layout.key == name) {
                annotated = true;
                for entry in value.split(',').take(MAX_ENTRIES) {
                    self.annotate(layout, reference, alternates, entry, &mut alleles);
                }
            } else if self.is_gnomad(name) {
                frequencies.gnomad.push(value);
            }
        }
        self.without_annotation += u64::from(!annotated);
        let count = alleles.len();
        for (index, allele) in alleles.iter_mut().enumerate() {
            allele.effects.sort_unstable();
            allele.effects.dedup();
            allele.af = frequencies.of(index, count, allele.annotated, self.samples);
        }
        alleles
    }

    fn is_gnomad(&mut self, name: &str) -> bool {
        if let Some(known) = self.known_names.get(name) {
            return *known;
        }
        let found = is_gnomad(name);
        if self.known_names.len() < MAX_NAMES {
            self.known_names.insert(name.to_owned(), found);
        }
        found
    }

    /// Adds the effects of one annotation entry to the alleles it is about.
    fn annotate(
        &mut self,
        layout: &Layout,
        reference: &str,
        alternates: &[&str],
        entry: &str,
        alleles: &mut [Allele],
    ) {
        let part = |at: usize| entry.split('|').nth(at).map_or("", str::trim);
        let consequence = part(layout.consequence);
        let genes = part(layout.gene);
        let intergenic = consequence.split('&').all(|name| name.starts_with("intergenic"));
        if intergenic && (genes.is_empty() || genes.contains('-')) {
            self.intergenic += 1;
            return;
        }
        if genes.is_empty() || genes.len() > 255 {
            self.without_gene += 1;
            return;
        }
        let mutations = mutations(consequence);
        let frequency = layout.frequencies.iter().filter_map(|at| parse_joined(part(*at))).reduce(f64::max);
        let number = layout.allele_number.and_then(|at| part(at).parse::<usize>().ok());
        let name = part(layout.allele);
        for (index, (allele, alternate)) in alleles.iter_mut().zip(alternates).enumerate() {
            let concerned = match number {
                Some(number) => number == index + 1,
                None => alternates.len() == 1 || names(name, reference, alternate),
            };
            if !concerned {
                continue;
            }
            allele.annotated = allele.annotated.into_iter().chain(frequency).reduce(f64::max);
            for gene in genes.split('&').filter(|gene| !gene.is_empty()) {
                let gene = self.genes.number(gene);
                allele.effects.extend(mutations.iter().map(|mutation| (gene, *mutation)));
            }
        }
    }

    /// Tells what was left out.
    pub(super) fn remarks(&self, sink: &mut dyn Sink) {
        remark(sink, "annotations between genes belong to no gene and were left out", self.intergenic);
        remark(sink, "annotations without a gene symbol were left out", self.without_gene);
        remark(
            sink,
            "variants without an ANN or CSQ annotation were left out; annotate the file with SnpEff or VEP",
            self.without_annotation,
        );
        remark(sink, "variants without genotypes were left out", self.without_genotype);
    }

    /// Gene symbols by number.
    pub(super) fn into_genes(self) -> Vec<String> {
        self.genes.symbols
    }
}

impl Genes {
    fn number(&mut self, symbol: &str) -> u32 {
        if let Some(number) = self.numbers.get(symbol) {
            return *number;
        }
        let number = u32::try_from(self.symbols.len()).unwrap_or(u32::MAX);
        self.numbers.insert(symbol.to_owned(), number);
        self.symbols.push(symbol.to_owned());
        number
    }
}

/// VEP joins the frequencies of co-located variants with `&`.
fn parse_joined(text: &str) -> Option<f64> {
    text.split('&').filter_map(parse).reduce(f64::max)
}

/// The distinct mutations of one entry's consequences; non-coding only where nothing more telling stands beside it.
fn mutations(consequence: &str) -> Vec<Mutation> {
    let mut found: Vec<Mutation> =
        consequence.split('&').map(of_so_name).filter(|mutation| *mutation != Mutation::NonCoding).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        found.push(Mutation::NonCoding);
    }
    found
}

/// Whether an annotation's allele is this alternate: as written in ALT (ANN; `G-C` compares tumour with normal), or
/// without the first base that REF and ALT share (CSQ).
fn names(annotated: &str, reference: &str, alternate: &str) -> bool {
    let first = annotated.split('-').next().filter(|first| !first.is_empty()).unwrap_or(annotated);
    if first == alternate {
        return true;
    }
    match (reference.chars().next(), alternate.chars().next()) {
        (Some(a), Some(b)) if a == b => match alternate.get(b.len_utf8()..) {
            Some("") => annotated == "-",
            trimmed => trimmed == Some(annotated),
        },
        _ => false,
    }
}

/// The most common columns, told without looking further: `0/0`, `0|0`, `./.`, `0`, `.`, alone or before other fields.
fn is_reference(column: &[u8]) -> bool {
    let none = |byte: &u8| matches!(byte, b'0' | b'.');
    match column {
        [a, b'/' | b'|', b] | [a, b'/' | b'|', b, b':', ..] => none(a) && none(b),
        [a] | [a, b':', ..] => none(a),
        _ => false,
    }
}

/// Notes the effects of every alternate allele a genotype has; half-calls count, missing alleles do not.
fn note(sample: usize, genotype: &[u8], alleles: &[Allele], carried: &mut Carried) -> Result<(), Refused> {
    // Somatic and polyploid calls have more than two alleles; more than a dozen is no genotype.
    let calls = || {
        genotype
            .split(|byte| matches!(byte, b'/' | b'|'))
            .take(12)
            .filter_map(|call| std::str::from_utf8(call).ok()?.parse::<usize>().ok())
    };
    for (at, call) in calls().enumerate() {
        let Some(allele) = call.checked_sub(1).and_then(|index| alleles.get(index)) else { continue };
        // Each alternate once, with how often it is called.
        if calls().take(at).any(|before| before == call) {
            continue;
        }
        let copies = if calls().filter(|same| *same == call).count() > 1 { 2 } else { 1 };
        for effect in &allele.effects {
            carried.note(sample, *effect, allele.af, copies)?;
        }
    }
    Ok(())
}
