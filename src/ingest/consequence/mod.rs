//! From a variant's description to the contract's mutation types (specification §7.2, *Mutation* and `vcf`).
//!
//! Lives here: Sequence Ontology terms, HGVS texts, structural types and the order in which they decide. Does not:
//! where the texts stand in a file (`phenopacket`, `vcf`). To add a term: its line in `TERMS`, its arm in `of_so_name`.

use crate::domain::subjects::Mutation;

mod hgvs;
#[cfg(test)]
mod tests;

pub use hgvs::{of_hgvs_c, of_hgvs_p};

/// Sequence Ontology ids of the consequences that annotators write, by name; sequenceontology.org, release 2024-11-18.
const TERMS: [(u32, &str); 40] = [
    (1_574, "splice_acceptor_variant"),
    (1_575, "splice_donor_variant"),
    (1_578, "stop_lost"),
    (1_580, "coding_sequence_variant"),
    (1_582, "initiator_codon_variant"),
    (1_583, "missense_variant"),
    (1_587, "stop_gained"),
    (1_589, "frameshift_variant"),
    (1_619, "non_coding_transcript_variant"),
    (1_620, "mature_miRNA_variant"),
    (1_621, "NMD_transcript_variant"),
    (1_623, "5_prime_UTR_variant"),
    (1_624, "3_prime_UTR_variant"),
    (1_626, "incomplete_terminal_codon_variant"),
    (1_627, "intron_variant"),
    (1_628, "intergenic_variant"),
    (1_629, "splice_site_variant"),
    (1_630, "splice_region_variant"),
    (1_631, "upstream_gene_variant"),
    (1_632, "downstream_gene_variant"),
    (1_636, "2KB_upstream_variant"),
    (1_782, "TF_binding_site_variant"),
    (1_787, "splice_donor_5th_base_variant"),
    (1_792, "non_coding_transcript_exon_variant"),
    (1_818, "protein_altering_variant"),
    (1_819, "synonymous_variant"),
    (1_820, "inframe_indel"),
    (1_821, "inframe_insertion"),
    (1_822, "inframe_deletion"),
    (1_823, "conservative_inframe_insertion"),
    (1_824, "disruptive_inframe_insertion"),
    (1_825, "conservative_inframe_deletion"),
    (1_826, "disruptive_inframe_deletion"),
    (1_983, "5_prime_UTR_premature_start_codon_gain_variant"),
    (1_970, "non_coding_transcript_intron_variant"),
    (2_012, "start_lost"),
    (2_019, "start_retained_variant"),
    (1_567, "stop_retained_variant"),
    (2_169, "splice_polypyrimidine_tract_variant"),
    (2_170, "splice_donor_region_variant"),
];

/// The mutation of a Sequence Ontology name as ANN and CSQ write it; every other name is non-coding.
pub fn of_so_name(name: &str) -> Mutation {
    match name {
        "start_lost" => Mutation::LossOfStart,
        "stop_lost" => Mutation::LossOfStop,
        "stop_gained" => Mutation::Nonsense,
        "frameshift_variant" => Mutation::Frameshift,
        "missense_variant" => Mutation::Missense,
        _ if name.starts_with("splice_") => Mutation::Splice,
        _ if is_inframe_indel(name) => Mutation::Indel,
        _ => Mutation::NonCoding,
    }
}

fn is_inframe_indel(name: &str) -> bool {
    let bare =
        name.strip_prefix("conservative_").or_else(|| name.strip_prefix("disruptive_")).unwrap_or(name);
    matches!(bare, "inframe_insertion" | "inframe_deletion" | "inframe_indel")
}

/// The mutation of a Sequence Ontology term given by id or label, if it is a consequence; a structural type is not.
pub fn of_so_term(id: &str, label: &str) -> Option<Mutation> {
    let number = id.strip_prefix("SO:").and_then(|digits| digits.parse::<u32>().ok());
    let name = number.and_then(|number| TERMS.iter().find(|(known, _)| *known == number));
    let name = name.or_else(|| TERMS.iter().find(|(_, known)| *known == label));
    name.map(|(_, name)| of_so_name(name))
}

/// What a descriptor says of a variant; empty texts are unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Description<'a> {
    /// Sequence Ontology id and label, of a consequence or of a structural type.
    pub so: &'a [(&'a str, &'a str)],
    /// HGVS expressions of any level, with or without the sequence they refer to.
    pub hgvs: &'a [&'a str],
    /// Whether the exact alleles are known.
    pub has_sequence: bool,
}

impl Description<'_> {
    /// The mutation, by the first rule that decides.
    pub fn mutation(&self) -> Mutation {
        self.so
            .iter()
            .find_map(|(id, label)| of_so_term(id, label))
            .or_else(|| self.hgvs.iter().find_map(|text| of_hgvs_p(text)))
            .or_else(|| self.hgvs.iter().find_map(|text| of_hgvs_c(text)))
            .or_else(|| (!self.so.is_empty() && !self.has_sequence).then_some(Mutation::Indel))
            .unwrap_or(Mutation::NonCoding)
    }
}
