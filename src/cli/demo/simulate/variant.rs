//! Invented variants: the kind of change by fixed shares, place and residues by chance. They name no reference
//! sequence, so that none can be taken for a reported one.

use super::draw::Draw;
use super::profile::Inheritance;
use crate::domain::subjects::Mutation;
use crate::terms::Sex;

/// Assumed shares of disease-causing variants by effect.
const EFFECTS: [(Mutation, f64); 8] = [
    (Mutation::Missense, 0.55),
    (Mutation::Frameshift, 0.16),
    (Mutation::Nonsense, 0.13),
    (Mutation::Splice, 0.09),
    (Mutation::Indel, 0.04),
    (Mutation::NonCoding, 0.01),
    (Mutation::LossOfStart, 0.01),
    (Mutation::LossOfStop, 0.01),
];
/// Of patients with a recessive disease, those with the same variant twice.
const HOMOZYGOUS: f64 = 0.4;
const RESIDUES: [&str; 20] = [
    "Ala", "Arg", "Asn", "Asp", "Cys", "Gln", "Glu", "Gly", "His", "Ile", "Leu", "Lys", "Met", "Phe", "Pro",
    "Ser", "Thr", "Trp", "Tyr", "Val",
];
const BASES: [&str; 4] = ["A", "C", "G", "T"];
/// Longest protein the invented places fit into.
const LENGTH: u32 = 900;

/// How many copies carry the variant: terms of the Genotype Ontology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zygosity {
    Hemizygous,
    Heterozygous,
    Homozygous,
}

impl Zygosity {
    pub fn term(self) -> (&'static str, &'static str) {
        match self {
            Self::Hemizygous => ("GENO:0000134", "hemizygous"),
            Self::Heterozygous => ("GENO:0000135", "heterozygous"),
            Self::Homozygous => ("GENO:0000136", "homozygous"),
        }
    }
}

/// A variant that nobody has.
#[derive(Debug)]
pub(super) struct Invented {
    pub mutation: Mutation,
    /// `hgvs.p` or `hgvs.c`.
    pub syntax: &'static str,
    /// HGVS without a reference sequence.
    pub text: String,
    /// `None` when inheritance is not known.
    pub zygosity: Option<Zygosity>,
}

/// One variant, or two for a compound heterozygote.
pub(super) fn draw_genotype(draw: &mut Draw, inheritance: Inheritance, sex: Sex) -> Vec<Invented> {
    let homozygous = draw.chance(HOMOZYGOUS);
    let zygosity = match inheritance {
        Inheritance::Recessive if homozygous => Some(Zygosity::Homozygous),
        _ if inheritance.is_x_linked() && sex == Sex::Male => Some(Zygosity::Hemizygous),
        Inheritance::Other => None,
        _ => Some(Zygosity::Heterozygous),
    };
    let compound = inheritance == Inheritance::Recessive && !homozygous;
    (0..if compound { 2 } else { 1 }).map(|_| invent(draw, zygosity)).collect()
}

fn invent(draw: &mut Draw, zygosity: Option<Zygosity>) -> Invented {
    let mutation =
        draw.weighted(&EFFECTS, |(_, share)| *share).map_or(Mutation::Missense, |(effect, _)| *effect);
    let place = draw.between(2, LENGTH);
    let next = place + 1;
    let base = place * 3;
    let (from, to) = two(draw, &RESIDUES);
    let (old, new) = two(draw, &BASES);
    let stop = draw.between(2, 60);
    let deep = draw.between(10, 200);
    let text = match mutation {
        Mutation::Missense => format!("p.({from}{place}{to})"),
        Mutation::Nonsense => format!("p.({from}{place}Ter)"),
        Mutation::Frameshift => format!("p.({from}{place}{to}fsTer{stop})"),
        Mutation::Indel => format!("p.({from}{place}_{to}{next}del)"),
        Mutation::LossOfStart => "p.(Met1?)".to_owned(),
        Mutation::LossOfStop => format!("p.(Ter{place}{to}extTer{stop})"),
        Mutation::Splice => format!("c.{base}+{}{old}>{new}", 1 + stop % 2),
        Mutation::NonCoding => format!("c.{base}+{deep}{old}>{new}"),
    };
    let syntax = if text.starts_with("p.") { "hgvs.p" } else { "hgvs.c" };
    Invented { mutation, syntax, text, zygosity }
}

/// Two different ones of several.
fn two<'a>(draw: &mut Draw, from: &[&'a str]) -> (&'a str, &'a str) {
    let first = draw.pick(from).copied().unwrap_or_default();
    let others: Vec<&str> = from.iter().copied().filter(|other| *other != first).collect();
    (first, draw.pick(&others).copied().unwrap_or_default())
}
