//! Variants and genes of a packet: gene, mutation, frequency; never a position (specification §6.4, §7.2 *Mutation*).

use crate::domain::subjects::{GeneAlleles, Subject, Variant};

use super::super::consequence::Description;
use super::super::merge::merge_variants;
use super::super::{Sink, Warning};
use super::wire::{Descriptor, OldVariant, OntologyClass, Packet, VcfRecord};

const NO_GENE: &str = "variants without a gene symbol were left out";

/// Adds the variants and the candidate genes of a packet. A gene named without a variant is kept as a gene without
/// named alleles, the form a `gene` directive of a remap pipeline leaves.
pub(super) fn add(subject: &mut Subject, packet: &Packet<'_>, sink: &mut dyn Sink) {
    let mut genes: Vec<&str> = Vec::new();
    let interpretations = packet.interpretations.iter().filter_map(|one| one.diagnosis.as_ref());
    for genomic in interpretations.flat_map(|diagnosis| &diagnosis.genomic_interpretations) {
        let named =
            genomic.gene.as_ref().map(|gene| gene.symbol.as_str()).filter(|symbol| !symbol.is_empty());
        let descriptor =
            genomic.variant_interpretation.as_ref().and_then(|one| one.variation_descriptor.as_ref());
        let Some(descriptor) = descriptor else {
            genes.extend(named);
            continue;
        };
        let context = descriptor.gene_context.as_ref().map(|gene| gene.symbol.as_str());
        match context.filter(|symbol| !symbol.is_empty()).or(named) {
            Some(gene) => subject.variant.push(of_descriptor(gene, descriptor)),
            None => sink.warn(Warning::one(NO_GENE, packet.id.as_str())),
        }
    }
    genes.extend(packet.genes.iter().map(|gene| gene.symbol.as_str()).filter(|symbol| !symbol.is_empty()));
    for variant in &packet.variants {
        // Version 1 does not say which gene a variant is in; with one gene there is no doubt.
        match packet.genes.as_slice() {
            [gene] if !gene.symbol.is_empty() => {
                subject.variant.push(of_old_variant(gene.symbol.as_str(), variant));
            }
            _ => sink.warn(Warning::one(NO_GENE, packet.id.as_str())),
        }
    }
    if subject.variant.len() > 1 {
        let all = std::mem::take(&mut subject.variant);
        merge_variants(&mut subject.variant, all);
    }
    if !genes.is_empty() {
        genes.sort_unstable();
        genes.dedup();
        let with_variant: std::collections::HashSet<&str> =
            subject.variant.iter().map(|variant| variant.gene.as_str()).collect();
        genes.retain(|gene| !with_variant.contains(gene));
        subject.alleles = genes
            .into_iter()
            .map(|gene| GeneAlleles { gene: gene.to_owned(), alleles: Vec::new() })
            .collect();
    }
}

fn of_descriptor(gene: &str, descriptor: &Descriptor<'_>) -> Variant {
    let so: Vec<(&str, &str)> = descriptor
        .molecular_consequences
        .iter()
        .chain(&descriptor.structural_type)
        .map(|class| (class.id.as_str(), class.label.as_str()))
        .collect();
    let hgvs: Vec<&str> = descriptor.expressions.iter().map(|expression| expression.value.as_str()).collect();
    let has_sequence = !hgvs.is_empty() || descriptor.vcf_record.as_ref().is_some_and(has_alleles);
    let extension = descriptor.extensions.iter().find(|extension| {
        let name = extension.name.as_str().to_ascii_lowercase().replace(['-', ' '], "_");
        matches!(name.as_str(), "af" | "allele_frequency" | "gnomad_af" | "minor_allele_frequency")
    });
    let stated = extension.and_then(|extension| extension.value).and_then(|raw| frequency(raw.get()));
    Variant {
        gene: gene.to_owned(),
        mutation: Description { so: &so, hgvs: &hgvs, has_sequence }.mutation(),
        af: stated.or_else(|| descriptor.vcf_record.as_ref().and_then(frequency_of_record)),
        allele_count: descriptor.allelic_state.as_ref().and_then(allele_count),
    }
}

fn of_old_variant(gene: &str, variant: &OldVariant<'_>) -> Variant {
    let hgvs: Vec<&str> = variant.hgvs_allele.iter().map(|allele| allele.hgvs.as_str()).collect();
    let has_sequence = !hgvs.is_empty() || variant.vcf_allele.as_ref().is_some_and(has_alleles);
    Variant {
        gene: gene.to_owned(),
        mutation: Description { so: &[], hgvs: &hgvs, has_sequence }.mutation(),
        af: variant.vcf_allele.as_ref().and_then(frequency_of_record),
        allele_count: variant.zygosity.as_ref().and_then(allele_count),
    }
}

/// Whether the record spells its alleles; `<DEL>` does not.
fn has_alleles(record: &VcfRecord<'_>) -> bool {
    let alt = record.alt.as_str();
    !record.reference.is_empty() && !alt.is_empty() && !alt.starts_with('<')
}

fn frequency_of_record(record: &VcfRecord<'_>) -> Option<f64> {
    record.info.as_str().split(';').find_map(|field| frequency(field.strip_prefix("AF=")?))
}

fn frequency(text: &str) -> Option<f64> {
    let value: f64 = text.trim_matches('"').parse().ok()?;
    (0.0..=1.0).contains(&value).then_some(value)
}

/// Alleles carried, from the zygosity (Genotype Ontology).
fn allele_count(state: &OntologyClass<'_>) -> Option<u8> {
    match state.id.as_str() {
        "GENO:0000136" => Some(2),
        // Heterozygous, simple and compound heterozygous, hemizygous.
        "GENO:0000135" | "GENO:0000458" | "GENO:0000402" | "GENO:0000134" => Some(1),
        _ => None,
    }
}
